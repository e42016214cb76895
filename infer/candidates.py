"""Several summaries of one prompt, and the choice of the one that stays closest to its source.

Greedy decoding commits to the first word, and a wrong first word is never taken back. So the prompt
is read once, several continuations are drawn from it as one batch, and a score chooses: how likely
the model finds the summary as a whole, plus how much of it stands in the source. What no candidate
says, no score can choose.
"""

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from infer.generate import adjust, decode, prefill, sample
from infer.settings import Decoding

# The first candidate is the greedy one. The others are drawn at these temperatures in turn, from
# this nucleus of so many likeliest tokens: sorting the whole vocabulary takes as long as a pass
# through a small model.
TEMPERATURES, TOP_P, LIKELIEST = (1.0, 0.6), 0.95, 64
# How much a summary whose every pair of characters is in the source gains over one with none, in
# nats per token.
OVERLAP_WEIGHT = 1.0
# A summary that the limit has cut is chosen only if all are cut.
UNFINISHED = -10.0


@dataclass(frozen=True)
class Candidate:
    """A response without EOS, its mean log-probability per token, whether it ended by itself."""

    ids: list[int]
    log_probability: float
    finished: bool

    def score(self, text: str, source: str) -> float:
        """How good a summary of `source` the candidate is, whose text is `text`."""
        overlap = OVERLAP_WEIGHT * source_overlap(text, source)
        return self.log_probability + overlap + (0.0 if self.finished else UNFINISHED)


def source_overlap(summary: str, source: str) -> float:
    """The share of the pairs of neighbouring characters inside the summary's words that the source
    has as well: 1 for words of the source alone, 0 for words that share nothing with it.

    A number counts as a whole, because 48 has nothing of 480.
    """
    pairs, known = _pairs(summary), set(_pairs(source))
    return sum(pair in known for pair in pairs) / max(1, len(pairs))


def _pairs(text: str) -> list[str]:
    found = re.findall(r"\d+", text)
    for word in re.findall(r"[^\W\d_]+", text):
        found += [word[i : i + 2] for i in range(len(word) - 1)]
    return found


@torch.inference_mode()
def draw_candidates(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    eos_token_id: int,
    settings: Decoding,
) -> list[Candidate]:
    """`settings.candidates` responses to the prompt, (1, T), the first of them the greedy one.

    The log-probabilities are the model's own, before temperature and any filter.
    """
    count, device = settings.candidates, input_ids.device
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    temperature = torch.tensor(
        [TEMPERATURES[i % len(TEMPERATURES)] for i in range(count)], device=device
    )
    logits, context = prefill(model, input_ids, attention_mask, settings.max_new_tokens)
    context.select(torch.zeros(count, dtype=torch.long, device=device))  # one cache becomes many
    logits = logits.expand(count, -1)
    log_probability, length = torch.zeros(count, device=device), torch.zeros(count, device=device)
    ended = torch.zeros(count, dtype=torch.bool, device=device)
    for _ in range(settings.max_new_tokens):
        adjusted = adjust(logits, context, settings)
        likeliest, ids = (adjusted / temperature[:, None]).topk(min(LIKELIEST, adjusted.shape[-1]))
        drawn = sample(likeliest, settings.top_k, TOP_P, generator)
        token = ids.gather(1, drawn[:, None])[:, 0]
        token[0] = ids[0, 0]
        token = token.masked_fill(ended, eos_token_id)
        found = logits.log_softmax(-1).gather(1, token[:, None])[:, 0]  # (count,)
        log_probability += found.masked_fill(ended, 0.0)
        length += ~ended
        ended = ended | (token == eos_token_id)
        if ended.all():
            break
        logits = decode(model, token, context)
    means = (log_probability / length).tolist()
    responses = [_until(row, eos_token_id) for row in context.response.tolist()]
    return [Candidate(*found) for found in zip(responses, means, ended.tolist(), strict=True)]


def _until(ids: list[int], eos_token_id: int) -> list[int]:
    return ids[: ids.index(eos_token_id)] if eos_token_id in ids else ids
