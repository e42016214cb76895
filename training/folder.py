"""The folder of a run: `checkpoint-{step}/`, `best/`, `metrics.jsonl`, and where to go on."""

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from console import UserError
from lora.adapter import save_adapter
from lora.base import Base
from lora.files import append_line, atomic_directory, read_json, remove, to_disk, write_file
from training.checkpoint import STATE, differences, restore, same_bits, write_tensors
from training.config import TrainConfig
from training.loop import Optimization
from training.results import Result

# What reading a file of another make, or a part of one, may bring about.
DAMAGE = (
    *(OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError),
)
OF_A_RUN = ("metrics.jsonl", "comparison.json", "comparison.md", "report.html")


@dataclass
class RunFolder:
    """The folder of one run, and what the run has found so far."""

    path: Path
    base: Base
    config: TrainConfig
    identity: dict[str, Any]  # training.checkpoint.identity
    best_loss: float = float("inf")
    results: dict[str, Result] = field(default_factory=dict)  # of the base, and of the best
    kept: list[Path] = field(default_factory=list)  # checkpoints, the newest last
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.board = open_board(self.path) if self.config.tensorboard else None

    @property
    def log_path(self) -> Path:
        """One JSON object a line: every step, every evaluation."""
        return self.path / "metrics.jsonl"

    def begin(self, state: Optimization, device: torch.device) -> bool:
        """Go on with the unfinished run that is in the folder, if any, or make room for a new one.

        Returns whether there was one.

        Raises:
            UserError: the unfinished run had other settings, data or base; or it is damaged.
        """
        checkpoints = self._checkpoints()
        if checkpoints and not self.config.fresh:
            try:
                if self._go_on(checkpoints[-1], state, device):
                    self.kept = checkpoints
                    return True
            except DAMAGE as error:
                raise UserError(
                    f"{checkpoints[-1]}: 이어서 할 수 없게 손상되었습니다 ({error}). 이 폴더를 "
                    "지우면 그 앞의 체크포인트에서 이어서 하고, --fresh를 주면 처음부터 합니다."
                ) from error
        for path in checkpoints:  # the last one last: it alone says that its run is finished
            remove(path)
        for name in OF_A_RUN:
            if (self.path / name).exists():
                stem, ending = name.split(".")
                (self.path / name).replace(self.path / f"{stem}.previous.{ending}")
        return False

    def _go_on(self, last: Path, state: Optimization, device: torch.device) -> bool:
        """Restore the checkpoint, unless its run is finished."""
        record = read_json(last / STATE)
        if record["finished"]:
            return False
        if different := differences(record["identity"], self.identity):
            raise UserError(
                f"{last}: 끝나지 않은 학습인데 지금과 다릅니다: {', '.join(different)}. 같게 해서 "
                "이어서 하거나, --fresh로 처음부터 하거나, 다른 --output-dir을 주세요."
            )
        restore(last, self.base.model, state, device)
        self.best_loss = float(record["best_loss"])
        self.results = {name: Result(**result) for name, result in record["results"].items()}
        self._cut_log(state.step)
        exact = same_bits(record["identity"], self.identity)
        print(
            f"{last}에서 이어서 학습합니다. 처음부터 하려면 --fresh를 주세요."
            + ("" if exact else " (메모리 설정이나 torch가 달라 마지막 자릿수는 다를 수 있습니다.)")
        )
        return True

    def log(self, record: dict[str, Any]) -> None:
        """Append a record to `metrics.jsonl`, with the seconds that the run has taken."""
        record = record | {"seconds": round(time.monotonic() - self.started, 3)}
        append_line(self.log_path, json.dumps(record, ensure_ascii=False))
        if self.board is not None:
            for name in record.keys() - {"step"}:
                self.board.add_scalar(name, record[name], record["step"])
            self.board.flush()

    def save(self, state: Optimization, device: torch.device, finished: bool = False) -> Path:
        """Write `checkpoint-{step}/`; all but the last `keep_last` go."""
        if self.log_path.exists():
            to_disk(self.log_path)  # after a power failure it must not be behind the checkpoint
        checkpoint = self.checkpoint(state.step)
        with atomic_directory(checkpoint) as draft:
            record = write_tensors(self.base.model, state, device, draft)
            results = {name: asdict(result) for name, result in self.results.items()}
            record |= {"best_loss": self.best_loss, "results": results, "finished": finished}
            self._write_adapter(draft, record)
        self.kept = [*(path for path in self.kept if path != checkpoint), checkpoint]
        self.kept = self.kept[-self.config.keep_last :]
        for path in self._checkpoints():
            if path not in self.kept:
                remove(path)
        return checkpoint

    def checkpoint(self, step: int) -> Path:
        """Where the state after `step` is, or would be."""
        return self.path / f"checkpoint-{step}"

    def save_best(self, step: int, loss: float, result: Result) -> None:
        """Write `best/`: the adapter as it is now, whose validation loss is the lowest yet."""
        with atomic_directory(self.path / "best") as draft:
            self._write_adapter(draft, {"step": step, "validation_loss": loss})
        self.best_loss = loss
        self.results["lora"] = result

    def _write_adapter(self, draft: Path, record: dict[str, Any]) -> None:
        save_adapter(self.base.model, self.config.lora, self.base.name, draft)
        self.base.tokenizer.save_pretrained(draft)
        record = record | {"identity": self.identity}
        text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
        (draft / STATE).write_text(text + "\n", encoding="utf-8")

    def _checkpoints(self) -> list[Path]:
        """By step, the last one last."""
        found = {
            int(match[1]): path
            for path in self.path.glob("checkpoint-*")
            if (match := re.fullmatch(r"checkpoint-(\d{1,18})", path.name)) and path.is_dir()
        }
        return [found[step] for step in sorted(found)]

    def _cut_log(self, step: int) -> None:
        """Drop what will be logged again: later steps, and the evaluation after `step`."""
        records = read_log(self.log_path)
        kept = [r for r in records if r["step"] < step or (r["step"] == step and "loss" in r)]
        write_file(self.log_path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))
        if kept:
            self.started -= kept[-1]["seconds"]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a `metrics.jsonl`; a last line that was cut in two is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for line in lines:
        with suppress(ValueError):
            records.append(json.loads(line))
    return records


def open_board(folder: Path) -> Any:
    """TensorBoard's writer; the package is not among the requirements.

    Raises:
        UserError: it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--tensorboard: 패키지가 없습니다. pip install tensorboard 뒤에 다시 실행하세요."
        ) from error
    return SummaryWriter(str(folder / "tensorboard" / time.strftime("%Y%m%d-%H%M%S")))
