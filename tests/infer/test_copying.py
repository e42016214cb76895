"""The copy bias against a loop over positions."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.copying import favour_copies

VOCABULARY = 12
ids = st.integers(0, VOCABULARY - 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(ids, min_size=3, max_size=20), st.lists(ids, max_size=6))
def test_tokens_that_continue_the_prompt_gain_the_bias(prompt: list[int], said: list[int]) -> None:
    logits = torch.randn(1, VOCABULARY)
    response = torch.tensor([said], dtype=torch.long).view(1, len(said))
    found = favour_copies(logits, torch.tensor([prompt]), response, 0.5)
    gain = [0.0] * VOCABULARY
    for n in (1, 2):
        if len(said) >= n:
            followers = {
                prompt[i + n] for i in range(len(prompt) - n) if prompt[i : i + n] == said[-n:]
            }
            for token in followers:
                gain[token] += 0.5
    assert torch.allclose(found - logits, torch.tensor([gain]), atol=1e-6)


def test_rows_do_not_mix() -> None:
    logits = torch.zeros(2, VOCABULARY)
    prompt, response = torch.tensor([[1, 2, 3], [1, 4, 5]]), torch.tensor([[1], [1]])
    found = favour_copies(logits, prompt, response, 1.0)
    assert found.nonzero().tolist() == [[0, 2], [1, 4]]
