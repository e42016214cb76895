import csv
import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from chat.models import Models
from chat.terminal import Chat
from common.console import one_line
from data.interviews import read_interviews
from infer.find import KINDS
from infer.models import load_model
from infer.settings import Decoding
from infer.summarize import Summarizer

QUESTION = "동료와 의견이 달랐던 경험은?"
ANSWER = "편의점에서 점장과 발주 방식을 두고 의견이 갈렸습니다. 기록을 모아 보여 드렸습니다."


@pytest.fixture(scope="module")
def models(checkpoints: Path) -> Models:
    return Models(checkpoints, torch.device("cpu"))


class Talk:
    """A conversation whose one side is written down beforehand; an exception in it is raised."""

    def __init__(self, models: Models, *lines: str | BaseException, interactive: bool = True):
        self.asked: list[str] = []
        script = iter(lines)

        def read(what: str) -> str | None:
            self.asked.append(what)
            line = next(script, None)
            if isinstance(line, BaseException):
                raise line
            return line

        out, notes = (Console(file=io.StringIO(), width=200) for _ in range(2))
        self.chat = Chat(models, Decoding(20), read, out, notes, interactive)
        self.chat.talk()
        self.out, self.notes = (console.file.getvalue() for console in (out, notes))  # type: ignore[attr-defined]


def summary(models: Models, name: str, **settings: float) -> str:
    """What the model writes, on a line, as it is shown."""
    decoding = Decoding(20, **settings)  # type: ignore[arg-type]
    model, tokenizer = load_model(models.found[name], torch.device("cpu"))
    return one_line(Summarizer(model, tokenizer, decoding).summarize([QUESTION], [ANSWER])[0])


def test_summaries_alone_go_out(models: Models) -> None:
    talk = Talk(models, "", f" {QUESTION}\n", "/model lora", ANSWER, "/model", "/again", "/quit")
    expected = summary(models, "lora")
    assert talk.out == f"{expected}\n{expected}\n" and talk.chat.done
    assert talk.asked == ["질문", "질문", "답변", "답변", "질문", "질문", "질문"]
    assert "이제 LoRA 모델이 답합니다" in talk.notes and "토큰/초" in talk.notes
    assert "* lora" in talk.notes and "  4bit" in talk.notes
    assert [turn.reply.kind for turn in talk.chat.transcript.turns] == ["lora", "lora"]


def test_it_starts_with_the_default_model(models: Models) -> None:
    talk = Talk(models, QUESTION, ANSWER)
    assert talk.out == summary(models, "4bit") + "\n" and talk.chat.kind == "4bit"


def test_a_setting_holds_from_then_on(models: Models) -> None:
    talk = Talk(models, "/model base", "/set temperature 0.9", "/set", QUESTION, ANSWER)
    assert talk.out == summary(models, "base", temperature=0.9) + "\n"
    assert talk.out != summary(models, "base") + "\n"
    assert talk.notes.count("temperature") == 2 and "0.9" in talk.notes


def test_half_characters_and_what_cannot_be_seen(models: Models, tmp_path: Path) -> None:
    talk = Talk(models, "\udcb0" + QUESTION, f"{ANSWER}\x00\u200b", f"/save {tmp_path}/a\x00.csv")
    assert talk.out == summary(models, "4bit") + "\n" and not talk.chat.errors
    assert QUESTION in (tmp_path / "a.csv").read_text(encoding="utf-8-sig")


def test_compare_asks_every_model(models: Models) -> None:
    talk = Talk(models, QUESTION, ANSWER, "/compare", "/history")
    names = [turn.reply.kind for turn in talk.chat.transcript.turns]
    assert names == ["4bit", *KINDS]
    for now in (turn.reply for turn in talk.chat.transcript.turns):
        text = one_line(now.text)
        assert text == summary(models, now.kind) and KINDS[now.kind] in talk.out
        assert f"({KINDS[now.kind]})" in talk.notes and f"   {text}\n" in talk.out


def test_what_is_saved_can_be_trained_on(models: Models, tmp_path: Path) -> None:
    file = tmp_path / "내 요약.csv"
    talk = Talk(models, QUESTION, ANSWER, f"/save {file}", "/model base", "/again", f"/save {file}")
    assert "요약 1개" in talk.notes and "요약 2개" in talk.notes and not talk.chat.errors
    rows = read_interviews(file).rows
    assert [one_line(row["summary"]) for row in rows] == talk.out.splitlines()
    assert {(row["question"], row["answer"]) for row in rows} == {(QUESTION, ANSWER)}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        assert [row["model"] for row in csv.DictReader(lines)] == ["4bit", "base"]


