import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from chat.web.tokens import pieces, token_view
from data.prompts import build_prompt
from data.text import clean_text
from infer.settings import Decoding
from infer.summarize import Summarizer
from tests.conftest import make_model

HOSTILE = "<script>alert('질문')</script> 뷁 🙂"


@pytest.fixture(scope="module")
def summarizer(byte_tokenizer: PreTrainedTokenizerFast) -> Summarizer:
    return Summarizer(make_model(n_positions=512), byte_tokenizer, Decoding(max_new_tokens=40))


@settings(max_examples=100, deadline=None)
@given(
    question=st.text(st.sampled_from("가뷁a1 🙂👩\u200d💻\n."), min_size=1, max_size=20),
    answer=st.text(st.sampled_from("가뷁a1 🙂👩\u200d💻\n."), min_size=1, max_size=200),
)
def test_every_token_of_the_prompt_is_there_once_in_its_part(
    summarizer: Summarizer, question: str, answer: str
) -> None:
    question, answer = clean_text(question), clean_text(answer)
    ids, kept = summarizer.prompt(question, answer)
    shown = pieces(summarizer, question, answer)
    assert "".join(text for _, text, _ in shown) == build_prompt(question, kept)
    assert sum(tokens for _, _, tokens in shown) == len(ids)
    parts = {p: "".join(t for part, t, _ in shown if part == p) for p in ("question", "answer")}
    # A token may hold the blank before it or the newline behind.
    assert parts["question"].strip() == question and parts["answer"].strip() == kept.strip()


def test_the_line_counts_and_the_text_cannot_do_harm(summarizer: Summarizer) -> None:
    page = token_view(summarizer, HOSTILE, "네, 가나다입니다.")
    ids, _ = summarizer.prompt(HOSTILE, "네, 가나다입니다.")
    assert f"<b>{len(ids)}토큰</b>" in page and "<script>" not in page and "&lt;" in page
    assert page.count("뷁") == 1 and 'title="3토큰">뷁<' in page
    counts = [int(n) for n in re.findall(r'"part \w+">\S+ (\d+)<', page)]
    assert len(counts) == 3 and sum(counts) == len(ids) and "<del>" not in page


def test_what_found_no_room_is_struck(summarizer: Summarizer) -> None:
    answer = "출고 순서를 두고 <b>의견이 달랐습니다. " * 100
    page = token_view(summarizer, "질문", answer)
    _, kept = summarizer.prompt("질문", answer)
    unread = len(clean_text(answer)) - len(kept)
    assert f"끝의 {unread:,}자" in page and page.count("<del>") == 1


def test_the_embedded_tokenizer_is_cheaper_than_bytes(checkpoints: Path) -> None:
    from infer.models import load_model

    model, tokenizer = load_model(str(checkpoints / "ko-gpt2-mini-merged"), make_model().device)
    page = token_view(Summarizer(model, tokenizer), "질문은?", "물류 창고에서 일했습니다.")
    cost = re.search(r"한 글자에 (\d\.\d\d)토큰", page)
    assert cost and 0.3 < float(cost[1]) < 1
