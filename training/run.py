"""The folder of a run: `checkpoint-{step}/`, `best/`, `metrics.jsonl`, and how to resume it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.console import UserError
from common.files import atomic_directory, delete_directory, read_json, write_file
from common.folders import BEST
from common.log import Log
from evaluation.results import Result
from lora.adapter import STATE, save_adapter
from model.base import Base
from training.checkpoint import differences, reading, restore, same_bits, save_state
from training.config import TrainConfig
from training.loop import TrainingState

PREFIX = "checkpoint-"
RECORDS = ("metrics.jsonl", "comparison.json", "comparison.md", "report.html")


@dataclass
class Run:
    """The folder of one run, and what its evaluations have found so far."""

    path: Path
    base: Base
    config: TrainConfig
    identity: dict[str, Any]  # training.checkpoint.identity
    rows: int = 0  # that it trains on
    best_loss: float = float("inf")
    evaluations_since_best: int = 0
    results: dict[str, Result] = field(default_factory=dict)  # of the base and of the best adapter

    def __post_init__(self) -> None:
        self.log = Log(self.path / "metrics.jsonl", self.config.tensorboard)

    def resume(self, state: TrainingState) -> None:
        """Restore model and `state` from the last checkpoint of an unfinished run, if any.

        A run with other settings, other data or another base is an error.
        """
        checkpoint = self.last_checkpoint()
        if checkpoint is None or self.config.fresh:
            return
        with reading(checkpoint):
            record = read_json(checkpoint / STATE)
            before, finished = record["identity"], record["finished"]
            different = [] if finished else differences(before, self.identity)
        if finished:
            return
        if different:
            raise UserError(
                f"{checkpoint}: 끝나지 않은 학습인데 지금과 다릅니다: {', '.join(different)}. 같게 "
                "해서 이어서 하거나, --fresh로 처음부터 하거나, 다른 --output-dir을 주세요."
            )
        with reading(checkpoint):
            restore(checkpoint, record, self.base.model, state)
            self.best_loss = float(record["best_loss"])
            self.evaluations_since_best = int(record["evaluations_since_best"])
            self.results = {name: Result(**found) for name, found in record["results"].items()}
            exact = same_bits(before, self.identity)
        print(
            f"{checkpoint}에서 이어서 학습합니다. 처음부터 하려면 --fresh를 주세요."
            + ("" if exact else " (메모리 설정이나 torch가 달라 비트까지 같지는 않습니다.)")
        )
        # The evaluation of this step is done again, and later steps are.
        step = state.step
        self.log.truncate(lambda r: r["step"] < step or (r["step"] == step and "loss" in r))

    def discard_previous(self) -> None:
        """Remove the checkpoints of the previous run and rename its records to `*.previous.*`."""
        for path in self._checkpoints():  # the last one, which says that it is finished, goes last
            delete_directory(path)
        for name in RECORDS:
            if (self.path / name).exists():
                stem, ending = name.split(".")
                (self.path / name).replace(self.path / f"{stem}.previous.{ending}")

    def save(self, state: TrainingState, finished: bool = False) -> None:
        """Write `checkpoint-{step}/` and remove all but the last `keep_last` checkpoints."""
        self.log.flush()  # before the checkpoint, which resumes after the steps in the log
        with atomic_directory(self.checkpoint(state.step)) as draft:
            record = save_state(draft, self.base.model, state)
            results = {name: asdict(result) for name, result in self.results.items()}
            record |= {"best_loss": self.best_loss, "results": results, "finished": finished}
            record["evaluations_since_best"] = self.evaluations_since_best
            self._write_adapter(draft, record)
        for path in self._checkpoints()[: -self.config.keep_last]:
            delete_directory(path)

    def save_last_step(self, state: TrainingState) -> None:
        """Save what the last step has left, unless it was skipped or is saved already."""
        # A checkpoint that exists precedes the evaluation of its step, which is done again.
        saved = self.checkpoint(state.step).exists()
        if state.step and not state.skipped_in_a_row and not saved:
            self.save(state)

    def save_best(self, step: int, loss: float, result: Result, card: str) -> None:
        """Write `best/`: the adapter as it is now, which has the lowest validation loss so far."""
        with atomic_directory(self.path / BEST) as draft:
            self._write_adapter(draft, {"step": step, "validation_loss": loss})
            write_file(draft / "README.md", card)
        self.best_loss = loss
        self.results["lora"] = result

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint after `step`, which may not exist."""
        return self.path / f"{PREFIX}{step}"

    def last_checkpoint(self) -> Path | None:
        """The checkpoint with the most steps, if there is any."""
        return next(reversed(self._checkpoints()), None)

    def how_to_resume(self) -> str:
        """What a person reads after a signal has stopped the run."""
        saved = self.last_checkpoint()
        kept = f"{saved}에 저장했습니다." if saved else "아직 저장할 것이 없습니다."
        again = "--fresh 없이 같은 명령을" if self.config.fresh else "같은 명령을"
        return f"멈췄습니다. {kept} {again} 다시 실행하면 이어서 합니다."

    def _checkpoints(self) -> list[Path]:
        """All checkpoints, in ascending order of their steps."""
        folders = self.path.glob(f"{PREFIX}*/")
        found = [path for path in folders if path.name.removeprefix(PREFIX).isdecimal()]
        return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))

    def _write_adapter(self, draft: Path, record: dict[str, Any]) -> None:
        config = self.config
        save_adapter(self.base.model, config.lora, self.base.name, draft, config.base_bits)
        self.base.tokenizer.save_pretrained(draft)
        record = record | {"identity": self.identity}
        text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
        write_file(draft / STATE, text + "\n")
