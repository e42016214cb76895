from pathlib import Path

from common.files import read_log
from common.log import Log


def test_a_log_is_truncated_and_its_seconds_go_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = Log(path)
    log.started -= 100
    for step in (1, 2, 3):
        log.append({"step": step, "loss": 0.5, "text": "가"})
    log.flush()
    with path.open("ab") as file:
        file.write(b'{"step": 4, "lo')  # cut by a kill
    again = Log(path)
    again.truncate(lambda record: record["step"] < 3)
    again.append({"step": 3, "loss": 0.25})
    records = read_log(path)
    assert [record["step"] for record in records] == [1, 2, 3]
    assert records[0]["text"] == "가" and records[2]["loss"] == 0.25
    assert 100 <= records[1]["seconds"] <= records[2]["seconds"] < 110


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    log = Log(tmp_path / "metrics.jsonl")
    log.flush()
    log.truncate(lambda _record: True)
    assert read_log(log.path) == []
