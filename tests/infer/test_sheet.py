import csv
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from common.console import UserError
from infer.settings import Decoding
from infer.sheet import read_sheet, summarize_sheet
from infer.summarize import Summarizer
from tests.conftest import make_model

TEXT = """\
번호,Question , answer,summary,=메모
1,왜 지원했나요?,"물류 3년을,
살리려고요.",정답,"=1+1"
2,,질문이 없음,,
3,장점은?,꼼꼼합니다.,,끝
"""


@pytest.fixture
def summarizer(byte_tokenizer: PreTrainedTokenizerFast) -> Summarizer:
    model = make_model(std=0.3, vocab_size=len(byte_tokenizer), n_positions=512)
    return Summarizer(model, byte_tokenizer, Decoding(max_new_tokens=8))


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_the_same_rows_come_back_with_a_summary(
    summarizer: Summarizer, tmp_path: Path, encoding: str, batch_size: int
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(TEXT.encode(encoding))
    sheet = read_sheet(source)
    assert "3행, 빈 칸이 있어 요약하지 않는 행 1개" in sheet.describe()
    assert sum(summarize_sheet(summarizer, sheet, target, batch_size)) == 2
    with target.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["번호", "Question ", " answer", "summary (원본)", "=메모", "summary"]
    assert [row[:-1] for row in rows] == list(csv.reader(TEXT.splitlines(keepends=True)))[1:]
    wanted = summarizer.summarize(
        ["왜 지원했나요?", "장점은?"], ["물류 3년을,\n살리려고요.", "꼼꼼합니다."]
    )
    assert [row[-1] for row in rows] == [wanted[0], "", wanted[1]]
    assert not list(tmp_path.glob("*.partial"))


def test_a_stop_half_way_leaves_the_target_alone(summarizer: Summarizer, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(TEXT, encoding="utf-8")
    target.write_text("어제의 결과", encoding="utf-8")
    steps = summarize_sheet(summarizer, read_sheet(source), target, batch_size=1)
    next(steps)
    steps.close()
    assert target.read_text(encoding="utf-8") == "어제의 결과"
    assert (tmp_path / "out.csv.partial").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [("question,summary\n가,나\n", "answer"), ("question,answer\n가,\n,나\n", "모두 채워진")],
)
def test_what_cannot_be_summarised(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        read_sheet(tmp_path / "in.csv")


def test_a_question_beyond_the_context_names_its_row(
    summarizer: Summarizer, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("question,answer\n가,나\n" + "질문 " * 500 + ",나\n", encoding="utf-8")
    steps = summarize_sheet(summarizer, read_sheet(source), tmp_path / "out.csv", 1)
    with pytest.raises(UserError, match="2번째 행"):
        next(steps)
    assert not list(tmp_path.glob("out*"))
