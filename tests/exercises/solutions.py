"""The repository's own functions as answers to the exercises, under the exercises' signatures."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from data.batches import collate
from data.encode import IGNORE, Example
from evaluation.metrics import KoreanTokenizer
from infer.generate import keep_likeliest
from infer.gpt2 import decode_gpt2
from lora.inject import inject_lora
from lora.layer import LoRALinear
from lora.merge import merge_lora
from model.loss import count_targets, response_loss
from quant import nf4
from training.loop import train_step


def make_batch(
    prompts: list[list[int]], summaries: list[list[int]], eos: int
) -> tuple[Tensor, Tensor]:
    """As `encode_rows` makes an example of a row, and `collate` a batch of examples."""
    examples = []
    for prompt, summary in zip(prompts, summaries, strict=True):
        response = [*summary, eos]
        examples.append(Example(prompt + response, [IGNORE] * len(prompt) + response))
    batch = collate(examples, pad_id=eos)
    return batch["input_ids"], batch["labels"]


def accumulate(model: Any, micro_batches: list[dict[str, Tensor]]) -> float:
    """As in `train_step`."""
    response_tokens = sum(count_targets(batch["labels"]) for batch in micro_batches)
    batch_loss = 0.0
    for batch in micro_batches:
        loss = response_loss(model, batch["input_ids"], batch["labels"]) / response_tokens
        loss.backward()
        batch_loss += loss.item()
    return batch_loss


def attend(attn: Any, x: Tensor, cache: Any, visible: Tensor | None) -> Tensor:
    """`decode_gpt2` of a model of which only the attention does anything."""
    same = nn.Identity()
    mlp = SimpleNamespace(c_fc=same, act=same, c_proj=torch.zeros_like)
    block = SimpleNamespace(ln_1=same, attn=attn, ln_2=same, mlp=mlp)
    transformer = SimpleNamespace(wte=lambda token: x, wpe=torch.zeros_like, h=[block], ln_f=same)
    model: Any = SimpleNamespace(transformer=transformer, lm_head=same)
    layers: Any = SimpleNamespace(layers=[cache])
    return decode_gpt2(model, x, x, visible, layers) - x  # without the residual


SOLUTIONS = {
    "ex01_labels": make_batch,
    "ex02_forward": LoRALinear.forward,
    "ex03_inject": inject_lora,
    "ex04_merge": merge_lora,
    "ex05_loss": accumulate,
    "ex06_step": train_step,
    "ex07_nf4": nf4.quantize,
    "ex08_attention": attend,
    "ex09_top_p": lambda logits, top_p: keep_likeliest(logits, 0, top_p),
    "ex10_tokenizer": KoreanTokenizer().tokenize,
}
