"""`python -m chat`: talk to the models that a run has left."""

import sys
from dataclasses import dataclass, fields
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import create_output
from rich.console import Console
from rich.text import Text

from chat.models import Models
from chat.terminal import Chat, Read
from common.console import UserError, option, parse_options, run, validate
from infer.find import KINDS
from infer.settings import MEMORY_ADVICE, Decoding
from model.device import pick_device

SETTINGS = [field.name for field in fields(Decoding)]


@dataclass(frozen=True)
class ChatOptions(Decoding):
    """Options of the command."""

    model: str | None = option(
        None, f"처음 쓸 모델: {', '.join(KINDS)}. 안 주면 가장 새로운 양자화 모델"
    )
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    device: str = option("auto", "auto, cuda, mps, cpu")

    def __post_init__(self) -> None:
        validate(self)


class Output(Console):
    """A rich console that leaves a closed pipe (`| head`) to `common.console.run`."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def main() -> None:
    options = parse_options(ChatOptions, "python -m chat", "모델과 이야기합니다.")
    interactive = sys.stdin.isatty()
    out, notes = Output(), Output(stderr=True)
    models = Models(
        options.output_dir,
        pick_device(options.device),
        notice=lambda text: notes.print(Text(text), soft_wrap=True),
    )
    settings = Decoding(**{name: getattr(options, name) for name in SETTINGS})
    read = keyboard_reader() if interactive else line_reader()
    chat = Chat(models, settings, read, out, notes, interactive)
    if options.model:
        models.check(options.model)
        chat.kind = options.model
    models.open(chat.kind)
    chat.say(f"모델: {KINDS[chat.kind]} ({models.found[chat.kind]}, {models.device.type})")
    if interactive:
        chat.say("질문과 답변을 적으면 요약합니다. 도움말 /help, 끝내기 /quit")
    try:
        chat.talk()
    except UnicodeDecodeError as error:
        raise UserError(
            f"표준 입력의 {chat.line}번째 줄이 UTF-8이 아닙니다. UTF-8로 바꿔 주세요."
        ) from error
    if chat.errors and not interactive:
        raise UserError(f"입력 가운데 {chat.errors}개를 처리하지 못했습니다. 위의 줄을 보세요.")


def line_reader() -> Read:
    """Read from a pipe: a question on one line, its answer on the next.

    The reader raises a UnicodeDecodeError at a line that is not UTF-8.
    """

    def read(_what: str) -> str | None:
        line = sys.stdin.buffer.readline()
        return line.decode("utf-8-sig") if line else None

    return read


def keyboard_reader() -> Read:
    """Read from a keyboard: lines that can be edited, with any input method, and recalled.

    A paste keeps its line breaks, since terminals mark where it begins and ends.
    """
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    commands = [*(f"/model {kind}" for kind in KINDS), *(f"/set {name} " for name in SETTINGS)]
    commands += ["/compare", "/again", "/history", "/save ", "/help", "/quit"]
    session: PromptSession[str] = PromptSession(
        completer=WordCompleter(commands, sentence=True),
        complete_while_typing=False,
        key_bindings=bindings,
        output=create_output(always_prefer_tty=True),  # stderr, if stdout is a file
    )

    def read(what: str) -> str | None:
        try:
            return session.prompt([("bold ansicyan", f"{what}> ")])
        except EOFError:
            return None

    return read


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
