"""How to write a summary, as a person sets it: at the command line, in the chat, on the page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from common.console import UserError, option
from infer.generate import Sampling
from infer.summarize import MAX_NEW_TOKENS, NO_REPEAT_NGRAM, Summarizer

MEMORY_ADVICE = "--device cpu를 주세요."  # for `common.console.run`

RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_new_tokens": (lambda n: n >= 1, "1 이상이어야 합니다"),
    # Below a hundredth the exponent overflows, and 0 means the same.
    "temperature": (lambda t: t == 0 or 0.01 <= t <= 100, "0이거나 0.01 이상 100 이하여야 합니다"),
    "top_k": (lambda k: k >= 0, "0 이상이어야 합니다"),
    "top_p": (lambda p: 0 < p <= 1, "0보다 크고 1 이하여야 합니다"),
    "repetition_penalty": (lambda p: 0.1 <= p <= 10, "0.1 이상 10 이하여야 합니다"),
    "no_repeat_ngram": (lambda n: n >= 0, "0 이상이어야 합니다"),
    "seed": (lambda s: 0 <= s < 2**63, "0 이상 2^63 미만이어야 합니다"),
}


@dataclass
class Decoding:
    """Options of whatever writes summaries."""

    max_new_tokens: int = option(MAX_NEW_TOKENS, "요약의 최대 토큰 수")
    temperature: float = option(0.0, "0이면 늘 가장 그럴듯한 토큰, 크면 다양하게")
    top_k: int = option(0, "가장 그럴듯한 k개에서만 고름 (0: 제한 없음)")
    top_p: float = option(1.0, "확률의 합이 p가 될 때까지의 토큰에서만 고름")
    repetition_penalty: float = option(1.0, "이미 나온 토큰을 덜 고름 (1: 그대로)")
    no_repeat_ngram: int = option(
        NO_REPEAT_NGRAM, "요약에서 이어진 토큰 n개가 두 번 나오지 않게 함 (0: 막지 않음)"
    )
    seed: int = option(42, "난수 시드")

    @property
    def broken(self) -> tuple[str, str] | None:
        """The first setting that breaks its rule, and the rule; None where all keep theirs."""
        for name, (keeps, rule) in RULES.items():
            if not keeps(getattr(self, name)):
                return name, rule
        return None

    def changed(self, name: str, value: object) -> "Decoding":
        """A copy with one setting as a person typed it, or a program gave it.

        Raises:
            UserError: no such setting, no number, or one that breaks the rule.
        """
        if name not in RULES:
            raise UserError(f"{name}: 모르는 설정입니다. {', '.join(RULES)} 중에서 고르세요.")
        kind = type(getattr(self, name))
        try:
            new = replace(self, **{name: kind(value)})
        except (TypeError, ValueError, OverflowError) as error:
            wanted = "정수" if kind is int else "수"
            raise UserError(f"{name} {value}: {wanted}를 적으세요.") from error
        if new.broken:
            raise UserError(f"{name} {value}: {new.broken[1]}.")
        return new

    @property
    def sampling(self) -> Sampling:
        """How to draw tokens."""
        return Sampling(
            self.temperature,
            self.top_k,
            self.top_p,
            self.repetition_penalty,
            self.no_repeat_ngram,
            self.seed,
        )

    def summarizer(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Summarizer:
        """The model, writing as these settings say."""
        return Summarizer(model, tokenizer, self.max_new_tokens, self.sampling)
