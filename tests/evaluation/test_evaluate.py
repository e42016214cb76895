"""Held-out loss against transformers' own, and what the table of an evaluation shows."""

import math

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from data.encode import IGNORE
from evaluation.baselines import BASELINES, first_sentence, oracle_sentence
from evaluation.evaluate import HeldOutLoss, held_out_loss, judge
from evaluation.results import cells, results_table
from model.precision import Precision
from tests.conftest import encode_row, make_model

CPU = torch.device("cpu")
ROW = {
    "question": "왜 지원했나요?",
    "answer": "음, 그게요. 물류 창고에서 3년 일했습니다! 그 경험을 살리고 싶었거든요.",
    "summary": "물류 창고에서 3년 일한 경험을 살리고자 지원했다.",
}


def test_held_out_loss_is_transformers_loss_over_all_response_tokens(
    byte_tokenizer: PreTrainedTokenizerFast,
) -> None:
    model = make_model(vocab_size=len(byte_tokenizer), n_positions=512)
    rows = [("왜?", "네, " * n + "일했습니다.", "일했다." * n) for n in (1, 3, 8)]
    summaries = [summary for _, _, summary in rows]
    examples = [encode_row(byte_tokenizer, *row, max_length=512) for row in rows]
    nats, tokens = 0.0, 0
    for example in examples:  # one by one, without padding, by the model's own loss
        ids, labels = torch.tensor([example.input_ids]), torch.tensor([example.labels])
        count = int((labels[:, 1:] != IGNORE).sum())
        with torch.no_grad():
            nats += count * float(model(input_ids=ids, labels=labels).loss)
        tokens += count
    loss = held_out_loss(model, examples, summaries, Precision("fp32", CPU))
    assert loss.tokens == tokens
    assert loss.nats == pytest.approx(nats, rel=1e-5)
    assert loss.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    characters = sum(len(summary) + 1 for summary in summaries)
    assert loss.character_perplexity == pytest.approx(math.exp(nats / characters), rel=1e-5)


def test_a_diverged_run_has_an_infinite_perplexity() -> None:
    assert HeldOutLoss(1e6, 10, 10).perplexity == math.inf


def test_baselines_by_hand() -> None:
    assert BASELINES["reference"](ROW) == ROW["summary"]
    assert first_sentence(ROW) == "음, 그게요."
    assert oracle_sentence(ROW) == "물류 창고에서 3년 일했습니다!"


def test_the_table_leaves_out_columns_that_nobody_fills() -> None:
    results = [judge(name, [summary_of(ROW)], [ROW]) for name, summary_of in BASELINES.items()]
    lines = results_table(results).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "정답 자신",
        "답변의 첫 문장",
        "가장 나은 문장 (정답을 봄)",
    ]
    assert "ROUGE-L" in lines[0] and "토큰/초" not in lines[0]
    assert "| 100.0 (100–100) |" in lines[2]


def test_the_column_of_faults_names_them() -> None:
    rows = [ROW] * 3
    assert cells(judge("lora", ["", "창고 창고 창고", "일했다."], rows))[7] == (
        "빈 요약 1, 안 끝남 1, 되풀이 1"
    )
    assert cells(judge("lora", ["일했다."] * 3, rows))[7] == "0"
