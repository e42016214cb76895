"""The decoding settings, each declared once with its default, its Korean help and its rule."""

from dataclasses import dataclass, fields, replace
from typing import Any

from common.console import Check, UserError, broken_rule, option

MEMORY_ADVICE = "--device cpu를 주세요."  # for `common.console.run`


AT_LEAST_0: Check = (lambda n: n >= 0, "0 이상이어야 합니다")
AT_LEAST_1: Check = (lambda n: n >= 1, "1 이상이어야 합니다")
CANDIDATES: Check = (lambda n: 1 <= n <= 64, "1 이상 64 이하여야 합니다")


def candidates_option(default: int) -> Any:
    """The setting `candidates`, whose default is another in each command."""
    help = "요약 후보의 수. 가장 그럴듯하고 답변에 충실한 것을 고름 (1: 하나만, 쓰는 대로 보임)"
    return option(default, help, check=CANDIDATES)


@dataclass(frozen=True)
class Decoding:
    """How a summary is decoded; `infer.generate.choose` applies the filters among the settings."""

    max_new_tokens: int = option(120, "요약의 최대 토큰 수", check=AT_LEAST_1)
    temperature: float = option(
        0.0,
        "다양함 (0: 늘 가장 그럴듯한 토큰)",
        # Close to 0 the quotient overflows, and below 0.01 every draw is the greedy one anyway.
        check=(lambda t: t == 0 or 0.01 <= t <= 100, "0이거나 0.01 이상 100 이하여야 합니다"),
    )
    top_k: int = option(0, "가장 그럴듯한 k개에서만 고름 (0: 제한 없음)", check=AT_LEAST_0)
    top_p: float = option(  # nucleus sampling, https://arxiv.org/abs/1904.09751, section 3.1
        1.0,
        "확률의 합이 p가 될 때까지의 토큰에서만 고름 (1: 제한 없음)",
        check=(lambda p: 0 < p <= 1, "0보다 크고 1 이하여야 합니다"),
    )
    repetition_penalty: float = option(  # CTRL, https://arxiv.org/abs/1909.05858, section 4.1
        1.0,
        "이미 나온 토큰을 덜 고름 (1: 그대로)",
        check=(lambda p: 0.1 <= p <= 10, "0.1 이상 10 이하여야 합니다"),
    )
    no_repeat_ngram: int = option(  # 4 excludes a phrase of two tokens three times in a row
        4, "요약에서 이어진 토큰 n개가 두 번 나오지 않게 함 (0: 막지 않음)", check=AT_LEAST_0
    )
    copy_bias: float = option(
        0.5,
        "답변에서 이어지던 토큰에 주는 덤: 읽은 말을 끝까지 옮기게 함 (0: 끔)",
        check=(lambda b: 0 <= b <= 10, "0 이상 10 이하여야 합니다"),
    )
    candidates: int = candidates_option(1)
    seed: int = option(
        42, "난수 시드", check=(lambda s: 0 <= s < 2**63, "0 이상 2^63 미만이어야 합니다")
    )

    def changed(self, name: str, value: object) -> "Decoding":
        """A copy with one setting changed to what a person typed or a program sent.

        Raises:
            UserError: no such setting, a value that is not a number, or one that breaks the rule.
        """
        names = [field.name for field in fields(self)]
        if name not in names:
            raise UserError(f"{name}: 모르는 설정입니다. {', '.join(names)} 중에서 고르세요.")
        kind = type(getattr(self, name))
        try:
            new = replace(self, **{name: kind(value)})
        except (TypeError, ValueError, OverflowError) as error:
            wanted = "정수" if kind is int else "수"
            raise UserError(f"{name} {value}: {wanted}를 적으세요.") from error
        if broken := broken_rule(new):
            raise UserError(f"{name} {value}: {broken[1]}.")
        return new


# Greedy decoding with no rule of our own: what transformers' `generate` does, token for token.
GREEDY = Decoding(no_repeat_ngram=0, copy_bias=0.0, candidates=1)
