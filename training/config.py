"""Every default of a training run, in one place: each field is an option of the command."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from common.console import option, refuse
from data.batches import LENGTH_MULTIPLE, round_up
from lora.inject import DEFAULT_TARGETS, LoraConfig


@dataclass
class TrainConfig:
    """Settings of one run."""

    base: str | None = option(
        None, "베이스 모델: 허브 이름이나 폴더. 안 주면 gpt2, 허브가 없으면 내장 모델"
    )
    data: Path | None = option(
        None, "CSV 파일. 안 주면 data/aihub_interview.csv, 없으면 예제 데이터"
    )
    output_dir: Path = option(Path("checkpoints"), "결과를 쓸 폴더")

    rank: int = option(16, "LoRA의 랭크 r")
    alpha: float = option(32.0, "LoRA의 배율 alpha (업데이트에 alpha/r을 곱함)")
    dropout: float = option(0.05, "LoRA 입력의 드롭아웃")
    targets: list[str] = option(list(DEFAULT_TARGETS), "LoRA를 붙일 층 이름의 끝부분")

    learning_rate: float | None = option(
        None, "최고 학습률. 안 주면 베이스의 너비에 맞게 (내장 3e-3, gpt2 1e-3)"
    )
    epochs: int = option(3, "데이터를 몇 번 볼지")
    max_steps: int | None = option(None, "이 스텝 수에서 끝냄 (시험용)")
    warmup_ratio: float = option(0.03, "전체 스텝 가운데 학습률을 올리는 데 쓰는 비율")
    weight_decay: float = option(0.0, "AdamW의 가중치 감쇠")
    max_grad_norm: float = option(1.0, "그래디언트 노름의 상한")
    micro_batch_size: int = option(1, "최대 길이인 예제라면 한 번에 몇 개를 계산할지")
    micro_batch_tokens: int | None = option(
        None,
        "한 번에 계산하는 토큰의 상한: 짧은 예제는 함께 계산함. 안 주면 micro-batch-size × "
        "max-length, 0이면 언제나 micro-batch-size개씩",
    )
    gradient_accumulation_steps: int = option(
        32, "한 스텝에 모으는 예제 수는 이 값 × micro-batch-size"
    )
    max_length: int = option(1024, "프롬프트+요약+EOS의 최대 토큰 수")

    gradient_checkpointing: bool = option(
        False, "층 안의 값을 간직하지 않고 역전파 때 다시 계산함: 메모리는 덜, 시간은 더"
    )
    compile: bool = option(False, "torch.compile로 층들을 합침 (C++ 컴파일러 필요)")
    precision: str = option("auto", "계산 정밀도: auto, fp16, bf16, fp32")
    device: str = option("auto", "auto, cuda, mps, cpu")
    eval_every: str = option("epoch", "평가하고 저장하는 간격: epoch 또는 스텝 수")
    eval_samples: int = option(32, "평가 때 요약을 써 볼 검증 행의 수")
    save_steps: int = option(20, "이어서 학습할 수 있도록 저장하는 스텝 간격 (평가할 때도 저장함)")
    keep_last: int = option(2, "남겨 둘 checkpoint-{스텝}의 수 (best는 따로 남음)")
    fresh: bool = option(False, "끝나지 않은 학습이 있어도 처음부터 다시 함")
    tensorboard: bool = option(False, "TensorBoard용 기록도 남김 (pip install tensorboard)")
    seed: int = option(42, "난수 시드")

    def __post_init__(self) -> None:
        """Refuse values that cannot train.

        Raises:
            UserError: the first such option, with what it may be.
        """
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            refuse("learning_rate", self.learning_rate, "0보다 큰 수여야 합니다")
        positive = [
            "rank", "alpha", "epochs", "max_grad_norm", "micro_batch_size",
            "gradient_accumulation_steps", "max_length", "eval_samples", "save_steps", "keep_last",
        ]  # fmt: skip
        for name in positive:
            if not 0 < getattr(self, name) < 2**31:
                refuse(name, getattr(self, name), "0보다 크고 2^31보다 작아야 합니다")
        for name in ("dropout", "warmup_ratio"):
            if not 0 <= getattr(self, name) < 1:
                refuse(name, getattr(self, name), "0 이상 1 미만이어야 합니다")
        if not 0 <= self.weight_decay < math.inf:
            refuse("weight_decay", self.weight_decay, "0 이상이어야 합니다")
        if not 0 <= self.seed < 2**63:
            refuse("seed", self.seed, "0 이상 2^63 미만이어야 합니다")
        if self.micro_batch_tokens is not None and self.micro_batch_tokens < 0:
            refuse("micro_batch_tokens", self.micro_batch_tokens, "0 이상이어야 합니다")
        if self.max_steps is not None and self.max_steps < 1:
            refuse("max_steps", self.max_steps, "1 이상이어야 합니다")
        if self.eval_every != "epoch" and not re.fullmatch(r"[1-9][0-9]{0,8}", self.eval_every):
            refuse("eval_every", self.eval_every, "epoch 또는 1 이상의 스텝 수여야 합니다")

    def peak_learning_rate(self, width: int) -> float:
        """The user's, or 3e-3 at the embedded base's width of 256, falling as 1 / width.

        3e-3 was chosen in a sweep on the embedded base, where 6e-3 does as well (BENCHMARKS.md).
        That Adam's best rate falls as 1 / width is muP's result (https://arxiv.org/abs/2203.03466,
        table 3).
        """
        return self.learning_rate or 3e-3 * 256 / width

    def token_budget(self, context: int) -> int:
        """Most tokens of a micro-batch, padding included; 0 cuts by number of examples alone.

        The user's, or what `micro_batch_size` examples of `max_length` take: short examples then
        share a micro-batch, in memory that has to be there for long ones.
        """
        if self.micro_batch_tokens is not None:
            return self.micro_batch_tokens
        return self.micro_batch_size * round_up(min(self.max_length, context), LENGTH_MULTIPLE)

    @property
    def window(self) -> int:
        """Examples per optimizer step."""
        return self.micro_batch_size * self.gradient_accumulation_steps

    def windows(self, rows: int) -> int:
        """Optimizer steps per epoch over that many rows: the last window may be short."""
        return -(-rows // self.window)

    def steps(self, rows: int) -> int:
        """Optimizer steps of the whole run."""
        steps = self.epochs * self.windows(rows)
        return min(steps, self.max_steps or steps)

    def evaluates_at(self, step: int, rows: int) -> bool:
        """Whether an evaluation is due after `step`, counted from 1."""
        every = self.windows(rows) if self.eval_every == "epoch" else int(self.eval_every)
        return step % every == 0 or step == self.steps(rows)

    @property
    def lora(self) -> LoraConfig:
        """The part of the settings that an adapter is made of."""
        return LoraConfig(self.rank, self.alpha, self.dropout, tuple(self.targets))
