from dataclasses import dataclass

import pytest

from console import UserError, box, option, parse_options, run


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


def test_the_box_counts_hangul_as_two_columns() -> None:
    assert box("가나", "abcde") == "┌───────┐\n│ 가나  │\n│ abcde │\n└───────┘"
