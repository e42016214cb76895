"""The conversation at a terminal: question, answer, summary, and the commands in between."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from chat.reply import Reply, reply
from common.console import UserError, explain, one_line
from common.files import write_file
from data.text import clean_text
from infer.find import NAMES
from infer.models import Models
from infer.settings import MEMORY_ADVICE, Decoding

HELP = """\
질문을 적고 Enter, 답변을 적고 Enter를 누르면 요약합니다.
여러 줄은 붙여 넣거나 Alt+Enter(Esc, Enter)로 씁니다. Ctrl-C는 쓰던 요약을 멈춥니다.
  /model [이름]     쓸 모델: base, lora, merged, 8bit, 4bit
  /compare          마지막 질문과 답변을 있는 모델 모두에게
  /again            마지막 질문과 답변을 지금 모델에게 다시
  /set [이름 값]    디코딩 설정 (예: /set temperature 0.7)
  /history          지금까지의 요약
  /save 파일        지금까지의 요약을 CSV로
  /help             이 도움말
  /quit             끝내기 (Ctrl-D도)"""

# Given what is asked for, "질문" or "답변": a person's text, or None at the end of the input.
Read = Callable[[str], str | None]


class Chat:
    """One person, several models. Summaries go to `out`; all else goes to `notes`, the stderr."""

    def __init__(
        self,
        models: Models,
        decoding: Decoding,
        read: Read,
        out: Console,
        notes: Console,
        interactive: bool,
    ) -> None:
        self.models = models
        self.decoding = decoding
        self.read = read
        self.out = out
        self.notes = notes
        self.interactive = interactive
        self.model = models.best
        self.last: tuple[str, str] | None = None  # question and answer
        self.turns: list[tuple[str, str, Reply]] = []
        self.saved: set[Path] = set()  # files of this conversation, which it may write again
        self.line = 0  # of the input: over a pipe, where a mistake is
        self.mistakes = 0
        self.done = False

    def talk(self) -> None:
        """Until `/quit` or the end of the input; an error or Ctrl-C ends a turn, not the talk."""
        while not self.done:
            try:
                question = self.ask("질문")
                answer = self.ask("답변") if question else None
                if question and answer:
                    self.last = question, answer
                    self.summarize(self.model, question, answer)
                elif question and not self.done and not self.interactive:
                    self.out.print()
                    raise UserError("질문에 답변이 없습니다. 질문 다음 줄에 답변을 주세요.")
                else:
                    return
            except KeyboardInterrupt:
                if not self.interactive:
                    raise  # nobody sits here who could go on
                self.say("멈췄습니다. 끝내려면 /quit")
            except Exception as error:
                self.complain(error)

    def ask(self, what: str) -> str | None:
        """The next text, once the commands before it are carried out; None where none comes."""
        while not self.done:
            self.line += 1
            text = self.read(what)
            if text is None:
                self.done = self.interactive
                return None
            text = clean_text(text)  # a terminal may send half characters, a file NULs
            if what == "답변" and not self.interactive:
                return text  # whatever it says: else all pairs behind it would be shifted
            if text and not text.startswith("/"):
                return text
            if text:
                try:
                    self.command(*text.split(maxsplit=1))
                except Exception as error:
                    self.complain(error)
        return None

    def command(self, word: str, rest: str = "") -> None:
        """Carry out one command.

        Raises:
            UserError: it is unknown, or cannot be done.
        """
        match word:
            case "/model":
                self.choose(rest)
            case "/compare":
                self.compare(*self.last_turn())
            case "/again":
                self.summarize(self.model, *self.last_turn())
            case "/set":
                self.set(rest)
            case "/history":
                self.history()
            case "/save":
                self.save(rest)
            case "/help":
                self.say(HELP)
            case "/quit":
                self.done = True
            case _:
                raise UserError(f"{word}: 모르는 명령입니다. /help를 보세요.")

    def last_turn(self) -> tuple[str, str]:
        """The last question and answer.

        Raises:
            UserError: there are none yet.
        """
        if self.last is None:
            raise UserError("아직 질문과 답변이 없습니다. 먼저 하나를 적으세요.")
        return self.last

    def replies(self, name: str, question: str, answer: str) -> Iterator[Reply]:
        """`reply`; one that comes to its end is remembered."""
        for now in reply(self.models, name, question, answer, self.decoding):
            yield now
        self.turns.append((question, answer, now))

    def summarize(self, name: str, question: str, answer: str) -> None:
        """Write one summary as it comes."""
        if name not in self.models.opened:
            self.say(f"{NAMES[name]} 모델을 엽니다.")
        shown = 0
        try:
            for now in self.replies(name, question, answer):
                if now.tokens == 0:
                    self.notes.print(Text("요약> ", style="bold green"), end="")
                self.out.out(one_line(now.text[shown:]), end="", highlight=False)
                shown = len(now.text)
        finally:
            self.out.print()  # each question has its line, whatever became of it
        self.say(f"({NAMES[name]} · {now.cost()})")
        if now.unread:
            self.say(now.notice())

    def compare(self, question: str, answer: str) -> None:
        """The same question and answer to each model there is, in one growing table."""
        replies: dict[str, Reply] = {}
        with Live(console=self.out, refresh_per_second=8) as live:
            for name in self.models.found:
                try:
                    self.models.open(name)
                except UserError as error:  # the others can still be compared
                    self.mistakes += 1
                    replies[name] = Reply(name, f"오류: {error}")
                    live.update(side_by_side(replies))
                    continue
                for now in self.replies(name, question, answer):
                    replies[name] = now
                    live.update(side_by_side(replies))
        if not self.out.is_terminal:
            self.out.print()  # Live leaves a file's last line open

    def choose(self, name: str) -> None:
        """Talk to another model from now on; without a name, list them."""
        if not name:
            for each, path in self.models.found.items():
                mark = "*" if each == self.model else " "
                self.say(f"{mark} {each:7} {NAMES[each]} ({path})")
            return
        self.models.check(name)
        self.model = name
        self.say(f"이제 {NAMES[name]} 모델이 답합니다.")

    def set(self, rest: str) -> None:
        """Change a setting; without one, list them."""
        if rest:
            name, _, value = rest.partition(" ")
            self.decoding = self.decoding.changed(name, value.strip())
        for field in fields(self.decoding):
            value = getattr(self.decoding, field.name)
            self.say(f"  {field.name:20} {value!s:8} {field.metadata['help']}")

    def history(self) -> None:
        """All summaries so far."""
        for i, (question, _, now) in enumerate(self.turns, start=1):
            self.say(f"{i}. {one_line(question)} ({NAMES[now.model]})")
            self.out.out(f"   {one_line(now.text)}", highlight=False)

    def save(self, file: str) -> None:
        """Write all summaries so far as a CSV that training can read.

        Raises:
            UserError: no name, or the name of a file that is not of this conversation.
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
        if path.exists() and path not in self.saved:
            raise UserError(f"{file}: 이미 있습니다. 다른 이름을 적으세요.")
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["question", "answer", "summary", "model", "tokens", "seconds"])
        for question, answer, now in self.turns:
            line = [question, answer, now.text, now.model, now.tokens, f"{now.seconds:.2f}"]
            writer.writerow(line)
        write_file(path, text.getvalue().encode("utf-8-sig"))  # with a BOM, for Excel
        self.saved.add(path)
        self.say(f"요약 {len(self.turns)}개를 {path}에 썼습니다.")

    def say(self, text: str) -> None:
        """A line for the person at the terminal."""
        self.notes.print(Text(text), soft_wrap=True)

    def complain(self, error: Exception) -> None:
        """One line on an error that a person can mend; any other goes on up."""
        explained = explain(error, MEMORY_ADVICE)
        if explained is None or isinstance(error, BrokenPipeError):  # nobody reads any more
            raise error
        self.mistakes += 1
        where = "" if self.interactive else f"{self.line}번째 줄: "
        line = f"오류: {where}{one_line(str(explained))}"
        self.notes.print(Text(line, style="red"), soft_wrap=True)


def side_by_side(replies: dict[str, Reply]) -> Table:
    """One row a model."""
    # "fold": the default cuts a line of wide letters that comes out a column too long.
    summary = Column("요약", overflow="fold")
    table = Table("모델", summary, "토큰/초", "초", show_lines=True)
    for name, now in replies.items():
        speed = now.tokens / now.seconds if now.seconds else 0.0
        text = Text(one_line(now.text))  # not str: a summary may hold what rich takes for markup
        table.add_row(NAMES[name], text, f"{speed:.0f}", f"{now.seconds:.1f}")
    return table
