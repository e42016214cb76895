import errno
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path

import pytest
import torch

from common.console import (
    Stopped,
    UserError,
    box,
    broken_rule,
    option,
    parse_options,
    run,
    validate,
)


@dataclass
class Options:
    rank: int = option(16, "랭크")
    names: list[str] = option(["a"], "이름")
    rate: float | None = option(None, "율", check=(lambda r: r > 0, "0보다 커야 합니다"), order=1)


def test_options_and_their_defaults() -> None:
    assert parse_options(Options, "x", "", []) == Options()
    assert parse_options(Options, "x", "", ["--rank", "8", "--names", "b", "c"]) == Options(
        8, ["b", "c"]
    )


@dataclass
class Positional:
    paths: list[Path] = option([], "파일", positional=True)
    rank: int = option(16, "랭크")


def test_a_positional_option_has_no_flag() -> None:
    given = parse_options(Positional, "x", "", ["a b", "--rank", "3"])
    assert given == Positional([Path("a b")], 3)
    assert parse_options(Positional, "x", "", ["a", "b"]).paths == [Path("a"), Path("b")]
    for argv in ([], ["--paths", "a"]):
        with pytest.raises(UserError, match="paths"):
            parse_options(Positional, "x", "", argv)


def test_a_rule_stands_beside_its_field() -> None:
    validate(Options())  # None is "not given"
    validate(Options(rate=0.5))
    for value in (0.0, float("nan")):
        assert broken_rule(Options(rate=value)) == ("rate", "0보다 커야 합니다")
        with pytest.raises(UserError, match=f"--rate {value}: 0보다 커야 합니다"):
            validate(Options(rate=value))
    assert fields(Options)[2].metadata["order"] == 1
    assert parse_options(Options, "x", "", ["--rate", "2"]).rate == 2


@pytest.mark.parametrize("argv", [["--rnk", "8"], ["--rank", "eight"], ["--rank"]])
def test_wrong_options_are_user_errors(argv: list[str]) -> None:
    with pytest.raises(UserError, match="python -m x --help") as caught:
        parse_options(Options, "python -m x", "", argv)
    assert "\n" not in str(caught.value)


def test_a_user_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("무엇이 잘못됨. 이렇게 하세요.")

    with pytest.raises(SystemExit) as stop:
        run(main)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "오류: 무엇이 잘못됨. 이렇게 하세요.\n"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--debug"])

    def main() -> None:
        raise UserError("x")

    with pytest.raises(UserError):
        run(main)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "", "out/best"), "out/best: 디스크에 자리가"),
        (PermissionError(errno.EACCES, "", "out"), "out: 읽거나 쓸 수 없게"),
        (OSError(errno.EROFS, "", "out"), "out: 읽거나 쓸 수 없게"),
        (FileNotFoundError(errno.ENOENT, "", "my.csv"), "my.csv: 파일이나 폴더가 없습니다"),
        (OSError(errno.EIO, "Input/output error", "x"), "x: Input/output error"),
        (torch.OutOfMemoryError("CUDA out of memory"), "메모리가 모자랍니다. --batch-size 1"),
        (RuntimeError("CUDA error: out of memory"), "메모리가 모자랍니다. --batch-size 1"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "--batch-size 1"),
        (MemoryError(), "--batch-size 1"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "--batch-size 1"),
        (UserError("가\x1b[2J\n나"), "가 [2J 나"),
    ],
)
def test_bad_luck_is_one_line_too(
    capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run(main, "--batch-size 1을 주세요.")
    line = capsys.readouterr().err
    assert stop.value.code == 2 and says in line
    assert line.startswith("오류: ") and line.count("\n") == 1 and line[:-1].isprintable()


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("training", "TrainConfig"),
        ("infer", "InferOptions"),
        ("evaluation", "EvaluateOptions"),
        ("chat", "ChatOptions"),
    ],
)
def test_the_advice_on_memory_names_options_of_the_command(command: str, options: str) -> None:
    module = import_module(f"{command}.__main__")
    named = {flag.replace("-", "_") for flag in re.findall(r"--([a-z-]+)", module.MEMORY_ADVICE)}
    assert named and named <= {field.name for field in fields(getattr(module, options))}


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [(KeyboardInterrupt(), 130, "중단"), (Stopped("저장했습니다.", 15), 143, "저장했습니다.")],
)
def test_signals_have_their_exit_codes(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, says: str
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run(main)
    assert stop.value.code == code and says in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    code = "from common.console import run\nrun(lambda: [print(i) for i in range(10**6)] and None)"
    command = f"{sys.executable} -c '{code}' | head -1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert result.stdout == "0\n" and result.stderr == ""


def test_the_box_counts_hangul_as_two_columns() -> None:
    assert box("가나", "abcde") == "┌───────┐\n│ 가나  │\n│ abcde │\n└───────┘"
