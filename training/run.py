"""The folder of a run: `checkpoint-{step}/`, `best/`, `metrics.jsonl`, and where to go on."""

import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from common.console import UserError
from common.files import (
    append_line,
    atomic_directory,
    delete_directory,
    fsync_path,
    read_json,
    read_log,
    write_file,
)
from common.folders import BEST
from evaluation.results import Result
from lora.adapter import STATE, save_adapter
from model.base import Base
from training.checkpoint import differences, restore, same_bits, write_tensors
from training.config import TrainConfig
from training.loop import Optimization

# What reading a file of another make, or a part of one, may bring about.
DAMAGE = (FileNotFoundError, SafetensorError, UserError, KeyError, TypeError, ValueError)
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
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.board = open_board(self.path) if self.config.tensorboard else None

    @property
    def log_path(self) -> Path:
        """One JSON object a line: every step, every evaluation."""
        return self.path / "metrics.jsonl"

    def go_on(self, state: Optimization, device: torch.device) -> bool:
        """Restore the unfinished run that is in the folder; whether there is one.

        Raises:
            UserError: it had other settings, data or base; or it is damaged.
        """
        checkpoints = self._checkpoints()
        if self.config.fresh or not checkpoints:
            return False
        last = checkpoints[-1]
        try:
            record = read_json(last / STATE)
            finished, before = record["finished"], record["identity"]
            different = [] if finished else differences(before, self.identity)
            if not finished and not different:
                restore(last, self.base.model, state, device)
                self.best_loss = float(record["best_loss"])
                self.results = {name: Result(**found) for name, found in record["results"].items()}
        except (*DAMAGE, AttributeError) as error:
            reason = str(error).split(". ")[0]
            raise UserError(
                f"{last}: 이어서 할 수 없게 손상되었습니다 ({reason}). 이 폴더를 지우면 그 앞의 "
                "체크포인트에서 이어서 하고, --fresh를 주면 처음부터 합니다."
            ) from error
        if different:
            raise UserError(
                f"{last}: 끝나지 않은 학습인데 지금과 다릅니다: {', '.join(different)}. 같게 해서 "
                "이어서 하거나, --fresh로 처음부터 하거나, 다른 --output-dir을 주세요."
            )
        if finished:
            return False
        exact = same_bits(before, self.identity)
        print(
            f"{last}에서 이어서 학습합니다. 처음부터 하려면 --fresh를 주세요."
            + ("" if exact else " (메모리 설정이나 torch가 달라 비트까지 같지는 않습니다.)")
        )
        self._cut_log(state.step)
        return True

    def make_room(self) -> None:
        """Remove the checkpoints of the run before, and keep its records as `*.previous.*`."""
        for path in self._checkpoints():  # the last one last: it tells that its run is finished
            delete_directory(path)
        for name in OF_A_RUN:
            if (self.path / name).exists():
                stem, ending = name.split(".")
                (self.path / name).replace(self.path / f"{stem}.previous.{ending}")

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
            fsync_path(self.log_path)  # after a power failure it must not be behind the checkpoint
        checkpoint = self.checkpoint(state.step)
        with atomic_directory(checkpoint) as draft:
            record = write_tensors(self.base.model, state, device, draft)
            results = {name: asdict(result) for name, result in self.results.items()}
            record |= {"best_loss": self.best_loss, "results": results, "finished": finished}
            self._write_adapter(draft, record)
        for path in self._checkpoints()[: -self.config.keep_last]:
            delete_directory(path)
        return checkpoint

    def newest(self) -> Path | None:
        """The checkpoint of the most steps."""
        return next(reversed(self._checkpoints()), None)

    def checkpoint(self, step: int) -> Path:
        """Where the state after `step` is, or would be."""
        return self.path / f"checkpoint-{step}"

    def save_best(self, step: int, loss: float, result: Result) -> None:
        """Write `best/`: the adapter as it is now, whose validation loss is the lowest yet."""
        with atomic_directory(self.path / BEST) as draft:
            self._write_adapter(draft, {"step": step, "validation_loss": loss})
        self.best_loss = loss
        self.results["lora"] = result

    def _write_adapter(self, draft: Path, record: dict[str, Any]) -> None:
        save_adapter(self.base.model, self.config.lora, self.base.name, draft)
        self.base.tokenizer.save_pretrained(draft)
        record = record | {"identity": self.identity}
        text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
        write_file(draft / STATE, text + "\n")

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
