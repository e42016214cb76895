"""Layers of every kind that the tests of this folder quantise."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from quant.build import relative_error
from quant.swap import EightBit, FourBit, quantize_weights, swap_modules
from tests.conftest import make_model

CPU = torch.device("cpu")
SCHEMES: dict[str, FourBit | EightBit] = {
    "nf4": FourBit(False, torch.float32),
    "nf4-double": FourBit(True, torch.float32),
    "int8": EightBit(),
}


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> FourBit | EightBit:
    return SCHEMES[request.param]


def quantized(
    scheme: FourBit | EightBit,
) -> tuple[GPT2LMHeadModel, list[str], dict[str, float]]:
    model = make_model(n_embd=128).half()
    originals = {name: weight.clone() for name, weight in swap_modules(model, scheme).items()}
    quantize_weights(model, originals, CPU)
    errors = {}
    for name, original in originals.items():
        stored = scheme.dequantize(model.get_submodule(name).weight)
        errors[name] = relative_error(stored, original.float())
    return model, list(originals), errors
