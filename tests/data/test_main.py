import sys
from pathlib import Path

import pytest

from common.console import UserError
from data.__main__ import main


def test_check_prints_the_first_usable_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.csv"
    path.write_text("question,answer,summary\n,나,다\n가,나,다\n라,마,바\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["data", "check", "--data", str(path)])
    main()
    first, *fields = capsys.readouterr().out.splitlines()
    assert str(path) in first and "2행" in first and "뺀 행 1개" in first
    assert fields == ["  question: 가", "  answer: 나", "  summary: 다"]


@pytest.mark.parametrize("words", [[], ["chek"], ["--data", "my.csv"]])
def test_a_missing_command_is_named(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["data", *words])
    with pytest.raises(UserError, match="python -m data check"):
        main()
