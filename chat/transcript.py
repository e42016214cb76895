"""The summaries of a conversation, and the CSV that keeps them."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from chat.reply import Reply
from common.console import UserError
from common.files import write_file


@dataclass(frozen=True)
class Turn:
    """A question, an answer, and the summary that one model wrote of them."""

    question: str
    answer: str
    reply: Reply


@dataclass
class Transcript:
    """The finished turns of a conversation, in their order."""

    turns: list[Turn] = field(default_factory=list)
    written: set[Path] = field(default_factory=set)  # the files that `save` may overwrite

    def save(self, file: str) -> Path:
        """Write the turns as a CSV that training can read; return its path.

        Raises:
            UserError: there is no name, or it is that of a file which is not ours.
        """
        if not file:
            raise UserError("파일 이름이 없습니다. /save 요약.csv처럼 적으세요.")
        try:
            path = Path(file).expanduser().resolve()
        except RuntimeError as error:
            raise UserError(
                f"{file}: 그런 사용자의 폴더가 없습니다. 다른 곳을 적으세요."
            ) from error
        if not path.parent.is_dir():
            raise UserError(f"{path.parent}: 폴더가 없습니다. 있는 폴더를 적으세요.")
        if path.exists() and path not in self.written:
            raise UserError(f"{file}: 이미 있습니다. 다른 이름을 적으세요.")
        write_file(path, self.as_csv().encode("utf-8-sig"))  # with a BOM, for Excel
        self.written.add(path)
        return path

    def as_csv(self) -> str:
        """The turns as CSV, one a row."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["question", "answer", "summary", "model", "tokens", "seconds"])
        for turn in self.turns:
            now = turn.reply
            cost = [now.kind, now.tokens, f"{now.seconds:.2f}"]
            writer.writerow([turn.question, turn.answer, now.text, *cost])
        return text.getvalue()
