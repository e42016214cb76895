"""Swap linear layers for bitsandbytes' 4-bit or 8-bit ones: first the modules, then the weights.

4-bit is NormalFloat4 in blocks of 64 weights with one scale each (QLoRA, section 3,
https://arxiv.org/abs/2305.14314); 8-bit is int8 with one scale an output feature (LLM.int8(),
https://arxiv.org/abs/2208.07339).
"""

from dataclasses import dataclass
from typing import Any

import bitsandbytes as bnb
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from lora.inject import replace_module
from lora.layer import linear_shape


@dataclass(frozen=True)
class QuantConfig:
    """What the swapped layers are."""

    bits: int = 4  # 4 or 8
    double_quant: bool = False  # 4-bit only: quantise the scales, too (QLoRA, section 3)
    compute_dtype: torch.dtype = torch.float16  # 4-bit only: what the weights become to multiply


def default_compute_dtype(device: torch.device) -> torch.dtype:
    """fp16 on CUDA (every card has it, a T4 has no bf16), fp32 elsewhere."""
    return torch.float16 if device.type == "cuda" else torch.float32


def linear_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights to be quantised, each (out, in), by the name of their Conv1D or Linear.

    Not the output head: it shares its weight with the token embedding.
    """
    return {
        name: (module.weight.data.T if isinstance(module, Conv1D) else module.weight.data)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not model.get_output_embeddings()
    }


def swap_modules(model: PreTrainedModel, config: QuantConfig) -> list[str]:
    """Put an *unquantised* bitsandbytes layer with the same weight in place of each linear layer.

    Returns the names of the swapped layers.
    """
    weights = linear_weights(model)
    for name, weight in weights.items():
        layer: Any = model.get_submodule(name)
        swapped = empty_layer(layer, config)
        swapped.weight = wrap_weight(weight.contiguous(), swapped, config)
        if layer.bias is not None:
            swapped.bias = layer.bias
        replace_module(model, name, swapped)
    return list(weights)


def quantize_weights(model: nn.Module, names: list[str], device: torch.device) -> None:
    """Quantise the swapped layers by moving them to `device`: that is how bitsandbytes does it.

    Save the model before its first forward pass: on a CPU with AVX512-BF16 that pass repacks the
    weights and rounds their scales to bf16, in place.
    """
    for name in names:
        model.get_submodule(name).to(device)


def empty_layer(layer: Any, config: QuantConfig) -> nn.Linear:
    """A bitsandbytes layer of the same shape, its parameters still without storage."""
    in_features, out_features = linear_shape(layer)
    bias = layer.bias is not None
    if config.bits == 8:
        return bnb.nn.Linear8bitLt(
            in_features, out_features, bias, has_fp16_weights=False, device="meta"
        )
    return bnb.nn.Linear4bit(
        in_features,
        out_features,
        bias,
        compute_dtype=config.compute_dtype,
        compress_statistics=config.double_quant,
        quant_type="nf4",
        device="meta",
    )


def wrap_weight(weight: Tensor, layer: Any, config: QuantConfig) -> nn.Parameter:
    """The parameter class that quantises `weight`, (out, in), when it is moved to a device."""
    if config.bits == 8:
        return bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    return bnb.nn.Params4bit(
        weight,
        requires_grad=False,
        compress_statistics=config.double_quant,
        quant_type="nf4",
        module=layer,
    )


@torch.no_grad()
def dequantized_weight(layer: Any) -> Tensor:
    """What a quantised layer that has not run yet multiplies by, (out, in) in fp32."""
    weight = layer.weight
    if isinstance(layer, bnb.nn.Linear8bitLt):
        return weight.data.float() * (weight.SCB / 127)[:, None]
    return bnb.functional.dequantize_4bit(weight.data, weight.quant_state).float()


def relative_errors(model: nn.Module, originals: dict[str, Tensor]) -> dict[str, float]:
    """`||W_quantised - W|| / ||W||` (Frobenius) of each layer; `originals` are (out, in)."""
    errors = {}
    for name, original in originals.items():
        quantized = dequantized_weight(model.get_submodule(name))
        original = original.to(quantized)
        errors[name] = ((quantized - original).norm() / original.norm()).item()
    return errors
