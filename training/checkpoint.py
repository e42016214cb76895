"""What a run writes: `checkpoint-{step}/`, `best/` and `metrics.jsonl`."""

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from console import UserError
from lora.adapter import save_adapter
from lora.base import Base
from lora.files import atomic_directory, sha256
from training.config import TrainConfig


@dataclass
class RunFolder:
    """The folder of one run, and the best validation loss so far."""

    path: Path
    base: Base
    config: TrainConfig
    data: Path
    best_loss: float = float("inf")
    saved: list[Path] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.digest = sha256(self.data)
        board = self.path / "tensorboard" / time.strftime("%Y%m%d-%H%M%S")
        self.board = open_board(board) if self.config.tensorboard else None
        # What tells of an earlier run in this folder steps aside.
        for name in ("metrics.jsonl", "comparison.json", "comparison.md", "report.html"):
            if (self.path / name).exists():
                stem, ending = name.split(".")
                (self.path / name).replace(self.path / f"{stem}.previous.{ending}")

    @property
    def log_path(self) -> Path:
        """One JSON object a line: every step, every evaluation."""
        return self.path / "metrics.jsonl"

    def log(self, record: dict[str, Any]) -> None:
        """Append a record to `metrics.jsonl`, with the seconds since the run began."""
        record = record | {"seconds": round(time.monotonic() - self.started, 3)}
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if self.board is not None:
            for name in record.keys() - {"step"}:
                self.board.add_scalar(name, record[name], record["step"])
            self.board.flush()

    def save(self, step: int, loss: float) -> bool:
        """Write `checkpoint-{step}/`, and `best/` too where `loss` is the lowest yet.

        Checkpoints of an earlier run in the same folder go once the new one is in place. Returns
        whether this is the best.
        """
        checkpoint = self.path / f"checkpoint-{step}"
        self._write(checkpoint, step, loss)
        self.saved.append(checkpoint)
        for old in set(self.path.glob("checkpoint-*")) - set(self.saved):
            shutil.rmtree(old)
        best = loss < self.best_loss
        if best:
            self.best_loss = loss
            self._write(self.path / "best", step, loss)
        return best

    def _write(self, directory: Path, step: int, loss: float) -> None:
        data = {"path": str(self.data.resolve()), "sha256": self.digest}
        state = {
            "step": step, "validation_loss": loss, "settings": asdict(self.config), "data": data
        }  # fmt: skip
        with atomic_directory(directory) as draft:
            save_adapter(self.base.model, self.config.lora, self.base.name, draft)
            self.base.tokenizer.save_pretrained(draft)
            text = json.dumps(state, indent=2, ensure_ascii=False, default=str)
            (draft / "trainer_state.json").write_text(text + "\n", encoding="utf-8")


def open_board(directory: Path) -> Any:
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
    return SummaryWriter(str(directory))
