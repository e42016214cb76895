"""Swap linear layers for bitsandbytes layers: first the modules, then their weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bitsandbytes as bnb
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from lora.inject import replace_module
from lora.layer import is_linear


@dataclass(frozen=True)
class FourBit:
    """NormalFloat4: one scale per block of 64 weights. `quant/nf4.py` shows the arithmetic.

    QLoRA, Dettmers et al. 2023, section 3, https://arxiv.org/abs/2305.14314
    """

    double_quant: bool = False  # quantise the scales as well
    compute_dtype: torch.dtype = torch.float16  # weights are dequantised to it for each matmul

    def wrap(self, weight: Tensor, bias: bool) -> nn.Linear:
        """A layer with `weight`, (out, in), which is quantised when it moves to a device."""
        outputs, inputs = weight.shape
        options: dict[str, Any] = {"compress_statistics": self.double_quant, "quant_type": "nf4"}
        layer = bnb.nn.Linear4bit(
            inputs, outputs, bias, self.compute_dtype, device="meta", **options
        )
        layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, module=layer, **options)
        return layer

    def restore(self, layer: Any, weight: Tensor, scales: dict[str, Tensor]) -> None:
        """Give `layer` a quantised weight and its scales, which a file has by these names.

        `Linear4bit.load_state_dict` cannot read what its `state_dict` returns (bitsandbytes #1946).
        """
        layer.weight = bnb.nn.Params4bit.from_prequantized(
            weight, quantized_stats=scales, device=weight.device, module=layer
        )

    def dequantize(self, weight: Any) -> Tensor:
        """The values that a quantised weight stands for, (out, in) in fp32."""
        return bnb.functional.dequantize_4bit(weight.data, weight.quant_state).float()

    def settings(self) -> dict[str, Any]:
        """The arguments of transformers' `BitsAndBytesConfig`."""
        return {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": self.compute_dtype,
            "bnb_4bit_use_double_quant": self.double_quant,
        }


@dataclass(frozen=True)
class EightBit:
    """int8 with one scale per output feature; the methods are those of `FourBit`.

    LLM.int8(), Dettmers et al. 2022, section 2.1, https://arxiv.org/abs/2208.07339
    """

    def wrap(self, weight: Tensor, bias: bool) -> nn.Linear:
        outputs, inputs = weight.shape
        layer = bnb.nn.Linear8bitLt(inputs, outputs, bias, has_fp16_weights=False, device="meta")
        layer.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
        return layer

    def restore(self, layer: Any, weight: Tensor, scales: dict[str, Tensor]) -> None:
        layer.weight = bnb.nn.Int8Params(weight, requires_grad=False, CB=weight, SCB=scales["SCB"])

    def dequantize(self, weight: Any) -> Tensor:
        return weight.data.float() * (weight.SCB / 127)[:, None]

    def settings(self) -> dict[str, Any]:
        return {"load_in_8bit": True, "llm_int8_threshold": 0.0}


def swap_modules(model: PreTrainedModel, scheme: FourBit | EightBit) -> dict[str, Tensor]:
    """Replace each linear layer by a bitsandbytes layer with the same, still unquantised weight.

    The output head stays: it shares its weight with the token embedding. Returns the weights, each
    (out, in), by the names of their layers.
    """
    weights = {}
    for name, layer in layers_to_quantize(model).items():
        # GPT-2's Conv1D stores (in, out).
        weight = layer.weight.data.T if isinstance(layer, Conv1D) else layer.weight.data
        swapped: Any = scheme.wrap(weight.contiguous(), bias=layer.bias is not None)
        swapped.bias, swapped.was_conv1d = layer.bias, isinstance(layer, Conv1D)
        replace_module(model, name, swapped)
        weights[name] = weight
    return weights


def layers_to_quantize(model: PreTrainedModel) -> dict[str, nn.Linear | Conv1D]:
    """Every linear layer by its name, but for the output head."""
    head = model.get_output_embeddings()
    return {name: m for name, m in model.named_modules() if is_linear(m) and m is not head}


def quantize_weights(model: nn.Module, names: Iterable[str], device: torch.device) -> None:
    """Quantise the swapped layers, which bitsandbytes does when they move to a device.

    Save the model before its first forward pass: on a CPU with AVX512-BF16 that pass repacks the
    weights and rounds their scales to bf16, in place.
    """
    for name in names:
        model.get_submodule(name).to(device)
