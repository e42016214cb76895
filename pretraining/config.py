"""Settings of the embedded base and of a pretraining run, each an option of the command."""

import math
from dataclasses import dataclass
from pathlib import Path

from common.console import option, refuse, validate
from pretraining.documents import ANNEALING, SHARES

POSITIVE = (lambda value: 0 < value < math.inf, "0보다 큰 수여야 합니다")
NOT_FP16 = (lambda name: name != "fp16", "bf16이나 fp32여야 합니다")


@dataclass
class PretrainConfig:
    """Settings of the embedded base and of the run that makes it."""

    corpus: Path | None = option(None, "pretraining.prepare가 쓴 폴더. 없으면 지어낸 글만")
    work: Path = option(Path("checkpoints/pretrain"), "체크포인트의 폴더. 베이스는 그 아래 base/")
    init: Path | None = option(
        None, "둘째 단계: 이 베이스의 가중치와 토크나이저에서 시작하고 손으로 쓴 짝을 많이 읽음"
    )
    tokens: int = option(600_000_000, "학습할 토큰 수", POSITIVE)
    vocab_size: int = option(8_192, "어휘 크기", POSITIVE)
    tokenizer_documents: int = option(40_000, "토크나이저를 학습할 문서 수", POSITIVE)
    layers: int = option(7, "층 수", POSITIVE)
    width: int = option(320, "은닉 차원", POSITIVE)
    heads: int = option(5, "어텐션 헤드 수", POSITIVE)
    context: int = option(1024, "문맥 길이", (lambda n: n > 1 and n % 2 == 0, "짝수여야 합니다"))
    batch_size: int = option(64, "한 스텝의 시퀀스 수 (문맥 길이로 셈)", POSITIVE)
    learning_rate: float = option(4e-3, "최고 학습률", POSITIVE)
    warmup_steps: int = option(100, "학습률을 올리는 스텝 수")
    decay_share: float = option(0.25, "마지막에 학습률을 내리는 몫")
    drills_first: int = option(20_000, "처음 이만큼의 문서는 대부분 베끼기 연습")
    short_share: float = option(0.7, "처음 이만큼은 문맥의 절반 길이로 학습 (더 빠름)")
    compile: bool = option(False, "torch.compile로 층들을 합침 (C++ 컴파일러 필요)")
    workers: int = option(2, "글을 만드는 프로세스 수. 0이면 학습하는 프로세스가 만듦")
    save_every: int = option(500, "저장하고 재는 스텝 간격", POSITIVE)
    precision: str = option("auto", "auto, bf16, fp32", NOT_FP16)
    device: str = option("auto", "auto, cuda, mps, cpu")
    seed: int = option(0, "난수 시드")

    def __post_init__(self) -> None:
        validate(self)
        if self.width % self.heads:
            refuse("heads", self.heads, f"--width {self.width}의 약수여야 합니다")

    @property
    def shares(self) -> dict[str, float]:
        """What share of the documents each kind has in this stage."""
        return ANNEALING if self.init else SHARES

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return math.ceil(self.tokens / (self.batch_size * self.context))

    def rate(self, step: int) -> float:
        """The learning rate of a step: warm up, stay, decay (arXiv:2404.06395).

        It does not depend on the total until the decay begins: an interrupted run may continue with
        other --tokens.
        """
        decay = max(1, round(self.steps * self.decay_share))
        up = (step + 1) / max(1, self.warmup_steps)
        down = (self.steps - step) / decay
        return self.learning_rate * min(1.0, up, down)