def test_save_overwrites_no_file_of_another(models: Models, tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    file.write_text("남의 것", encoding="utf-8")
    talk = Talk(models, f"/save {file}")
    assert "이미 있습니다" in talk.notes and file.read_text(encoding="utf-8") == "남의 것"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/modle base", "모르는 명령"),
        ("/model gpt5", "모르는 모델"),
        ("/set temperature 뜨겁게", "수를 적으세요"),
        ("/set temperature", "수를 적으세요"),
        ("/set top_p 2", "1 이하"),
        ("/set heat 1", "모르는 설정"),
        ("/again", "아직"),
        ("/compare", "아직"),
        ("/save", "파일 이름"),
        ("/save /no/such/folder/x.csv", "/no/such/folder: 폴더가 없습니다"),
        ("/save ~no-such-user/x.csv", "사용자"),
        ("/ 그렇게", "모르는 명령"),
        ("/\x1b[2J", "모르는 명령"),
    ],
)
def test_a_mistake_is_one_line_and_the_talk_goes_on(models: Models, line: str, says: str) -> None:
    talk = Talk(models, "/model base", line, QUESTION, line, ANSWER)
    errors = [note for note in talk.notes.splitlines() if note.startswith("오류: ")]
    # At "답변" there is still no turn for /again and /compare.
    assert len(errors) == talk.chat.errors == 2 and all(says in error for error in errors)
    assert talk.out == summary(models, "base") + "\n" and "\x1b" not in talk.notes


def test_an_impossible_question_ends_its_turn_alone(models: Models) -> None:
    talk = Talk(models, "긴 질문 " * 1000, ANSWER, QUESTION, ANSWER)
    assert "문맥" in talk.notes and talk.out == "\n" + summary(models, "4bit") + "\n"


def test_ctrl_c_ends_the_turn_not_the_talk(models: Models) -> None:
    talk = Talk(models, QUESTION, KeyboardInterrupt(), QUESTION, ANSWER)
    assert "멈췄습니다" in talk.notes and talk.out == summary(models, "4bit") + "\n"
    assert talk.asked == ["질문", "답변", "질문", "답변", "질문"]


def test_a_stopped_summary_is_no_one_s_to_train_on(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = summary(models, "4bit")
    stream = Summarizer.stream

    def interrupted(self: Summarizer, question: str, answer: str):  # type: ignore[no-untyped-def]
        for i, piece in enumerate(stream(self, question, answer)):
            if i == 3:
                raise KeyboardInterrupt
            yield piece

    monkeypatch.setattr(Summarizer, "stream", interrupted)
    talk = Talk(models, QUESTION, ANSWER, "/history")
    assert not talk.chat.transcript.turns and "멈췄습니다" in talk.notes
    assert talk.out.endswith("\n") and whole.startswith(talk.out[:-1]) and len(talk.out) > 1


def test_ctrl_c_over_a_pipe_ends_the_program(models: Models) -> None:
    with pytest.raises(KeyboardInterrupt):
        Talk(models, QUESTION, KeyboardInterrupt(), interactive=False)


def test_over_a_pipe_every_pair_keeps_its_line(models: Models) -> None:
    pairs = ((QUESTION, ANSWER), (QUESTION, ""), (QUESTION, "/again"), (QUESTION, ANSWER))
    talk = Talk(models, "", *(line for pair in pairs for line in pair), interactive=False)
    lines = talk.out.splitlines()
    assert len(lines) == 4 and lines[0] == lines[3] == summary(models, "4bit") and not lines[1]
    assert talk.chat.errors == 1 and "5번째 줄: 질문에 답변이" in talk.notes


def test_one_model_that_cannot_be_opened_spoils_no_comparison(
    checkpoints: Path, models: Models
) -> None:
    broken = Models(checkpoints, torch.device("cpu"))
    broken.found["8bit"] = "checkpoints/gone"
    talk = Talk(broken, QUESTION, ANSWER, "/compare")
    assert [turn.reply.kind for turn in talk.chat.transcript.turns] == [
        "4bit",
        "base",
        "lora",
        "merged",
        "4bit",
    ]
    assert "checkpoints/gone: 없어졌습니다" in talk.out and talk.chat.errors == 1


def test_a_question_alone_over_a_pipe(models: Models) -> None:
    talk = Talk(models, QUESTION, interactive=False)
    assert talk.chat.errors == 1 and "2번째 줄: 질문에 답변이" in talk.notes
    assert talk.out == "\n"
    assert not Talk(models, QUESTION, "/quit", interactive=False).chat.errors
