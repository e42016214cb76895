"""Several summaries of one prompt, and the choice of the one that stays closest to its source.

Greedy decoding commits to the first word, and a wrong first word is never taken back. So the prompt
is read once, several continuations are drawn from it as one batch, and a score chooses: how likely
the model finds the summary as a whole, how much of it stands in the source, and whether it is
written and not spoken. What no candidate says, no score can choose.
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
# How much a summary whose every pair of characters is in the source gains over one with none, and
# how much one with a trace of speech loses, in nats per token.
OVERLAP_WEIGHT, SPOKEN = 2.0, -0.5
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
        score = self.log_probability + OVERLAP_WEIGHT * source_overlap(text, source)
        score += SPOKEN if sounds_spoken(text) else 0.0
        return score + (0.0 if self.finished else UNFINISHED)


def source_overlap(summary: str, source: str) -> float:
    """The share of the pairs of neighbouring characters inside the summary's words that the source
    has as well: 1 for words of the source alone, 0 for words that share nothing with it.

    A number counts as a whole, because 48 has nothing of 480. A word of one character, such as a
    numeral, counts if a word of the source begins with it.
    """
    pairs = _pairs(summary)
    known = {*_pairs(source), *(word[0] for word in _WORD.findall(source))}
    return sum(pair in known for pair in pairs) / max(1, len(pairs))


_WORD = re.compile(r"[^\W\d_]+")


def _pairs(text: str) -> list[str]:
    found = re.findall(r"\d+", text)
    for word in _WORD.findall(text):
        found += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
    return found


# A polite ending, a filler, or a word said twice in a row. The verbs are in plain style.
_SPOKEN = re.compile(
    r"[가-힣]요(?=[,.? ]|$)|(?<!아)(?<!지)(?<!다)니다(?=[,. ]|$)"
    r"|(?:^|[ ,])(?:음|어|뭐|아|네|진짜),|(?:^| )([가-힣]+) \1(?=[,. ]|$)"
)


def sounds_spoken(summary: str) -> bool:
    """Whether a summary keeps a trace of speech outside quotation marks."""
    return bool(_SPOKEN.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", summary)))


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
