"""Every default of a training run, in one place: each field is an option of the command."""

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path

from common.console import Check, option, refuse, validate
from data.batches import LENGTH_MULTIPLE, round_up
from data.interviews import SPLITS
from lora.inject import LoraConfig

POSITIVE: Check = (lambda value: 0 < value < 2**31, "0보다 크고 2^31보다 작아야 합니다")
NOT_NEGATIVE: Check = (lambda value: 0 <= value < math.inf, "0 이상이어야 합니다")
FRACTION: Check = (lambda value: 0 <= value < 1, "0 이상 1 미만이어야 합니다")
SEED: Check = (lambda value: 0 <= value < 2**63, "0 이상 2^63 미만이어야 합니다")
SPLIT: Check = (SPLITS.__contains__, f"{', '.join(SPLITS)} 중에서 고르세요")
INTERVAL: Check = (
    lambda value: value == "epoch" or bool(re.fullmatch(r"[1-9][0-9]{0,8}", value)),
    "epoch 또는 1 이상의 스텝 수여야 합니다",
)


@dataclass
class TrainConfig:
    """Settings of one run. An unfinished run is resumed with the same settings, except that

    resume="free" may change, since it decides where results go and how often they are saved,
    resume="bits" may change, since it changes the last bits of a gradient and dropout at most,
    resume="resolved" is compared by what "auto" or None has become (`checkpoint.identity`).
    """

    # What to train on, and where to write.
    base: str | None = option(
        None, "베이스: 허브 이름이나 폴더. 안 주면 gpt2나 내장 모델", resume="resolved"
    )
    data: Path | None = option(
        None, "CSV 파일. 안 주면 data/aihub_interview.csv, 없으면 예제 데이터", resume="resolved"
    )
    validation: Path | None = option(
        None,
        "검증 행의 CSV. 안 주면 data/aihub_interview.csv에는 data/aihub_validation.csv를 쓰고, "
        "그것도 없으면 학습 CSV에서 1%를 뗌",
        resume="resolved",
    )
    split: str | None = option(
        None, "1%를 떼는 법: row(행마다, 기본), question(같은 질문은 한쪽에만)", SPLIT
    )
    output_dir: Path = option(Path("checkpoints"), "결과를 쓸 폴더", resume="free")

    # The adapter.
    rank: int = option(16, "LoRA의 랭크 r", POSITIVE)
    alpha: float = option(32.0, "LoRA의 배율 alpha (업데이트에 alpha/r을 곱함)", POSITIVE)
    dropout: float = option(0.05, "LoRA 입력의 드롭아웃", FRACTION)
    targets: list[str] = option(
        [],
        "LoRA를 붙일 층 이름의 끝부분. 안 주면 블록의 선형층 모두. attn.c_attn:qv는 q와 v에만",
    )
    rslora: bool = option(False, "alpha/r 대신 alpha/√r을 곱함 (rsLoRA): 큰 랭크에")
    base_bits: int | None = option(
        None,
        "얼린 베이스를 4(nf4)나 8(int8)비트로 두고 학습 (QLoRA)",
        (lambda bits: bits in (4, 8), "4 또는 8만 됩니다"),
    )

    # The optimizer.
    learning_rate: float | None = option(
        None, "최고 학습률. 안 주면 베이스의 너비에 맞게 (내장 2.4e-3, gpt2 1e-3)", POSITIVE
    )
    lora_plus: float = option(1.0, "B의 학습률을 A의 몇 배로 할지 (LoRA+, 논문은 16)", POSITIVE)
    epochs: int = option(1, "데이터를 몇 번 볼지. 몇백 행뿐이면 5쯤", POSITIVE)
    max_steps: int | None = option(None, "이 스텝 수에서 끝냄 (시험용)", POSITIVE)
    warmup_ratio: float = option(0.03, "전체 스텝 가운데 학습률을 올리는 비율", FRACTION)
    weight_decay: float = option(0.0, "AdamW의 가중치 감쇠", NOT_NEGATIVE)
    max_grad_norm: float = option(1.0, "그래디언트 노름의 상한", POSITIVE)

    # The batch of an optimizer step, and the micro-batches that it is computed in.
    batch_size: int = option(1, "최대 길이인 예제라면 한 번에 몇 개를 계산할지", POSITIVE)
    gradient_accumulation_steps: int = option(32, "한 스텝에 batch-size × 이 값만큼 봄", POSITIVE)
    micro_batch_tokens: int | None = option(
        None,
        "한 번에 계산하는 토큰의 상한: 짧은 예제는 함께 계산함. 안 주면 batch-size × max-length, "
        "0이면 언제나 batch-size개씩",
        NOT_NEGATIVE,
        resume="bits",
    )
    max_length: int = option(1024, "프롬프트+요약+EOS의 최대 토큰 수", POSITIVE)

    # How and where to compute.
    gradient_checkpointing: bool = option(
        False, "층 안의 값을 역전파 때 다시 계산함: 메모리는 덜, 시간은 더", resume="bits"
    )
    compile: bool = option(False, "torch.compile로 층들을 합침 (C++ 컴파일러 필요)", resume="bits")
    precision: str = option("auto", "계산 정밀도: auto, fp16, bf16, fp32", resume="resolved")
    device: str = option("auto", "auto, cuda, mps, cpu", resume="resolved")

    # When to evaluate and save.
    eval_every: str = option("epoch", "평가하고 저장하는 간격: epoch 또는 스텝 수", INTERVAL)
    patience: int | None = option(
        None, "검증 손실이 이만큼 이어서 나아지지 않으면 끝냄. 안 주면 끝까지", POSITIVE
    )
    eval_samples: int = option(32, "평가 때 요약을 써 볼 검증 행의 수", POSITIVE)
    save_steps: int = option(20, "저장하는 스텝 간격 (평가할 때도 저장함)", POSITIVE, resume="free")
    keep_last: int = option(2, "남겨 둘 checkpoint-{스텝}의 수", POSITIVE, resume="free")
    fresh: bool = option(False, "끝나지 않은 학습이 있어도 처음부터 다시 함", resume="free")
    tensorboard: bool = option(False, "TensorBoard용 기록도 남김", resume="free")
    seed: int = option(42, "난수 시드", SEED)

    def __post_init__(self) -> None:
        validate(self)
        if self.validation and self.split:
            refuse("split", self.split, "--validation을 주면 떼지 않습니다")

    @property
    def lora(self) -> LoraConfig:
        """The settings that shape the adapter."""
        return LoraConfig(self.rank, self.alpha, self.dropout, tuple(self.targets), self.rslora)

    @property
    def examples_per_step(self) -> int:
        """How many examples one optimizer step sees."""
        return self.batch_size * self.gradient_accumulation_steps

    def steps_per_epoch(self, rows: int) -> int:
        """Optimizer steps of one epoch. The last one may see fewer examples."""
        return math.ceil(rows / self.examples_per_step)

    def steps(self, rows: int) -> int:
        """Optimizer steps of the whole run."""
        steps = self.epochs * self.steps_per_epoch(rows)
        return min(steps, self.max_steps or steps)

    def evaluates_at(self, step: int, rows: int) -> bool:
        """Whether an evaluation follows `step`, counted from 1. One always follows the last."""
        every = self.steps_per_epoch(rows) if self.eval_every == "epoch" else int(self.eval_every)
        return step % every == 0 or step == self.steps(rows)

    def peak_learning_rate(self, width: int) -> float:
        """The user's, or 3e-3 at a width of 256, falling as 1 / width (embedded base: 2.4e-3).

        3e-3 was chosen in a sweep on the first embedded base (BENCHMARKS.md). That Adam's best rate
        falls as 1 / width is a result of muP (https://arxiv.org/abs/2203.03466, table 3). At the
        widths of Llama 7B to 65B the rule gives 1.9e-4 to 0.9e-4, close to the 2e-4 and 1e-4 that
        QLoRA found for them (https://arxiv.org/abs/2305.14314, table 9).
        """
        return self.learning_rate or 3e-3 * 256 / width

    def token_budget(self, context: int) -> int:
        """The most tokens of a micro-batch, padding included; 0 means `batch_size` examples each.

        The default is what `batch_size` examples of `max_length` take. The memory for that has to
        be there anyway, so short examples may share a micro-batch up to the same size.
        """
        if self.micro_batch_tokens is not None:
            return self.micro_batch_tokens
        return self.batch_size * round_up(min(self.max_length, context), LENGTH_MULTIPLE)

    def describe_batches(self, rows: int, held_out: int, context: int) -> str:
        """How many rows there are, and how many a step and a micro-batch take, in Korean."""
        tokens = self.token_budget(context)
        micro_batch = f"한꺼번에 {tokens:,}토큰까지" if tokens else f"{self.batch_size}행씩"
        batch = f"한 스텝에 {self.examples_per_step}행, {micro_batch}"
        return f"학습 {rows:,}행, 검증 {held_out:,}행; {batch}"


def fields_by_rule(rule: str | None) -> list[str]:
    """The names of the settings that were declared with this `resume` rule."""
    return [field.name for field in fields(TrainConfig) if field.metadata.get("resume") == rule]
