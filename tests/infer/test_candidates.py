"""Candidates from one prefill, and the choice among them."""

import pytest
import torch

from infer.candidates import Candidate, draw_candidates, sounds_spoken, source_overlap
from infer.generate import generate
from infer.settings import GREEDY, Decoding
from infer.summarize import Summarizer
from model.base import EMBEDDED, Base, find_base, load_base

QUESTION, ANSWER = "장점이 무엇인가요?", "저는 창고에서 2년 일했고 재고 오차를 480건 줄였습니다."


@pytest.fixture(scope="module")
def base() -> Base:
    return load_base(find_base(EMBEDDED.name))


@pytest.fixture(scope="module")
def prompt(base: Base) -> torch.Tensor:
    return torch.tensor([Summarizer(base.model, base.tokenizer).prompt(QUESTION, ANSWER)[0]])


def drawn(base: Base, prompt: torch.Tensor, settings: Decoding) -> list[Candidate]:
    eos = int(base.tokenizer.eos_token_id)
    return draw_candidates(base.model, prompt, torch.ones_like(prompt), eos, settings)


@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_the_first_candidate_is_the_greedy_response(
    base: Base, prompt: torch.Tensor, bias: float
) -> None:
    settings = Decoding(max_new_tokens=30, candidates=6, copy_bias=bias)
    eos = int(base.tokenizer.eos_token_id)
    tokens = generate(base.model, prompt, torch.ones_like(prompt), eos, settings)
    greedy = [int(token) for token in tokens]
    assert drawn(base, prompt, settings)[0].ids == [token for token in greedy if token != eos]


def test_log_probabilities_are_the_models_own(base: Base, prompt: torch.Tensor) -> None:
    settings = Decoding(max_new_tokens=20, candidates=5, copy_bias=0.5)
    eos = int(base.tokenizer.eos_token_id)
    found = drawn(base, prompt, settings)
    assert len({tuple(candidate.ids) for candidate in found}) > 1
    for candidate in found:
        ids = candidate.ids + ([eos] if candidate.finished else [])
        with torch.no_grad():
            logits = base.model(torch.cat([prompt, torch.tensor([ids])], dim=1)).logits
        logits = logits[0, prompt.shape[1] - 1 : -1].double().log_softmax(-1)
        expected = logits.gather(1, torch.tensor(ids)[:, None]).mean().item()
        assert candidate.log_probability == pytest.approx(expected, abs=1e-4)


def test_one_seed_gives_one_choice(base: Base) -> None:
    def summary(seed: int) -> str:
        settings = Decoding(max_new_tokens=30, candidates=4, seed=seed)
        return Summarizer(base.model, base.tokenizer, settings).summarize([QUESTION], [ANSWER])[0]

    assert summary(1) == summary(1)
    settings = Decoding(max_new_tokens=30, candidates=4, seed=1)
    streamed = Summarizer(base.model, base.tokenizer, settings).stream(QUESTION, ANSWER)
    assert "".join(streamed) == summary(1)


def test_what_the_source_lacks_lowers_the_score() -> None:
    assert source_overlap("재고 오차를 480건 줄였다", ANSWER) > 0.8
    assert source_overlap("재고 48건", ANSWER) == 2 / 3  # the number counts as a whole
    assert source_overlap("네 창고", ANSWER) == 0.5 and source_overlap("저 창고", ANSWER) == 1.0
    assert source_overlap("", ANSWER) == 0.0
    faithful, invented = Candidate([], -0.5, True), Candidate([], -0.5, True)
    assert faithful.score("재고 오차", ANSWER) > invented.score("사장님 칭찬", ANSWER)
    cut = Candidate([], 0.0, False)
    assert cut.score("재고 오차", ANSWER) < Candidate([], -5.0, True).score("칭찬", ANSWER)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("창고에서 2년 일했다.", False), ("창고에서요, 2년 일했다.", True),
        ("2년 일했습니다.", True),
        ("그것은 아니다.", False), ("학원에 다니다.", False), ("창고가, 음, 추웠다.", True),
        ("말라는 말라는 말을 들었다.", True), ("'괜찮아요' 하고 말했다.", False), ("", False),
        ("필요는 없다.", False), ("요리를 한다.", False),
    ],
)  # fmt: skip
def test_traces_of_speech_are_found(text: str, spoken: bool) -> None:
    assert sounds_spoken(text) == spoken
    plain, other = Candidate([], -0.5, True), Candidate([], -0.4, True)
    if spoken:
        assert plain.score("창고에서 일했다.", ANSWER) > other.score(text, ANSWER)


def test_greedy_draws_no_candidates() -> None:
    assert GREEDY.candidates == 1 and GREEDY.copy_bias == 0
