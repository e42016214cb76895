import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from model.base import EMBEDDED, load_base
from pretraining.tokenizer import SYLLABLES, train_tokenizer

TEXTS = [
    "분석력을 키웠고 분석력이 장점이며 분석력은 도움이 되었다.",
    "회사에서 일하며 회사에서는 회사가 회사를 회사의 경험을",
]


@pytest.fixture(scope="module")
def small() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS * 5, vocab_size=3000, context=64)


@pytest.fixture(scope="module")
def embedded() -> PreTrainedTokenizerFast:
    return load_base(EMBEDDED.name).tokenizer


def test_every_string_round_trips(
    small: PreTrainedTokenizerFast, embedded: PreTrainedTokenizerFast
) -> None:
    hangul = "".join(chr(code) for code in range(0xAC00, 0xD7A4))  # all 11,172 syllables
    jamo = "".join(chr(code) for code in range(0x1100, 0x1200))
    others = "🙂👩\u200d💻 漢字 café\u0301 \t\n  <|endoftext|> ### Response:\n３２％ ㈜"
    for text in (hangul, jamo, others, " ".join(hangul[::7]), "\n".join(TEXTS)):
        for tokenizer in (small, embedded):
            ids = tokenizer(text, split_special_tokens=True)["input_ids"]
            assert tokenizer.decode(ids) == text
            assert tokenizer.eos_token_id not in ids


@pytest.mark.parametrize("noun", ["분석력", "회사", "나이", "출고 지연", "엑셀", "뷁쀍"])
def test_a_noun_is_the_same_tokens_before_every_particle(
    embedded: PreTrainedTokenizerFast, noun: str
) -> None:
    bare = embedded(f" {noun}")["input_ids"]
    for particle in ("을", "이", "은", "에서", "에서는", "까지도", "의", "으로"):
        assert embedded(f" {noun}{particle}")["input_ids"][: len(bare)] == bare


def test_a_word_is_the_same_tokens_at_the_head_of_a_line(small: PreTrainedTokenizerFast) -> None:
    inside = small("그때 회사에서")["input_ids"][-2:]
    assert small("회사에서")["input_ids"] == inside
    assert small("그때\n\n회사에서\n회사에서")["input_ids"].count(inside[0]) == 2


def test_a_prompt_and_its_summary_may_be_encoded_apart(small: PreTrainedTokenizerFast) -> None:
    prompt, summary = "### Response:\n", "회사에서 일했다.\n둘째 줄"
    apart = small(prompt)["input_ids"] + small(summary)["input_ids"]
    assert apart == small(prompt + summary)["input_ids"]


def test_common_syllables_are_one_token_and_others_bytes(small: PreTrainedTokenizerFast) -> None:
    assert len(SYLLABLES) == 2350
    assert all(len(small(f"가{syllable}")["input_ids"]) <= 3 for syllable in SYLLABLES)
    assert [small.decode([i]) for i in small("가힝")["input_ids"]][-1] == "힝"
    assert len(small("쀍")["input_ids"]) == 1 + 3  # the blank, and its three bytes
    assert small("<0x41>")["input_ids"] != small("A")["input_ids"]


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_string_round_trips(small: PreTrainedTokenizerFast, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are not text
    ids = small(text, split_special_tokens=True)["input_ids"]
    assert small.decode(ids) == text


def test_digits_stand_alone(embedded: PreTrainedTokenizerFast) -> None:
    pieces = [embedded.decode([token]) for token in embedded("2026년 128건")["input_ids"]]
    assert [p for p in pieces if p.strip().isdigit()] == ["2", "0", "2", "6", "1", "2", "8"]
