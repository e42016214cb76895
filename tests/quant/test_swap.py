"""Real bitsandbytes layers."""

import bitsandbytes as bnb
import pytest
import torch

from quant.swap import (
    QuantConfig,
)
from tests.quant.conftest import CONFIGS, quantized


def test_every_block_layer_is_swapped_and_the_head_is_not(config: QuantConfig) -> None:
    model, names, _ = quantized(config)
    kind = bnb.nn.Linear4bit if config.bits == 4 else bnb.nn.Linear8bitLt
    assert len(names) == 2 * 4 and all(isinstance(model.get_submodule(n), kind) for n in names)
    assert type(model.lm_head) is torch.nn.Linear
    assert model.lm_head.weight is model.transformer.wte.weight


def test_error_per_layer(config: QuantConfig) -> None:
    _, names, errors = quantized(config)
    assert list(errors) == names
    # Normal weights in NF4 lose about 9% (QLoRA); int8 per row about max|w| / (127 * sqrt(12)).
    low, high = (0.07, 0.12) if config.bits == 4 else (0.003, 0.012)
    assert all(low < error < high for error in errors.values()), errors


def test_saving_after_a_forward_pass_would_lose_scales() -> None:
    """Why the order is quantise, save, run: bitsandbytes rounds the scales when it first runs."""
    model, names, _ = quantized(CONFIGS["nf4"])
    layer = model.float().eval().get_submodule(names[0])
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, so bitsandbytes does not repack")
    before = layer.state_dict()["weight.absmax"].clone()
    with torch.inference_mode():
        layer(torch.randn(2, 128))
    assert not torch.equal(layer.state_dict()["weight.absmax"], before)
