"""The conversation at a terminal: question, answer, summary, and the commands in between."""

from collections.abc import Callable, Iterator
from dataclasses import fields

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from chat.models import Models
from chat.reply import Reply, reply
from chat.transcript import Transcript, Turn
from common.console import UserError, explain, one_line
from data.text import clean_text
from infer.find import KINDS
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

# Called with what is asked for, "질문" or "답변"; returns what the person typed, or None at the
# end of the input.
Read = Callable[[str], str | None]


class Chat:
    """One person and several models. Summaries go to `out`, all else to `notes`, the stderr."""

    def __init__(
        self,
        models: Models,
        settings: Decoding,
        read: Read,
        out: Console,
        notes: Console,
        interactive: bool,
    ) -> None:
        self.models = models
        self.settings = settings
        self.read = read
        self.out = out
        self.notes = notes
        self.interactive = interactive
        self.kind = models.default
        self.last: tuple[str, str] | None = None  # question and answer
        self.transcript = Transcript()
        self.line = 0  # of the input: over a pipe, an error names it
        self.errors = 0
        self.done = False

    def talk(self) -> None:
        """Ask and summarise until `/quit` or the end of the input. An error ends only its turn."""
        while not self.done:
            try:
                question = self.ask("질문")
                answer = self.ask("답변") if question else None
                if question and answer:
                    self.last = question, answer
                    self.summarize(self.kind, question, answer)
                elif question and not self.done and not self.interactive:
                    self.out.print()
                    raise UserError("질문에 답변이 없습니다. 질문 다음 줄에 답변을 주세요.")
                else:
                    return
            except KeyboardInterrupt:
                if not self.interactive:
                    raise  # over a pipe there is nobody to continue the conversation
                self.say("멈췄습니다. 끝내려면 /quit")
            except Exception as error:
                self.report(error)

    def ask(self, what: str) -> str | None:
        """Read the next text, carrying out the commands before it; None if there is none."""
        while not self.done:
            self.line += 1
            text = self.read(what)
            if text is None:
                self.done = self.interactive
                return None
            text = clean_text(text)  # a terminal may send incomplete characters, a file NULs
            if what == "답변" and not self.interactive:
                return text  # even a command: skipping a line would shift all pairs after it
            if text and not text.startswith("/"):
                return text
            if text:
                try:
                    self.command(*text.split(maxsplit=1))
                except Exception as error:
                    self.report(error)
        return None

    def command(self, word: str, rest: str = "") -> None:
        """Carry out one command.

        Raises:
            UserError: the command is unknown or cannot be carried out.
        """
        match word:
            case "/model":
                self.choose(rest)
            case "/compare":
                self.compare(*self.last_turn())
            case "/again":
                self.summarize(self.kind, *self.last_turn())
            case "/set":
                self.set(rest)
            case "/history":
                self.history()
            case "/save":
                path = self.transcript.save(rest)
                self.say(f"요약 {len(self.transcript.turns)}개를 {path}에 썼습니다.")
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

    def replies(self, kind: str, question: str, answer: str) -> Iterator[Reply]:
        """`reply`, which becomes a turn of the transcript when it is complete."""
        for now in reply(self.models, kind, question, answer, self.settings):
            yield now
        self.transcript.turns.append(Turn(question, answer, now))

    def summarize(self, kind: str, question: str, answer: str) -> None:
        """Show one summary as it grows."""
        if kind not in self.models.opened:
            self.say(f"{KINDS[kind]} 모델을 엽니다.")
        shown = 0
        try:
            for now in self.replies(kind, question, answer):
                if now.tokens == 0:
                    self.notes.print(Text("요약> ", style="bold green"), end="")
                self.out.out(one_line(now.text[shown:]), end="", highlight=False)
                shown = len(now.text)
        finally:
            self.out.print()  # every question has its line of output, even after an error
        self.say(f"({KINDS[kind]} · {now.cost()})")
        if now.unread:
            self.say(now.notice())

    def compare(self, question: str, answer: str) -> None:
        """Ask each model in turn, showing all summaries in one growing table."""
        replies: dict[str, Reply] = {}
        with Live(console=self.out, refresh_per_second=8) as live:
            for kind in self.models.found:
                try:
                    self.models.open(kind)
                except UserError as error:  # the other models can still be compared
                    self.errors += 1
                    replies[kind] = Reply(kind, f"오류: {error}")
                    live.update(side_by_side(replies))
                    continue
                for now in self.replies(kind, question, answer):
                    replies[kind] = now
                    live.update(side_by_side(replies))
        if not self.out.is_terminal:
            self.out.print()  # Live does not end the last line of a file

    def choose(self, kind: str) -> None:
        """Change the model that answers; without a name, list the models."""
        if not kind:
            for each, path in self.models.found.items():
                mark = "*" if each == self.kind else " "
                self.say(f"{mark} {each:7} {KINDS[each]} ({path})")
            return
        self.models.check(kind)
        self.kind = kind
        self.say(f"이제 {KINDS[kind]} 모델이 답합니다.")

    def set(self, rest: str) -> None:
        """Change a decoding setting, then list them all."""
        if rest:
            name, _, value = rest.partition(" ")
            self.settings = self.settings.changed(name, value.strip())
        for field in fields(self.settings):
            value = getattr(self.settings, field.name)
            self.say(f"  {field.name:20} {value!s:8} {field.metadata['help']}")

    def history(self) -> None:
        """List the summaries so far."""
        for i, turn in enumerate(self.transcript.turns, start=1):
            self.say(f"{i}. {one_line(turn.question)} ({KINDS[turn.reply.kind]})")
            self.out.out(f"   {one_line(turn.reply.text)}", highlight=False)

    def say(self, text: str) -> None:
        """Print a line for the person at the terminal."""
        self.notes.print(Text(text), soft_wrap=True)

    def report(self, error: Exception) -> None:
        """Print one line about an error that the user can fix; raise any other."""
        explained = explain(error, MEMORY_ADVICE)
        if explained is None or isinstance(error, BrokenPipeError):  # the reader has gone
            raise error
        self.errors += 1
        where = "" if self.interactive else f"{self.line}번째 줄: "
        line = f"오류: {where}{one_line(str(explained))}"
        self.notes.print(Text(line, style="red"), soft_wrap=True)


def side_by_side(replies: dict[str, Reply]) -> Table:
    """A table with one row for each model."""
    # "fold" because the default crops a line of wide letters that is one column too long.
    summary = Column("요약", overflow="fold")
    table = Table("모델", summary, "토큰/초", "초", show_lines=True)
    for kind, now in replies.items():
        text = Text(one_line(now.text))  # not a str, which rich would search for markup
        table.add_row(KINDS[kind], text, f"{now.tokens_per_second:.0f}", f"{now.seconds:.1f}")
    return table
