"""transformers' own `generate` and logits processors are the independent truth."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from transformers import (
    GPT2LMHeadModel,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from data.encode import encode_prompt
from infer.generate import decode, forbid_repeats, generate, keep_likeliest, penalize, prefill
from infer.settings import GREEDY
from infer.summarize import pad_left
from model.base import EMBEDDED, load_base
from pretraining.rows import interview_rows
from tests.bases import FAMILIES, family_model
from tests.conftest import make_model

EOS = 0
PROMPTS = [[5, 9, 200], [7] * 30, [int(t) for t in range(1, 18)], [300]]


@pytest.fixture
def model() -> GPT2LMHeadModel:
    # Large embeddings: a clear winner at each step, so that batching cannot flip a near-tie.
    return make_model(std=0.3)


def ours(
    model: GPT2LMHeadModel, prompts: list[list[int]], eos: int = EOS, new: int = 40, **kwargs: float
) -> list[list[int]]:
    ids, mask = pad_left(prompts, EOS)
    settings = replace(GREEDY, max_new_tokens=new, **kwargs)  # type: ignore[arg-type]
    return torch.stack(list(generate(model, ids, mask, eos, settings)), 1).tolist()


def common_token(model: GPT2LMHeadModel) -> int:
    """A token that greedy decoding does write, to stand for EOS."""
    return ours(model, PROMPTS[:1], eos=-1)[0][5]


def test_greedy_is_transformers_generate_token_for_token(model: GPT2LMHeadModel) -> None:
    for eos in (383, common_token(model)):
        ids, mask = pad_left(PROMPTS, EOS)
        theirs = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=40,
            do_sample=False,
            eos_token_id=eos,
            pad_token_id=eos,
        )[:, ids.shape[1] :].tolist()
        assert ours(model, PROMPTS, eos) == theirs


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_decodes_as_without_a_cache(family: str) -> None:
    """The truth is the whole text through the model again, row by row, for each new token.

    transformers' generate is none here: its sliding cache and its forward differ for Mistral.
    """
    model, prompts = family_model(family), PROMPTS[:3]
    rows = ours(model, prompts, eos=-1, new=20)
    with torch.inference_mode():
        for prompt, row in zip(prompts, rows, strict=True):
            whole = model(torch.tensor([prompt + row])).logits[0, len(prompt) - 1 : -1]
            assert whole.argmax(-1).tolist() == row


def test_a_batch_is_one_by_one(model: GPT2LMHeadModel) -> None:
    eos = common_token(model)
    batch = ours(model, PROMPTS, eos)
    for prompt, row in zip(PROMPTS, batch, strict=True):
        alone = ours(model, [prompt], eos)[0]
        assert row == alone + [eos] * (len(row) - len(alone))


def test_with_the_cache_is_without(model: GPT2LMHeadModel) -> None:
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        for _ in range(40):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
        assert ours(model, [prompt], eos=-1)[0] == ids[0, len(prompt) :].tolist()


def test_a_penalty_sees_a_rows_own_tokens_and_not_its_padding(model: GPT2LMHeadModel) -> None:
    batch = ours(model, PROMPTS, eos=-1, repetition_penalty=1.5)
    for prompt, row in zip(PROMPTS, batch, strict=True):
        assert row == ours(model, [prompt], eos=-1, repetition_penalty=1.5)[0]


def test_stops_when_all_rows_have_ended(model: GPT2LMHeadModel) -> None:
    eos = common_token(model)
    row = ours(model, PROMPTS[:1], eos, new=100)[0]
    assert row.index(eos) == len(row) - 1 < 99
    assert len(ours(model, PROMPTS, eos=-1, new=7)[0]) == 7


def test_filters_are_those_of_transformers() -> None:
    torch.manual_seed(0)
    logits, seen = torch.randn(5, 50) * 3, torch.randint(0, 50, (5, 9))
    for penalty, temperature, top_k, top_p in [
        (1.3, 0.7, 10, 0.9),
        (1.0, 1.5, 0, 0.5),
        (2.0, 1.0, 1, 1.0),
        (1.1, 0.2, 100, 0.01),
    ]:
        processors = LogitsProcessorList(
            [RepetitionPenaltyLogitsProcessor(penalty), TemperatureLogitsWarper(temperature)]
        )
        if top_k:
            processors.append(TopKLogitsWarper(top_k))
        if top_p < 1:
            processors.append(TopPLogitsWarper(top_p))
        expected = processors(seen, logits.clone())
        got = keep_likeliest(penalize(logits, seen, penalty) / temperature, top_k, top_p)
        torch.testing.assert_close(got, expected)


def test_the_nucleus_is_that_of_transformers_on_many_rows() -> None:
    probabilities = torch.tensor([[0.3, 0.1, 0.1, 0.5]])
    kept = keep_likeliest(probabilities.log(), top_k=0, top_p=0.8).isfinite()
    assert kept.tolist() == [[True, False, False, True]]
    torch.manual_seed(0)
    for top_p in (0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999):
        tenths = torch.randint(1, 10, (2000, 6)).float()  # sums that meet top_p exactly
        for logits in (torch.randn(2000, 200) * 4, (tenths / tenths.sum(1, keepdim=True)).log()):
            expected = TopPLogitsWarper(top_p)(torch.empty(0), logits.clone())
            torch.testing.assert_close(keep_likeliest(logits, 0, top_p), expected, rtol=0, atol=0)


def test_one_prefill_serves_several_rows(model: GPT2LMHeadModel) -> None:
    """`Context.select` may repeat and drop rows: each then decodes like the row it comes from."""
    ids, mask = pad_left(PROMPTS, EOS)
    rows = torch.tensor([2, 0, 0, 3])
    with torch.inference_mode():
        _, whole = prefill(model, ids, mask, max_new_tokens=8)
        _, selected = prefill(model, ids, mask, max_new_tokens=8)
        selected.select(rows)
        for token in (5, 90, 7):
            tokens = torch.arange(len(PROMPTS)) + token
            expected = decode(model, tokens, whole)[rows]
            torch.testing.assert_close(decode(model, tokens[rows], selected), expected)
    length = whole.length
    assert torch.equal(selected.tokens[:, :length], whole.tokens[rows, :length])


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_forbidden_repeats_are_those_of_transformers(n: int) -> None:
    torch.manual_seed(n)
    for length in (0, 1, n, 40):
        logits, response = torch.randn(6, 12), torch.randint(0, 4, (6, length))
        expected = logits
        if length:
            expected = NoRepeatNGramLogitsProcessor(n)(response, logits)
        torch.testing.assert_close(forbid_repeats(logits, response, n), expected)


def test_no_ngram_of_the_response_comes_twice_but_the_prompts_may(model: GPT2LMHeadModel) -> None:
    rows = ours(model, PROMPTS, eos=-1, no_repeat_ngram=2)
    for row in rows:
        pairs = list(pairwise(row))
        assert len(pairs) == len(set(pairs))
    assert any(len(set(pairwise(row))) < 39 for row in ours(model, PROMPTS, eos=-1))
    for prompt, row in zip(PROMPTS, rows, strict=True):
        assert row == ours(model, [prompt], eos=-1, no_repeat_ngram=2)[0]


def test_sampling_follows_the_probabilities(model: GPT2LMHeadModel) -> None:
    prompt = [5, 9, 200]
    with torch.no_grad():
        probabilities = (model(torch.tensor([prompt])).logits[0, -1] / 2.0).softmax(-1)
    draws = torch.tensor(ours(model, [prompt] * 4000, new=1, temperature=2.0))[:, 0]
    frequencies = torch.bincount(draws, minlength=384) / 4000
    # 4,000 draws: a probability p is met within sqrt(p(1-p)/4000), five of which is p < 1e-6
    assert ((frequencies - probabilities).abs() <= 5 * (probabilities / 4000).sqrt() + 1e-3).all()


def test_a_seed_repeats_and_another_differs(model: GPT2LMHeadModel) -> None:
    first = ours(model, PROMPTS, temperature=1.5, seed=1)
    assert ours(model, PROMPTS, temperature=1.5, seed=1) == first
    assert ours(model, PROMPTS, temperature=1.5, seed=2) != first


def test_top_k_1_and_tiny_top_p_are_greedy(model: GPT2LMHeadModel) -> None:
    greedy = ours(model, PROMPTS)
    assert ours(model, PROMPTS, temperature=3.0, top_k=1) == greedy
    assert ours(model, PROMPTS, temperature=3.0, top_p=1e-9) == greedy


def test_greedy_on_the_embedded_base_is_transformers_too() -> None:
    base = load_base(EMBEDDED.name)
    rows = interview_rows(4, seed=3)
    prompts = [encode_prompt(base.tokenizer, r["question"], r["answer"], 900)[0] for r in rows]
    ids, mask = pad_left(prompts, base.tokenizer.pad_token_id)
    eos = base.tokenizer.eos_token_id
    theirs = base.model.generate(
        ids, attention_mask=mask, max_new_tokens=60, do_sample=False, pad_token_id=eos
    )[:, ids.shape[1] :]
    settings = replace(GREEDY, max_new_tokens=60)
    mine = torch.stack(list(generate(base.model, ids, mask, eos, settings)), dim=1)
    assert mine.tolist() == theirs.tolist()
