"""Decoding by hand: prefill the prompt once, then one token at a time over a KV cache.

Knows token ids only, no tokenizer and no text: the command line, the evaluation and whatever comes
next all share it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedModel

from infer.cache import PreallocatedCache
from infer.gpt2 import decode_gpt2


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. The default is greedy: temperature 0 takes the likeliest.

    The order is that of transformers: repetition penalty, n-grams, temperature, top-k, top-p.
    """

    temperature: float = 0.0
    top_k: int = 0  # keep the k likeliest tokens; 0 keeps all
    top_p: float = 1.0  # keep the likeliest tokens that together have this probability
    repetition_penalty: float = 1.0  # CTRL, https://arxiv.org/abs/1909.05858, section 4.1
    no_repeat_ngram: int = 0  # no n tokens of the response come twice; 0 lets them
    seed: int = 42


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    eos_token_id: int,
    max_new_tokens: int = 120,
    sampling: Sampling | None = None,
) -> Iterator[Tensor]:
    """Yield the next token of every row, (B,), until all rows have ended or the limit is reached.

    A row that has ended yields EOS again until the others are done.

    Shapes:
        input_ids, attention_mask (B, T), padded on the *left*: the last column is every row's last
        prompt token, and the mask is 0 on padding
    """
    sampling = sampling or Sampling()
    generator = torch.Generator(device=input_ids.device).manual_seed(sampling.seed)
    batch, prompt = input_ids.shape
    room = prompt + max_new_tokens
    cache = PreallocatedCache(int(model.config.num_hidden_layers), room)
    logits = prefill(model, input_ids, attention_mask, cache)
    # What repetition is judged by: a row's own tokens, with padding covered by its last one.
    seen = input_ids.new_empty(batch, room)
    seen[:, :prompt] = torch.where(attention_mask.bool(), input_ids, input_ids[:, -1:])
    padded = not attention_mask.all()  # without padding there is nothing to hide
    visible = attention_mask.new_ones(batch, room, dtype=torch.bool)
    visible[:, :prompt] = attention_mask.bool()
    position = attention_mask.sum(dim=1)  # of the next token: padding has none
    finished = torch.zeros(batch, dtype=torch.bool, device=input_ids.device)
    rows = torch.arange(batch, device=input_ids.device)  # those still computed
    for end in range(prompt, room):
        token = choose(logits, seen[:, :end], prompt, sampling, generator)
        token = torch.where(finished, eos_token_id, token)
        yield torch.full_like(input_ids[:, 0], eos_token_id).scatter(0, rows, token)
        finished |= token == eos_token_id
        left = int((~finished).sum())
        if left == 0 or end == room - 1:
            return
        if left <= len(rows) // 2:  # not at each end of a row: the cache is copied
            keep = (~finished).nonzero()[:, 0]
            rows, token, position, seen, visible = (
                tensor[keep] for tensor in (rows, token, position, seen, visible)
            )
            finished = finished[keep]
            cache.batch_select_indices(keep)
        seen[:, end] = token
        mask = visible[:, : end + 1] if padded else None
        logits = decode(model, token, position, mask, cache)
        position = position + 1


def prefill(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, cache: PreallocatedCache
) -> Tensor:
    """Run the whole prompt, filling `cache`; logits of the next token, (B, V) in fp32."""
    # A row's first real token has position 0, however much padding stands before it.
    positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    output = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,  # the head is the dearest layer; only the last row is needed
    )
    return output.logits[:, -1].float()


def decode(
    model: PreTrainedModel,
    token: Tensor,
    position: Tensor,
    visible: Tensor | None,
    cache: PreallocatedCache,
) -> Tensor:
    """Run one token a row over the cache; logits of the next token, (B, V) in fp32.

    Shapes:
        token, position (B,); visible (B, prompt + all tokens so far, this one included), False on
        padding; None where there is none
    """
    if isinstance(model, GPT2LMHeadModel):
        return decode_gpt2(model, token, position, visible, cache).float()
    output = model(
        input_ids=token[:, None],
        attention_mask=visible,
        position_ids=position[:, None],
        past_key_values=cache,
        use_cache=True,
    )
    return output.logits[:, -1].float()


def choose(
    logits: Tensor, seen: Tensor, prompt: int, sampling: Sampling, generator: torch.Generator
) -> Tensor:
    """Draw one token a row: ids (B,) from logits (B, V).

    `seen` (B, S) are the tokens before, the first `prompt` of which are the prompt's.
    """
    if sampling.repetition_penalty != 1.0:
        logits = penalize(logits, seen, sampling.repetition_penalty)
    if sampling.no_repeat_ngram:
        logits = forbid_repeats(logits, seen[:, prompt:], sampling.no_repeat_ngram)
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = keep_likeliest(logits / sampling.temperature, sampling.top_k, sampling.top_p)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]


def penalize(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make each token of `seen` less likely: divide its logit if positive, else multiply."""
    scores = logits.gather(1, seen)
    scores = torch.where(scores > 0, scores / penalty, scores * penalty)
    return logits.scatter(1, seen, scores)


def forbid_repeats(logits: Tensor, response: Tensor, n: int) -> Tensor:
    """Set to -inf each token that would end an n-gram `response` (B, S) has already.

    transformers' no_repeat_ngram_size also looks at the prompt; but words of the prompt are what
    a summary is made of.
    """
    if response.shape[1] < n:
        return logits
    ngrams = response.unfold(1, n, 1)  # (B, S - n + 1, n)
    begun = (ngrams[:, :, :-1] == response[:, None, response.shape[1] - n + 1 :]).all(-1)
    repeats = torch.zeros_like(logits).scatter_add(1, ngrams[:, :, -1], begun.to(logits.dtype))
    return logits.masked_fill(repeats > 0, float("-inf"))


def keep_likeliest(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to -inf what is not among the `top_k` likeliest, or beyond the nucleus of `top_p`.

    Nucleus sampling: https://arxiv.org/abs/1904.09751
    """
    if top_k > 0:
        smallest = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(dim=-1)
        # A token stays if those before it do not reach top_p yet; so the first always stays.
        outside = probabilities.cumsum(dim=-1) - probabilities >= top_p
        logits = logits.masked_fill(outside.scatter(1, order, outside), float("-inf"))
    return logits
