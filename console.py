"""What a person at the terminal meets: options, one-line errors and boxed notices."""

import logging
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, NoReturn, TypeVar

from transformers import HfArgumentParser
from transformers.utils.logging import disable_progress_bar

# It warns at each import on a CPU that an optional package with faster kernels is not installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Config = TypeVar("Config")


class UserError(Exception):
    """A mistake that the user can repair.

    The message is one Korean line: what is wrong, where, and what to do.
    """


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(
            f"명령의 옵션이 잘못되었습니다 ({message}). "
            f"'{self.prog} --help'로 쓸 수 있는 옵션을 보세요."
        )


def option(default: Any, help: str) -> Any:
    """A dataclass field with a Korean help text for the command line."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


def parse_options(
    config_class: type[Config], prog: str, description: str, argv: Sequence[str] | None = None
) -> Config:
    """Fill the dataclass `config_class` from the command line: one option a field.

    Raises:
        UserError: an unknown option or a value of the wrong type.
    """
    parser = _Parser(config_class, prog=prog, description=description)  # type: ignore[arg-type]
    parser.add_argument("--debug", action="store_true", help="오류의 자세한 기록을 보임")
    values = vars(parser.parse_args(argv))
    del values["debug"]  # `run` has seen it
    return config_class(**values)


def run(main: Callable[[], None]) -> NoReturn:
    """Run `main` and exit: 0, or 2 after the one line of a `UserError` (a traceback on --debug)."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may be CP949: replace what it cannot show instead of dying on it.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    disable_progress_bar()  # transformers' own: a bar for each file it reads or writes
    try:
        main()
    except UserError as error:
        if debug:
            raise
        sys.exit(fail(error))
    except RuntimeError as error:
        if debug or type(error).__name__ != "OutOfMemoryError":
            raise
        advice = "--max-length나 배치 크기를 줄이거나, 더 작은 모델이나 --device cpu를 쓰세요."
        sys.exit(fail(UserError(f"GPU 메모리가 모자랍니다. {advice}")))
    except KeyboardInterrupt:
        sys.exit("\n중단했습니다.")
    sys.exit(0)


def fail(error: UserError) -> int:
    """Print the error's one line and return the exit code that goes with it."""
    print(f"오류: {error}", file=sys.stderr)
    return 2


def columns(text: str) -> int:
    """The width of `text` on a terminal, where a Hangul syllable takes two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also stand straight on a terminal."""
    lines = [list(header), *map(list, rows)]
    widths = [max(columns(line[i]) for line in lines) for i in range(len(header))]
    padded = [
        [cell + " " * (width - columns(cell)) for cell, width in zip(line, widths, strict=True)]
        for line in lines
    ]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def box(*lines: str) -> str:
    """The lines in a frame."""
    width = max(columns(line) for line in lines)
    rule = "─" * (width + 2)
    body = [f"│ {line}{' ' * (width - columns(line))} │" for line in lines]
    return "\n".join([f"┌{rule}┐", *body, f"└{rule}┘"])
