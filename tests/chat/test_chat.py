"""`python -m chat` as a person meets it: over a pipe, and at a (pseudo-)terminal."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from chat.__main__ import main
from chat.models import Models
from common.console import one_line, run
from data.interviews import read_interviews
from infer.models import load_model
from infer.summarize import Summarizer

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "동료와 의견이 달랐던 경험은?"
ANSWER = "편의점에서 점장과 발주 방식을 두고 의견이 갈렸습니다. 기록을 모아 보여 드렸습니다."


@pytest.fixture(scope="module")
def summary(checkpoints: Path) -> str:
    """What the 4-bit model, the one a conversation begins with, says: on a line, as it is shown."""
    path = Models(checkpoints, torch.device("cpu")).found["4bit"]
    summarizer = Summarizer(*load_model(path, torch.device("cpu")))
    return one_line(summarizer.summarize([QUESTION], [ANSWER])[0])


def errors(stderr: str) -> list[str]:
    assert "Traceback" not in stderr
    return [line for line in stderr.splitlines() if line.startswith("오류: ")]


def test_over_a_pipe_the_summaries_are_the_output(checkpoints: Path, summary: str) -> None:
    text = f"\ufeff{QUESTION}\r\n{ANSWER}\r\n/help\r\n{QUESTION}\r\n{ANSWER}"
    command = [sys.executable, "-m", "chat", "--output-dir", str(checkpoints)]
    result = subprocess.run(command, input=text.encode(), cwd=ROOT, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode() == f"{summary}\n{summary}\n"
    assert b"\x1b" not in result.stdout + result.stderr and "요약> ".encode() in result.stderr


def test_a_reader_that_has_seen_enough_ends_it(checkpoints: Path) -> None:
    command = [sys.executable, "-m", "chat", "--output-dir", str(checkpoints)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(f"{QUESTION}\n{ANSWER}\n".encode())
        process.stdin.close()
        assert not errors(process.stderr.read().decode())
    assert process.returncode == 141


@pytest.fixture
def piped(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, list[str]]]:
    """The same in this process: exit code, output and error lines."""

    def talk(text: bytes, *words: str) -> tuple[object, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["chat", "--output-dir", str(checkpoints), *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        with pytest.raises(SystemExit) as stop:
            run(main)
        out, err = capsys.readouterr()
        return stop.value.code, out, errors(err)

    return talk


def test_mistakes_over_a_pipe_lose_nothing_and_show_at_the_end(piped: Any, summary: str) -> None:
    text = f"/modle base\n{QUESTION}\n{ANSWER}\n{QUESTION}\n".encode()
    code, out, said = piped(text)
    assert code == 2 and out == summary + "\n\n"
    assert len(said) == 3 and "1번째 줄: /modle: 모르는" in said[0] and "5번째 줄" in said[1]
    assert "2개" in said[2]


@pytest.mark.parametrize("bad", ["질문은?\n답변".encode("cp949"), "한\n글".encode()[:-1]])
def test_bytes_that_are_no_utf8_end_it_where_they_stand(
    piped: Any, summary: str, bad: bytes
) -> None:
    code, out, said = piped(f"{QUESTION}\n{ANSWER}\n".encode() + bad)
    assert code == 2 and out == summary + "\n" and len(said) == 1
    assert "UTF-8" in said[0] and re.search("[34]번째 줄", said[0])


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        (b"", ("--model", "gpt5"), "모르는 모델"),
        (b"", ("--temperature", "-1"), "--temperature -1"),
        (b"", ("--output-dir", "/no/such"), "make train"),
    ],
)
def test_what_cannot_be_meant(piped: Any, text: bytes, words: tuple[str, ...], says: str) -> None:
    code, out, said = piped(text, *words)
    assert code == 2 and not out and says in said[0]


class Terminal:
    """A person's terminal: what is typed goes in as bytes, what is shown comes out as text."""

    def __init__(self, checkpoints: Path, folder: Path) -> None:
        pexpect = pytest.importorskip("pexpect", reason="a pseudo-terminal needs a Unix")
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "chat", "--output-dir", str(checkpoints)],
            cwd=folder,
            # No terminal answers here when asked where its cursor stands.
            env=os.environ
            | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
            dimensions=(40, 100),
            timeout=60,
            echo=False,
        )

    def type(self, text: str | bytes) -> None:
        self.child.send(text if isinstance(text, bytes) else text.encode())

    def until(self, text: str) -> str:
        """What is shown before `text`, without colours and cursor movements."""
        self.child.expect_exact(text.encode())
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.child.before.decode(errors="ignore"))

    def command(self, line: str, answer: str) -> None:
        """Type a line and wait for what it brings."""
        self.type(line + "\r")
        self.until(answer)

    def ask(self, question: str | bytes, answer: str) -> None:
        """Type a question and an answer, and wait for the summary's first characters."""
        self.until("질문> ")
        self.type(question)
        self.command("", "답변> ")
        self.command(answer, "요약> ")
        self.child.expect(b"[\xea-\xed][\x80-\xbf]{2}")  # a syllable


