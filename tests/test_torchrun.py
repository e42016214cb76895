"""`torchrun -m training` as a person types it: on one machine, on two, when a process dies."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data.interviews import COLUMNS
from pretraining.rows import interview_rows
from tests.conftest import make_model, make_tokenizer

ROOT = Path(__file__).resolve().parent.parent
# Rank 0 meets the end of another in an all-reduce, or torchrun tells it to stop before that.
LOST = ("오류: 다른 프로세스가 끝나", "멈췄습니다. ")
# Twelve steps of four examples, the last of an epoch of three; a checkpoint after every other.
SETTINGS = (
    *("--epochs", "2", "--gradient-accumulation-steps", "4", "--micro-batch-tokens", "0"),
    *("--save-steps", "2", "--eval-samples", "1", "--max-length", "512", "--precision", "fp32"),
    *("--device", "cpu"),
)
ALONE = ("--standalone",)


def start(launch: tuple[str, ...], *words: str) -> subprocess.Popen[str]:
    """A launcher and its processes; what they print comes on one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", *launch, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )


def torchrun(*options: str) -> tuple[str, ...]:
    return ("torch.distributed.run", *options)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = process.communicate(timeout=240)
    return process.returncode, printed


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options that name a tiny base and a CSV of 24 rows."""
    folder = tmp_path_factory.mktemp("task")
    with (folder / "my.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(interview_rows(24, seed=7))
    tokenizer = make_tokenizer()
    make_model(vocab_size=len(tokenizer), n_positions=1024).save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    return ("--base", str(folder / "tiny"), "--data", str(folder / "my.csv"), *SETTINGS)


@pytest.fixture(scope="module")
def whole(task: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that nothing disturbs, on two machines: two agents that meet at a port of this one."""
    out = tmp_path_factory.mktemp("whole")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agents = [
        start(
            torchrun(
                *("--nnodes", "2", "--node-rank", str(machine), "--nproc-per-node", "1"),
                *("--master-addr", "127.0.0.1", "--master-port", str(port)),
                *("-m", "training"),
            ),
            *(*task, "--output-dir", str(out)),
        )
        for machine in (0, 1)
    ]
    ended = [finish(agent) for agent in agents]
    assert [code for code, _ in ended] == [0, 0], ended
    assert "학습" not in ended[1][1], "rank 1 prints nothing"
    return out / "tiny-lora", ended[0][1]


def last_step(folder: Path) -> tuple[bytes, bytes]:
    """The adapter and the moments after the twelfth step."""
    files = ("adapter_model.safetensors", "optimizer.safetensors")
    first, second = ((folder / "checkpoint-12" / file).read_bytes() for file in files)
    return first, second


def test_two_machines_train_one_adapter(whole: tuple[Path, str]) -> None:
    folder, printed = whole
    assert "프로세스 2개" in printed and printed.count("베이스:") == 1
    assert printed.count("2.0에폭 (12스텝)") == 1 and printed.count("보고서:") == 1
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "loss" in r] == list(range(1, 13))
    assert [r["step"] for r in records if "validation_loss" in r] == [6, 12]
    assert (folder / "report.html").exists() and (folder / "best").is_dir()
    assert not list(folder.glob(".*draft*"))


def test_a_killed_rank_is_started_again_and_the_bits_are_the_same(
    whole: tuple[Path, str], task: tuple[str, ...], tmp_path: Path
) -> None:
    """--fresh is for the first start only."""
    launch = torchrun(*ALONE, "--nproc-per-node", "2", "--max-restarts", "1")
    words = ("-m", "tests.training.dying_rank", *task, "--fresh", "--output-dir", str(tmp_path))
    code, printed = finish(start(launch, *words))
    assert code == 0, printed
    assert sum(map(printed.count, LOST)) == 1 and "checkpoint-4에서 이어서" in printed
    assert "같지는 않습니다" not in printed
    assert last_step(tmp_path / "tiny-lora") == last_step(whole[0])


def test_a_killed_rank_ends_all_and_one_process_can_go_on(
    task: tuple[str, ...], tmp_path: Path
) -> None:
    launch = torchrun(*ALONE, "--nproc-per-node", "2")
    words = (*task, "--output-dir", str(tmp_path))
    code, printed = finish(start(launch, "-m", "tests.training.dying_rank", *words))
    assert code != 0 and sum(map(printed.count, LOST)) == 1, printed
    kept = {path.name for path in (tmp_path / "tiny-lora").glob("checkpoint-*")}
    assert kept == {"checkpoint-2", "checkpoint-4"}
    code, printed = finish(start(("training",), *words))
    assert code == 0, printed
    assert "checkpoint-4에서 이어서" in printed and "프로세스의 수" in printed


def test_bad_input_is_said_once(tmp_path: Path) -> None:
    launch = torchrun(*ALONE, "--nproc-per-node", "2")
    code, printed = finish(start(launch, "-m", "training", "--data", str(tmp_path / "none.csv")))
    assert code != 0 and printed.count("오류:") == 1 and "파일이 없습니다" in printed, printed
