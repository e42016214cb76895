"""Layers of every kind that the tests of this folder quantise."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from quant.swap import (
    QuantConfig,
    linear_weights,
    quantize_weights,
    relative_errors,
    swap_modules,
)
from tests.conftest import make_model

CPU = torch.device("cpu")
CONFIGS = {
    "nf4": QuantConfig(4, False, torch.float32),
    "nf4-double": QuantConfig(4, True, torch.float32),
    "int8": QuantConfig(8, False, torch.float32),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> QuantConfig:
    return CONFIGS[request.param]


def quantized(config: QuantConfig) -> tuple[GPT2LMHeadModel, list[str], dict[str, float]]:
    model = make_model(n_embd=128).half()
    originals = {name: weight.clone() for name, weight in linear_weights(model).items()}
    names = swap_modules(model, config)
    quantize_weights(model, names, CPU)
    return model, names, relative_errors(model, originals)
