"""What a person at the terminal meets: options, one-line errors and boxed notices."""

import errno
import logging
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, NoReturn, TypeVar

from transformers import HfArgumentParser
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

# It warns at each import on a CPU that an optional package with faster kernels is not installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Config = TypeVar("Config")

# What torch says when a GPU's memory, or the computer's, does not suffice.
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")


class UserError(Exception):
    """A mistake that the user can repair.

    The message is one Korean line: what is wrong, where, and what to do.
    """


class Stopped(BaseException):
    """A signal ended the command in good order. The message is one Korean line: how to go on.

    Like KeyboardInterrupt no Exception: libraries catch those, and go on.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


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


def refuse(name: str, value: object, rule: str) -> NoReturn:
    """Raise the `UserError` of an option, by its field's name, whose value breaks a rule."""
    flag = name.replace("_", "-")
    raise UserError(f"--{flag} {value}: {rule}. 값을 바꿔 다시 실행하세요.")


def run(main: Callable[[], None]) -> NoReturn:
    """Run `main` and exit: 0, or 2 after one line on what went wrong (a traceback on --debug)."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may be CP949: replace what it cannot show instead of dying on it.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    disable_progress_bar()  # transformers' own: a bar for each file it reads or writes
    set_verbosity_error()
    try:
        main()
        sys.stdout.flush()
    except Stopped as stopped:
        print(f"\n{one_line(str(stopped))}", file=sys.stderr)
        sys.exit(128 + stopped.signal_number)  # as a shell counts
    except KeyboardInterrupt:
        print("\n중단했습니다.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        explained = explain(error)
        if debug or explained is None:
            raise
        sys.exit(fail(explained))
    sys.exit(0)


def explain(error: Exception) -> UserError | None:
    """What a person can do about an error; None where it is a mistake of this program."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        advice = {
            errno.ENOSPC: "디스크에 자리가 없습니다. 자리를 비우고 다시 실행하세요.",
            errno.EDQUOT: "디스크 할당량이 찼습니다. 자리를 비우고 다시 실행하세요.",
            errno.EFBIG: "허용된 파일 크기를 넘습니다. 한도(ulimit -f)를 늘리세요.",
            errno.ENOENT: "파일이나 폴더가 없습니다. 실행하는 동안 옮기거나 지웠는지 확인하세요.",
        }
        refused = "읽거나 쓸 수 없게 되어 있습니다. 권한을 확인하거나 다른 폴더를 쓰세요."
        advice |= dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), refused)
        where = error.filename if error.filename is not None else "파일"
        other = f"{error.strerror or error}. 경로와 디스크를 확인하세요."
        return UserError(f"{where}: {advice.get(error.errno or 0, other)}")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in OUT_OF_MEMORY)
    ):
        return UserError(
            "메모리가 모자랍니다. 학습이라면 --gradient-checkpointing이나 --micro-batch-tokens "
            "512로 하던 것을 이어서 하거나 --fresh --max-length 512로 새로 하세요. 요약이라면 "
            "--batch-size 1이나 --device cpu를 주세요."
        )
    return None


def fail(error: UserError) -> int:
    """Print the error's one line and return the exit code that goes with it."""
    print(f"오류: {one_line(str(error))}", file=sys.stderr)
    return 2


def first_line(error: Exception) -> str:
    """What an error says first; its kind, where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(text: str) -> str:
    """`text` as a terminal may show it: what came from a file must not steer the cursor."""
    return "".join(c if c.isprintable() or c == "\u3000" else " " for c in text)


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
