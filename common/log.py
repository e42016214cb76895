"""The log of a run: one JSON object per line, and on request the same numbers for TensorBoard."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.console import UserError
from common.files import append_line, fsync_path, read_log, write_file


class Log:
    """A file of JSON lines that a run appends to, and truncates when it is resumed."""

    def __init__(self, path: Path, tensorboard: bool = False) -> None:
        self.path = path
        self.started = time.monotonic()
        self.board = open_board(path.parent) if tensorboard else None

    def append(self, record: dict[str, Any]) -> None:
        """Write a record with the seconds that the run has taken so far."""
        record = record | {"seconds": round(time.monotonic() - self.started, 3)}
        append_line(self.path, json.dumps(record, ensure_ascii=False))
        if self.board is not None:
            for name in record.keys() - {"step"}:
                self.board.add_scalar(name, record[name], record["step"])
            self.board.flush()

    def flush(self) -> None:
        """Wait until the records are on disk."""
        if self.path.exists():
            fsync_path(self.path)

    def truncate(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the other records, and continue the seconds from the last one that is kept."""
        records = [record for record in read_log(self.path) if keep(record)]
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        write_file(self.path, "".join(lines))
        if records:
            self.started -= records[-1]["seconds"]


def open_board(folder: Path) -> Any:
    """TensorBoard's writer, whose package is not among the requirements."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--tensorboard: 패키지가 없습니다. pip install tensorboard 뒤에 다시 실행하세요."
        ) from error
    return SummaryWriter(str(folder / "tensorboard" / time.strftime("%Y%m%d-%H%M%S")))
