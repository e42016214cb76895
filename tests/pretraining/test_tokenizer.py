import pytest
from transformers import PreTrainedTokenizerFast

from model.base import EMBEDDED, load_base
from pretraining.tokenizer import train_tokenizer

TEXTS = [
    "분석력을 키웠고 분석력이 장점이며 분석력은 도움이 되었다.",
    "회사에서 일하며 회사에서는 회사가 회사를 회사의 경험을",
]


@pytest.fixture(scope="module")
def small() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS * 5, vocab_size=400, context=64)


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


def test_digits_stand_alone(embedded: PreTrainedTokenizerFast) -> None:
    pieces = [embedded.decode([token]) for token in embedded("2026년 128건")["input_ids"]]
    assert [p for p in pieces if p.strip().isdigit()] == ["2", "0", "2", "6", " 1", "2", "8"]
