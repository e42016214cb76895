import errno
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from common.console import Stopped, UserError, box, option, parse_options, run


@dataclass
class Options:
    rank: int = option(16, "랭크")
    names: list[str] = option(["a"], "이름")


def test_options_and_their_defaults() -> None:
    assert parse_options(Options, "x", "", []) == Options()
    assert parse_options(Options, "x", "", ["--rank", "8", "--names", "b", "c"]) == Options(
        8, ["b", "c"]
    )


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
        (torch.OutOfMemoryError("CUDA out of memory"), "--gradient-checkpointing"),
        (RuntimeError("CUDA error: out of memory"), "--batch-size 1"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "--device cpu"),
        (MemoryError(), "--micro-batch-tokens"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "--max-length"),
        (UserError("가\x1b[2J\n나"), "가 [2J 나"),
    ],
)
def test_bad_luck_is_one_line_too(
    capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        run(main)
    line = capsys.readouterr().err
    assert stop.value.code == 2 and says in line
    assert line.startswith("오류: ") and line.count("\n") == 1 and line[:-1].isprintable()


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