@pytest.fixture(scope="module")
def terminal(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """One for all: each test leaves it where a question is asked for."""
    terminal = Terminal(checkpoints, tmp_path_factory.mktemp("here"))
    yield terminal
    terminal.child.close(force=True)


def saved(terminal: Terminal) -> list[dict[str, str]]:
    """The turns so far, by `/save`."""
    terminal.command("/save 대화.csv", "썼습니다")
    return list(read_interviews(Path(terminal.child.cwd) / "대화.csv", minimum_rows=1).rows)


def test_a_conversation_at_a_terminal(terminal: Terminal, summary: str) -> None:
    terminal.ask(QUESTION, ANSWER)
    rest = summary[re.search("[가-힣]", summary).end() :]  # type: ignore[union-attr]
    assert rest in terminal.until("토큰/초)")
    (row,) = saved(terminal)
    assert (row["question"], row["answer"]) == (QUESTION, ANSWER)
    assert one_line(row["summary"]) == summary.strip()
    terminal.type("/comp\t")
    terminal.until("are")  # completed
    terminal.type("\r")
    for label in ("베이스", "LoRA", "병합 fp16", "8비트", "4비트"):
        terminal.until(label)


def test_korean_as_an_input_method_sends_it(terminal: Terminal, summary: str) -> None:
    terminal.until("질문> ")
    for byte in "의견잏".encode():  # a syllable is three bytes: they may come one by one
        terminal.type(bytes([byte]))
    terminal.type(b"\x7f")  # one backspace takes a syllable, not a byte
    terminal.type("이 달랐던 경험은?")
    terminal.type(b"\x01" + "동료와 ".encode() + b"\r")  # Ctrl-A: to the line's start
    terminal.until("답변> ")
    terminal.command(ANSWER, "토큰/초)")
    assert saved(terminal)[-1]["question"] == QUESTION


def test_a_paste_of_many_lines_is_one_answer(terminal: Terminal) -> None:
    terminal.until("질문> ")
    terminal.command(QUESTION, "답변> ")
    terminal.type("\x1b[200~첫째 줄입니다.\n둘째 줄입니다.\x1b[201~")  # as terminals mark a paste
    terminal.command("\x1b\r셋째 줄입니다.", "토큰/초)")  # Alt+Enter before it
    assert saved(terminal)[-1]["answer"] == "첫째 줄입니다.\n둘째 줄입니다.\n셋째 줄입니다."


def test_ctrl_c_stops_the_answer_not_the_program(terminal: Terminal, summary: str) -> None:
    terminal.until("질문> ")
    before = len(saved(terminal))
    terminal.command("/set temperature 5", "난수 시드")
    terminal.command("/set max_new_tokens 800", "난수 시드")  # takes seconds on any machine
    terminal.ask(QUESTION, ANSWER)
    terminal.child.kill(signal.SIGINT)  # as the terminal's driver does on Ctrl-C
    terminal.until("멈췄습니다")
    terminal.until("질문> ")
    terminal.command("\x03", "멈췄습니다")  # at the prompt, too
    terminal.command("/set temperature 0", "난수 시드")
    terminal.command("/set max_new_tokens 120", "난수 시드")
    terminal.type("/again\r")
    assert summary in terminal.until("토큰/초)")
    rows = saved(terminal)
    assert len(rows) == before + 1 and one_line(rows[-1]["summary"]) == summary.strip()


def test_ctrl_d_ends_it(terminal: Terminal) -> None:
    terminal.until("질문> ")
    terminal.type("\x04")
    terminal.child.expect(pytest.importorskip("pexpect").EOF)
    terminal.child.wait()
    assert terminal.child.exitstatus == 0
