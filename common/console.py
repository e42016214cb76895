"""What a person at the terminal meets: options, one-line errors and boxed notices."""

import argparse
import errno
import logging
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any, NoReturn, TypeVar

from transformers import HfArgumentParser
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

# bitsandbytes warns on every CPU import that its optional kernels are missing.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

Config = TypeVar("Config")

# The test that a value has to pass, and what it tests as a Korean rule.
Check = tuple[Callable[[Any], bool], str]

# The keywords of argparse that HfArgumentParser uses. Any other key of a field's metadata is ours.
ARGPARSE_KEYWORDS = {
    "action",
    "choices",
    "const",
    "default",
    "dest",
    "help",
    "nargs",
    "required",
    "type",
}

# How PyTorch reports that the memory of a GPU, or of the computer, is exhausted.
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")

ACCESS_REFUSED = "읽거나 쓸 수 없게 되어 있습니다. 권한을 확인하거나 다른 폴더를 쓰세요."
SYSTEM_ERRORS = {
    errno.ENOSPC: "디스크에 자리가 없습니다. 자리를 비우고 다시 실행하세요.",
    errno.EDQUOT: "디스크 할당량이 찼습니다. 자리를 비우고 다시 실행하세요.",
    errno.EFBIG: "허용된 파일 크기를 넘습니다. 한도(ulimit -f)를 늘리세요.",
    errno.ENOENT: "파일이나 폴더가 없습니다. 실행하는 동안 옮기거나 지웠는지 확인하세요.",
    errno.EACCES: ACCESS_REFUSED,
    errno.EPERM: ACCESS_REFUSED,
    errno.EROFS: ACCESS_REFUSED,
}


class UserError(Exception):
    """An error that the user can fix.

    The message is one Korean line: what is wrong, where, and what to do.
    """


class Stopped(BaseException):
    """A signal has stopped the command. The message is one Korean line that says how to resume.

    It derives from BaseException, like KeyboardInterrupt, so that no library's `except Exception`
    swallows it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class _Parser(HfArgumentParser):
    def add_argument(self, *flags: Any, **keywords: Any) -> argparse.Action:
        # HfArgumentParser passes all of a field's metadata on to argparse.
        known = {key: value for key, value in keywords.items() if key in ARGPARSE_KEYWORDS}
        if keywords.get("positional"):  # to argparse, a name without dashes
            flags = (flags[0].removeprefix("--"),)
        return super().add_argument(*flags, **known)

    def error(self, message: str) -> NoReturn:
        raise UserError(
            f"명령의 옵션이 잘못되었습니다 ({message}). "
            f"'{self.prog} --help'로 쓸 수 있는 옵션을 보세요."
        )


def option(default: Any, help: str, check: Check | None = None, **metadata: Any) -> Any:
    """A dataclass field that is an option of the command line, with its Korean help text.

    `check` is the rule of the field, such as `(lambda n: n > 0, "0보다 커야 합니다")`, which
    `validate` applies. With `positional=True` the values are given without the name of the option.
    Further keywords are kept in the field's metadata.
    """
    metadata = {"help": help, "check": check, **metadata}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def validate(config: Any) -> None:
    """Check every field of a dataclass of options against the rule it was declared with.

    Raises:
        UserError: the first field whose value breaks its rule.
    """
    if broken := broken_rule(config):
        refuse(broken[0], getattr(config, broken[0]), broken[1])


def broken_rule(config: Any) -> tuple[str, str] | None:
    """The first field whose value breaks its rule, and the rule; a value of None always passes."""
    for item in fields(config):
        check, value = item.metadata.get("check"), getattr(config, item.name)
        if check is not None and value is not None and not check[0](value):
            return item.name, check[1]
    return None


def parse_options(
    config_class: type[Config], prog: str, description: str, argv: Sequence[str] | None = None
) -> Config:
    """Fill the dataclass `config_class` from the command line, which has one option per field.

    Raises:
        UserError: an unknown option or a value of the wrong type.
    """
    parser = _Parser(config_class, prog=prog, description=description)  # type: ignore[arg-type]
    parser.add_argument("--debug", action="store_true", help="오류의 자세한 기록을 보임")
    values = vars(parser.parse_args(argv))
    del values["debug"]  # `run` has read it already
    return config_class(**values)


def refuse(name: str, value: object, rule: str) -> NoReturn:
    """Raise a `UserError` for the option of the field `name`, whose value breaks a rule."""
    flag = name.replace("_", "-")
    raise UserError(f"--{flag} {value}: {rule}. 값을 바꿔 다시 실행하세요.")


def run(main: Callable[[], None], memory_advice: str = "") -> NoReturn:
    """Run `main` and exit with 0, or with 2 after one line that says what went wrong.

    With `--debug` an error prints its traceback instead. `memory_advice` names the options of the
    command that reduce its memory use.
    """
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may use CP949. It shows "?" for a character that CP949 does not have.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    disable_progress_bar()  # transformers shows a bar for each file that it reads or writes
    set_verbosity_error()
    try:
        main()
        sys.stdout.flush()
    except Stopped as stopped:
        print(f"\n{one_line(str(stopped))}", file=sys.stderr)
        sys.exit(128 + stopped.signal_number)  # the exit code that shells use for a signal
    except KeyboardInterrupt:
        print("\n중단했습니다.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `| head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        explained = explain(error, memory_advice)
        if debug or explained is None:
            raise
        sys.exit(fail(explained))
    sys.exit(0)


def explain(error: Exception, memory_advice: str = "") -> UserError | None:
    """Turn an error that the user can fix into one Korean line; None if it is a bug of ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        where = error.filename if error.filename is not None else "파일"
        other = f"{error.strerror or error}. 경로와 디스크를 확인하세요."
        return UserError(f"{where}: {SYSTEM_ERRORS.get(error.errno or 0, other)}")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in OUT_OF_MEMORY)
    ):
        advice = memory_advice or "다른 프로그램을 닫거나 더 작은 모델을 쓰세요."
        return UserError(f"메모리가 모자랍니다. {advice}")
    return None


def fail(error: UserError) -> int:
    """Print the error's one line and return the exit code that goes with it."""
    print(f"오류: {one_line(str(error))}", file=sys.stderr)
    return 2


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its class if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def one_line(text: str) -> str:
    """`text` without control characters: text from a file must not move the terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\u3000" else " " for c in text)


def columns(text: str) -> int:
    """The width of `text` on a terminal, where a Hangul syllable takes two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are also aligned on a terminal."""
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
