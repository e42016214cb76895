from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from common.console import UserError
from data.prompts import build_prompt
from infer.settings import GREEDY, Decoding
from infer.summarize import Summarizer
from model.base import EMBEDDED, load_base
from tests.conftest import make_model

QUESTION = "팀에서 의견이 부딪친 경험은?"
ANSWERS = ["네.", "출고 순서를 두고 의견이 달랐습니다. " * 3, "음, 그게요, 32명이었습니다."]


@pytest.fixture
def summarizer(byte_tokenizer: PreTrainedTokenizerFast) -> Summarizer:
    model = make_model(std=0.3, vocab_size=len(byte_tokenizer), n_positions=512)
    return Summarizer(model, byte_tokenizer, Decoding(max_new_tokens=40))


@pytest.mark.parametrize("changes", [{}, {"temperature": 2.0}])
def test_streamed_text_is_the_decoded_text(
    summarizer: Summarizer, changes: dict[str, float]
) -> None:
    """A random model writes random bytes: broken characters at every place."""
    summarizer.settings = replace(GREEDY, max_new_tokens=40, **changes)  # type: ignore[arg-type]
    for answer in ANSWERS:
        pieces = list(summarizer.stream(QUESTION, answer))
        assert "".join(pieces) == summarizer.summarize([QUESTION], [answer])[0]
        assert "\ufffd" not in "".join(pieces)


@pytest.fixture(params=["bytes", "byte fallback"])
def tokenizer(
    request: pytest.FixtureRequest, byte_tokenizer: PreTrainedTokenizerFast
) -> PreTrainedTokenizerBase:
    """GPT-2's kind, and that of the embedded base, whose vocabulary lacks 뷁 and 힣."""
    return byte_tokenizer if request.param == "bytes" else load_base(EMBEDDED.name).tokenizer


MANY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@MANY
@given(text=st.text(st.sampled_from("가뷁힣a1 🙂👩\u200d💻."), min_size=1, max_size=30))
def test_no_half_character_is_ever_shown(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Whatever prefix of a text's tokens is decoded, it shows a prefix of the text."""
    summarizer = Summarizer(make_model(), tokenizer)
    ids = tokenizer(text)["input_ids"]
    wanted, shown = text.lstrip(), ""  # a summary begins without a blank
    for end in range(len(ids) + 1):
        now = summarizer._text(ids[:end])
        assert wanted.startswith(now) and now.startswith(shown)
        shown = now
    assert shown == wanted
    assert summarizer._text([*ids, tokenizer.eos_token_id, *ids]) == wanted


@MANY
@given(data=st.data())
def test_of_bytes_that_are_no_character_nothing_shown_is_taken_back(
    tokenizer: PreTrainedTokenizerBase, data: st.DataObject
) -> None:
    """What a model writes that draws byte after byte, and whole words in between."""
    summarizer, shown = Summarizer(make_model(), tokenizer), ""
    ids = data.draw(st.lists(st.integers(1, 298), max_size=20))
    for end in range(len(ids) + 1):
        now = summarizer._text(ids[:end])
        assert now.startswith(shown) and "\ufffd" not in now
        shown = now


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("가뷁a. \n\t"), min_size=1, max_size=30))
def test_a_summary_is_one_paragraph_and_nothing_shown_is_taken_back(
    byte_tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    summarizer = Summarizer(make_model(), byte_tokenizer)
    ids, shown = byte_tokenizer(text)["input_ids"], ""
    for end in range(len(ids) + 1):
        now = summarizer._text(ids[:end])
        assert now.startswith(shown) and "\n" not in now
        shown = now
    assert shown.split() == text.split()


def test_a_batch_is_one_by_one(summarizer: Summarizer) -> None:
    batch = summarizer.summarize([QUESTION] * 3, ANSWERS)
    assert batch == [summarizer.summarize([QUESTION], [answer])[0] for answer in ANSWERS]


def test_a_long_answer_leaves_room_for_the_summary(summarizer: Summarizer) -> None:
    seen: list[torch.Tensor] = []
    summarizer.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    long = "출고 순서를 두고 의견이 달랐습니다. " * 100
    summarizer.summarize([QUESTION], [long])
    prompt = summarizer.tokenizer.decode(seen[0][0])
    head, tail = build_prompt(QUESTION, "\0").split("\0")
    assert prompt.startswith(head) and prompt.endswith(tail)
    assert 512 - 40 - 3 <= seen[0].shape[1] <= 512 - 40


def test_only_the_response_comes_back(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_model(std=0.3, vocab_size=len(byte_tokenizer), n_positions=512)
    wanted = [*byte_tokenizer("요약")["input_ids"], byte_tokenizer.eos_token_id]
    counter = iter(wanted)

    def say(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(output, -100.0)
        forced[..., next(counter)] = 100.0
        return forced

    model.lm_head.register_forward_hook(say)
    assert Summarizer(model, byte_tokenizer).summarize([QUESTION], ["네."]) == ["요약"]


def test_a_question_beyond_the_context_is_an_error(summarizer: Summarizer) -> None:
    assert summarizer.fits("짧은 질문") and not summarizer.fits("긴 질문 " * 500)
    with pytest.raises(UserError, match=r"문맥 512토큰.*max_new_tokens"):
        summarizer.summarize(["긴 질문 " * 500], ["네."])
