"""Decoding by hand: prefill the prompt once, then decode one token at a time over a KV cache.

This file knows token ids only, neither a tokenizer nor text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedModel

from infer.cache import PreallocatedCache
from infer.copying import favour_copies
from infer.gpt2 import decode_gpt2
from infer.settings import Decoding


@dataclass
class Context:
    """The tokens that a model has read and written, row by row, and its keys and values of them."""

    cache: PreallocatedCache
    tokens: Tensor  # (B, room): the prompt, then the response; `length` columns are in use
    visible: Tensor | None  # (B, room): False on padding; None if no row is padded
    position: Tensor  # (B,): of the next token; padding does not count
    prompt_length: int
    length: int

    @property
    def prompt(self) -> Tensor:
        """(B, prompt_length)"""
        return self.tokens[:, : self.prompt_length]

    @property
    def response(self) -> Tensor:
        """(B, length - prompt_length)"""
        return self.tokens[:, self.prompt_length : self.length]

    def select(self, rows: Tensor) -> None:
        """Make these rows the batch, which copies their cache."""
        self.cache.batch_select_indices(rows)
        self.tokens, self.position = self.tokens[rows], self.position[rows]
        self.visible = None if self.visible is None else self.visible[rows]


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    eos_token_id: int,
    settings: Decoding,
) -> Iterator[Tensor]:
    """Yield the next token of each row, (B,), until every row has ended or the limit is reached.

    A row that has ended yields EOS until the others have ended too.

    Shapes:
        input_ids, attention_mask (B, T), padded on the *left*, so that the last column holds the
        last prompt token of every row; the mask is 0 on padding
    """
    generator = torch.Generator(device=input_ids.device).manual_seed(settings.seed)
    logits, context = prefill(model, input_ids, attention_mask, settings.max_new_tokens)
    ended = torch.zeros_like(input_ids[:, 0], dtype=torch.bool)
    rows = torch.arange(len(input_ids), device=input_ids.device)  # the rows that context holds
    for count in range(1, settings.max_new_tokens + 1):
        token = torch.full_like(input_ids[:, 0], eos_token_id)
        token = token.scatter(0, rows, choose(logits, context, settings, generator))
        token = token.masked_fill(ended, eos_token_id)
        yield token
        ended = ended | (token == eos_token_id)
        unfinished = (~ended[rows]).nonzero()[:, 0]
        if len(unfinished) == 0 or count == settings.max_new_tokens:
            return
        # Rows that have ended cost as much as the others. Leaving them out copies the cache, so it
        # is done when half of the rows have ended: 8% to 26% less time for a batch of 32 (LOG.md).
        if len(unfinished) <= len(rows) // 2:
            context.select(unfinished)
            rows = rows[unfinished]
        logits = decode(model, token[rows], context)


def prefill(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, max_new_tokens: int
) -> tuple[Tensor, Context]:
    """Run the prompt through the model; the next token's logits, (B, V) in fp32, and the context.

    `max_new_tokens` is how many tokens `decode` may append to the context.
    """
    batch, length = input_ids.shape
    room = length + max_new_tokens
    real = attention_mask.bool()
    # Padding is overwritten by the row's last token, which the filters see in any case.
    tokens = input_ids.new_empty(batch, room)
    tokens[:, :length] = torch.where(real, input_ids, input_ids[:, -1:])
    visible = None
    if not real.all():
        visible = torch.ones_like(tokens, dtype=torch.bool)
        visible[:, :length] = real
    cache = PreallocatedCache(int(model.config.num_hidden_layers), room)
    context = Context(cache, tokens, visible, attention_mask.sum(dim=1), length, length)
    output = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        # The first real token of a row has position 0, whatever padding stands before it.
        position_ids=(attention_mask.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,  # the head is the most expensive layer: compute the last position only
    )
    return output.logits[:, -1].float(), context


def decode(model: PreTrainedModel, token: Tensor, context: Context) -> Tensor:
    """Append `token` (B,) to the context and run it; the next token's logits, (B, V) in fp32."""
    context.tokens[:, context.length] = token
    context.length += 1
    visible = None if context.visible is None else context.visible[:, : context.length]
    if isinstance(model, GPT2LMHeadModel):
        logits = decode_gpt2(model, token, context.position, visible, context.cache)
    else:
        logits = model(
            input_ids=token[:, None],
            attention_mask=visible,
            position_ids=context.position[:, None],
            past_key_values=context.cache,
            use_cache=True,
        ).logits[:, -1]
    context.position = context.position + 1
    return logits.float()


def choose(
    logits: Tensor, context: Context, settings: Decoding, generator: torch.Generator
) -> Tensor:
    """Choose the next token of each row, (B,), from its logits, (B, V)."""
    logits = adjust(logits, context, settings)
    if settings.temperature == 0:
        return logits.argmax(dim=-1)
    return sample(logits / settings.temperature, settings.top_k, settings.top_p, generator)


def adjust(logits: Tensor, context: Context, settings: Decoding) -> Tensor:
    """The logits (B, V) after the rules that look at what a row has read and written."""
    prompt, response = context.prompt, context.response
    if settings.repetition_penalty != 1.0:
        logits = penalize(logits, torch.cat([prompt, response], dim=1), settings.repetition_penalty)
    if settings.copy_bias:
        logits = favour_copies(logits, prompt, response, settings.copy_bias)
    if settings.no_repeat_ngram:
        logits = forbid_repeats(logits, response, settings.no_repeat_ngram)
    return logits


def sample(logits: Tensor, top_k: int, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw a token for each row, (B,), from the distribution that the filters leave of (B, V)."""
    probabilities = keep_likeliest(logits, top_k, top_p).softmax(dim=-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def penalize(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make each token of `seen` (B, S) less likely: divide its logit if positive, else multiply."""
    scores = logits.gather(1, seen)  # (B, S)
    scores = torch.where(scores > 0, scores / penalty, scores * penalty)
    return logits.scatter(1, seen, scores)


def forbid_repeats(logits: Tensor, response: Tensor, n: int) -> Tensor:
    """Set to -inf each token that would complete an n-gram which `response` (B, S) contains.

    transformers' no_repeat_ngram_size looks at the prompt too. Ours does not, because a summary
    repeats words of the prompt.
    """
    if response.shape[1] < n:
        return logits
    ngrams = response.unfold(1, n, 1)  # (B, S - n + 1, n)
    last = response[:, None, response.shape[1] - n + 1 :]  # (B, 1, n - 1)
    repeated = (ngrams[:, :, :-1] == last).all(-1)  # (B, S - n + 1)
    counts = torch.zeros_like(logits).scatter_add(1, ngrams[:, :, -1], repeated.to(logits.dtype))
    return logits.masked_fill(counts > 0, float("-inf"))


def keep_likeliest(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to -inf all but the `top_k` likeliest tokens, and all outside the nucleus of `top_p`.

    The nucleus is the smallest set of likeliest tokens whose probability reaches `top_p`.
    """
    if top_k > 0:
        smallest = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1)  # ascending: small sums round less than those near 1
        outside = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
        outside[:, -1] = False  # the likeliest token always stays
        logits = logits.masked_fill(outside.scatter(1, order, outside), float("-inf"))
    return logits
