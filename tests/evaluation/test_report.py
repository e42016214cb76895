import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from common.console import UserError
from data.aihub import DO_NOT_PUBLISH
from data.prompts import build_prompt
from evaluation import curves
from evaluation.evaluate import judge
from evaluation.report import example_pieces, matched_words, write_facts, write_report
from evaluation.results import write_comparison
from tests.conftest import encode_row
from training.config import TrainConfig
from training.run import Run

HOSTILE = "<script>alert('질문')</script> 뷁 🙂 왜 지원했나요?"
ROW = {
    "question": HOSTILE,
    "answer": "물류 3년을 살리려고요.",
    "summary": "물류 3년을 살리고자 함.",
}


def test_every_token_is_shown_as_what_it_is_to_the_loss(
    byte_tokenizer: PreTrainedTokenizerFast,
) -> None:
    example = encode_row(byte_tokenizer, *ROW.values(), max_length=1024)
    pieces = example_pieces(example, byte_tokenizer)
    text = dict.fromkeys(("prompt", "response", "padding"), "")
    for piece in pieces:
        text[piece.kind] += piece.text
    assert text["prompt"] == build_prompt(ROW["question"], ROW["answer"])
    assert text["response"] == ROW["summary"] + byte_tokenizer.eos_token
    assert set(re.findall(r"<\|\w+\|>", text["padding"])) <= {byte_tokenizer.pad_token}
    tokens = {kind: sum(p.tokens for p in pieces if p.kind == kind) for kind in text}
    assert tokens["response"] == example.response_tokens
    assert tokens["prompt"] == len(example.input_ids) - example.response_tokens
    assert sum(tokens.values()) % 16 == 0
    assert any(piece.text == "뷁" and piece.tokens == 3 for piece in pieces)


def test_a_character_that_was_lost_before_hides_nothing(
    byte_tokenizer: PreTrainedTokenizerFast,
) -> None:
    example = encode_row(byte_tokenizer, "질문", "깨진 \ufffd 글자", "요약", max_length=512)
    pieces = example_pieces(example, byte_tokenizer)
    assert "".join(p.text for p in pieces if p.kind == "response") == "요약<|endoftext|>"
    assert "글자" in "".join(p.text for p in pieces)


def test_words_match_in_order() -> None:
    marked = matched_words("출고 지연을 9건 줄였다.", "지연을 출고 9건 줄였다.")
    assert [word for word, _ in marked] == ["출고", "지연을", "9건", "줄였다."]
    assert sum(same for _, same in marked) == 3  # one of the two that changed places
    assert matched_words("", "정답") == []


def step(number: int, seconds: float) -> dict[str, Any]:
    fixed = {"epoch": 1.0, "loss": 1.0, "lr": 1e-3, "grad_norm": 1.0, "skipped": number == 2}
    return {"step": number, "tokens": 600, "seconds": seconds} | fixed


def test_throughput_leaves_evaluation_out() -> None:
    records = [step(1, 1.0), step(2, 3.0), {"step": 2, "seconds": 50.0}, step(3, 52.0)]
    assert curves.throughput(records) == ([2, 3], [300.0, 300.0])


@pytest.mark.parametrize("without_font", [True, False])
@pytest.mark.filterwarnings("error")  # matplotlib warns of each letter that comes out as a box
def test_the_report_stands_by_itself(
    byte_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_font: bool,
) -> None:
    if without_font:
        monkeypatch.setattr(curves, "korean_font", lambda: None)
        assert curves.label("학습률", "learning rate") == "learning rate"
    example = encode_row(byte_tokenizer, *ROW.values(), max_length=1024)
    write_facts(tmp_path, {"rank": 16, "base": HOSTILE}, [example] * 3, 1024, byte_tokenizer)
    result = judge("lora", ["물류 <b>5년</b>을 살리고자 함."], [ROW])
    write_comparison(tmp_path, [ROW], [result], "morpheme", candidates=8)
    evaluation = {"step": 2, "validation_loss": 1.0, "perplexity": 2.7, "seconds": 3.0}
    scores = {"character_perplexity": 1.5, "faithfulness": 90.0, **result.scores}
    records = [step(1, 1.0), step(2, 2.0), evaluation | scores]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    # Nothing is fetched: no script, and no address but the names of XML namespaces.
    assert "<script" not in page and "&lt;script&gt;" in page and "<b>5년" not in page
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", page)
    assert "요약 후보: 8개" in page
    assert "<mark>" in page and "물류" in page and page.count("<svg") == 2
    assert page.index(DO_NOT_PUBLISH) > page.rindex("물류")  # at its foot
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_tensorboard_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    base: Any = SimpleNamespace(name="tiny")
    arguments: Any = (tmp_path, base, TrainConfig(tensorboard=True), {})
    run = Run(*arguments)
    for number in (1, 2):
        run.log.append(step(number, 0.0))
    events = EventAccumulator(str(next((tmp_path / "tensorboard").iterdir())))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 1.0), (2, 1.0)]
    assert [e.value for e in events.Scalars("skipped")] == [0.0, 1.0]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        Run(*arguments)
