"""Real bitsandbytes layers."""

import bitsandbytes as bnb
import pytest
import torch

from quant.swap import EightBit, FourBit, swap_modules
from tests.conftest import make_model
from tests.quant.conftest import SCHEMES, quantized


def test_every_block_layer_is_swapped_and_the_head_is_not(scheme: FourBit | EightBit) -> None:
    model, names, _ = quantized(scheme)
    kind = bnb.nn.Linear4bit if isinstance(scheme, FourBit) else bnb.nn.Linear8bitLt
    assert len(names) == 2 * 4 and all(isinstance(model.get_submodule(n), kind) for n in names)
    assert type(model.lm_head) is torch.nn.Linear
    assert model.lm_head.weight is model.transformer.wte.weight


def test_on_the_meta_device_the_swap_takes_no_memory(scheme: FourBit | EightBit) -> None:
    with torch.device("meta"):
        model = make_model()
    weights = swap_modules(model, scheme)
    assert weights["transformer.h.0.mlp.c_fc"].shape == (256, 64)  # (out, in)
    assert all(parameter.is_meta for parameter in model.parameters())


def test_error_per_layer(scheme: FourBit | EightBit) -> None:
    _, names, errors = quantized(scheme)
    assert list(errors) == names
    # Normal weights in NF4 lose about 9% (QLoRA); int8 per row about max|w| / (127 * sqrt(12)).
    low, high = (0.07, 0.12) if isinstance(scheme, FourBit) else (0.003, 0.012)
    assert all(low < error < high for error in errors.values()), errors


def test_saving_after_a_forward_pass_would_lose_scales() -> None:
    """Why the order is quantise, save, run: bitsandbytes rounds the scales when it first runs."""
    model, names, _ = quantized(SCHEMES["nf4"])
    layer = model.float().eval().get_submodule(names[0])
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, so bitsandbytes does not repack")
    before = layer.state_dict()["weight.absmax"].clone()
    with torch.inference_mode():
        layer(torch.randn(2, 128))
    assert not torch.equal(layer.state_dict()["weight.absmax"], before)
