"""transformers' own forward is the independent truth."""

import contextlib
from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import GPT2LMHeadModel

from infer.generate import decode, prefill
from infer.summarize import pad_left
from lora.inject import LoraConfig, inject_lora, lora_layers
from quant.swap import EightBit, FourBit, quantize_weights, swap_modules
from tests.conftest import make_model

PROMPTS = [[5, 9, 200], [7] * 30, [int(t) for t in range(1, 18)], [300]]
CPU = torch.device("cpu")


def with_lora() -> GPT2LMHeadModel:
    model = make_model()
    inject_lora(model, LoraConfig(targets=("attn.c_attn", "attn.c_proj", "mlp.c_fc")))
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B)
    return model


def quantized(bits: int) -> GPT2LMHeadModel:
    model = make_model()
    scheme = FourBit(compute_dtype=torch.float32) if bits == 4 else EightBit()
    names = swap_modules(model, scheme)
    quantize_weights(model, names, CPU)
    return model


def scaled_by_layer() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(type(make_model().config)(
        vocab_size=384, n_positions=256, n_embd=64, n_layer=3, n_head=4,
        scale_attn_by_inverse_layer_idx=True,
    )).eval()  # fmt: skip


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [
        (make_model, 1e-4),
        (with_lora, 1e-4),
        (scaled_by_layer, 1e-4),
        (lambda: quantized(4), 1e-3),
        (lambda: quantized(8), 3e-2),  # 8-bit rounds its activations: a last digit may tip over
        (lambda: make_model().bfloat16(), 5e-2),
    ],
    ids=["plain", "lora", "scaled by layer", "4-bit", "8-bit", "bf16"],
)
@pytest.mark.parametrize("autocast", [False, True])
@torch.inference_mode()
def test_a_step_written_out_is_the_models_own(
    make: Callable[[], GPT2LMHeadModel], tolerance: float, autocast: bool
) -> None:
    model = make()
    ids, mask = pad_left(PROMPTS, 0)
    visible = torch.cat([mask, mask.new_ones(len(ids), 6)], dim=1)
    text = ids
    context = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
    with context:
        _, decoded = prefill(model, ids, mask, max_new_tokens=6)
        for step in range(6):
            token = torch.tensor([3, 50, 7, 200]) + step
            text = torch.cat([text, token[:, None]], dim=1)
            logits = decode(model, token, decoded)
            whole = visible[:, : text.shape[1]]
            expected = model(
                text, attention_mask=whole, position_ids=(whole.cumsum(1) - 1).clamp(min=0)
            ).logits[:, -1]
            scale = float(expected.abs().max())
            apart = float((logits - expected.float()).abs().max())
            assert apart <= (5e-2 if autocast else tolerance) * scale
