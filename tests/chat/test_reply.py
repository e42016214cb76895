import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig

from chat.models import Models
from chat.reply import Reply, reply
from common.console import UserError
from data.prompts import build_prompt
from infer.settings import GREEDY, Decoding
from infer.summarize import Summarizer

QUESTION = "동료와 의견이 달랐던 경험은?"
ANSWER = "편의점에서 점장과 발주 방식을 두고 의견이 갈렸습니다. 기록을 모아 보여 드렸습니다."


@pytest.fixture(scope="module")
def models(checkpoints: Path) -> Models:
    return Models(checkpoints, torch.device("cpu"))


@pytest.mark.parametrize("name", ["base", "lora", "4bit"])
def test_the_text_and_its_tokens_are_those_of_transformers(models: Models, name: str) -> None:
    settings = replace(GREEDY, max_new_tokens=40)
    replies = list(reply(models, name, QUESTION, ANSWER, settings))
    model, tokenizer = models.open(name)
    prompt = tokenizer(build_prompt(QUESTION, ANSWER), return_tensors="pt")
    greedy = GenerationConfig(
        max_new_tokens=40, do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=0
    )
    ids = model.generate(**prompt, generation_config=greedy)[0, prompt.input_ids.shape[1] :]
    whole = ids  # without the bytes of a character that the limit has cut
    while tokenizer.decode(whole, skip_special_tokens=True).endswith("\ufffd"):
        whole = whole[:-1]
    text = tokenizer.decode(whole, skip_special_tokens=True).replace("\ufffd", "").lstrip()
    text = re.sub(r"\n\s*", " ", text)  # a summary is one paragraph
    assert replies[-1].text == text
    assert [now.tokens for now in replies] == list(range(len(ids) + 1))
    assert all(b.text.startswith(a.text) for a, b in pairwise(replies))
    assert replies[0] == Reply(name) and replies[-1].seconds > 0 and replies[-1].kind == name


def test_the_tokens_of_a_chosen_candidate_are_counted(models: Models) -> None:
    settings = Decoding(20, candidates=3)
    first, last = reply(models, "4bit", QUESTION, ANSWER, settings)
    model, tokenizer = models.open("4bit")
    assert last.text == Summarizer(model, tokenizer, settings).choose(QUESTION, ANSWER)
    assert (first.tokens, last.tokens) == (0, len(tokenizer(last.text)["input_ids"]) + 1)


def test_what_was_not_read_is_counted(models: Models) -> None:
    first = next(reply(models, "base", QUESTION, "가나다라 " * 2000, Decoding()))
    assert 0 < first.unread < 10_000 and f"{first.unread:,}자" in first.notice()
    assert next(reply(models, "base", QUESTION, f" {ANSWER}\n", Decoding())).notice() == ""


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [("", ANSWER, "모두"), (QUESTION, " \u200b\n", "모두"), ("질문 " * 2000, ANSWER, "문맥")],
)
def test_what_cannot_be_answered(models: Models, question: str, answer: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        next(reply(models, "base", question, answer, Decoding()))


def test_cost_before_the_first_token() -> None:
    assert Reply("4bit").cost() == "0토큰 · 0.0초 · 0토큰/초"
    assert Reply("4bit", tokens=60, seconds=2.0).cost() == "60토큰 · 2.0초 · 30토큰/초"
