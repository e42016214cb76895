"""A quantised model on disk, in the layout that transformers itself opens."""

from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from quant.swap import QuantConfig, default_compute_dtype, swap_modules

WEIGHTS = "model.safetensors"


def save_quantized(
    model: PreTrainedModel, names: list[str], config: QuantConfig, directory: Path
) -> None:
    """Write a model whose layers `names` are quantised and have not run yet.

    What is not quantised goes in half precision, and the embedding that the output head shares
    goes once.
    """
    weights = {}
    for key, value in model.state_dict().items():
        inside = any(key.startswith(f"{name}.") for name in names)
        # A quantised layer's scales and tables are fp32 and must stay; its bias need not.
        keep = (inside and not key.endswith(".bias")) or not value.is_floating_point()
        weights[key] = value.contiguous() if keep else value.half()
    for tied in model.all_tied_weights_keys:
        weights.pop(tied, None)
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    description = BitsAndBytesConfig(
        load_in_4bit=config.bits == 4,
        load_in_8bit=config.bits == 8,
        llm_int8_threshold=0.0,
        llm_int8_skip_modules=["lm_head"],
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=config.compute_dtype,
        bnb_4bit_use_double_quant=config.double_quant,
    )
    model.config.dtype = torch.float16
    settings = model.config.to_dict() | {"quantization_config": description.to_dict()}
    type(model.config).from_dict(settings).save_pretrained(directory)


def load_quantized(
    directory: Path, device: torch.device, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """Open what `save_quantized` wrote, without accelerate, in eval mode.

    `dtype` is that of what is not quantised, and of the activations; the default is what the
    device is fast in.
    """
    model_config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    settings = model_config.quantization_config
    del model_config.quantization_config
    dtype = dtype or default_compute_dtype(device)
    config = QuantConfig(
        bits=4 if settings["load_in_4bit"] else 8,
        double_quant=settings["bnb_4bit_use_double_quant"],
        # What the weights become to multiply is the device's affair, not the file's.
        compute_dtype=dtype,
    )
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(model_config, dtype=dtype)
    names = swap_modules(model, config)
    weights = load_file(directory / WEIGHTS, device=str(device))
    for name in names:
        take = {
            key.removeprefix(f"{name}."): weights.pop(key)
            for key in list(weights)
            if key.startswith(f"{name}.")
        }
        fill_layer(model.get_submodule(name), take, dtype)
    rest = {key: value.to(dtype) for key, value in weights.items()}
    result = model.load_state_dict(rest, strict=False, assign=True)
    filled = tuple(f"{name}." for name in names)
    missing = [key for key in result.missing_keys if not key.startswith(filled)]
    if result.unexpected_keys or set(missing) - set(model.all_tied_weights_keys):
        raise ValueError(f"weights do not fit: {[*missing, *result.unexpected_keys][0]}")
    model.tie_weights()
    return model.to(device).eval()


def fill_layer(layer: Any, tensors: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Give a swapped layer the tensors of its file: `weight`, `bias`, and the scales.

    `Linear4bit.load_state_dict` does not take back what `state_dict` gave (bitsandbytes #1946), so
    the parameters are built from their parts.
    """
    weight = tensors.pop("weight")
    if "bias" in tensors:
        layer.bias = nn.Parameter(tensors.pop("bias").to(dtype), requires_grad=False)
    if isinstance(layer, bnb.nn.Linear8bitLt):
        scales = tensors["SCB"]
        layer.weight = bnb.nn.Int8Params(weight, requires_grad=False, CB=weight, SCB=scales)
        return
    stats = {f"weight.{key.removeprefix('weight.')}": value for key, value in tensors.items()}
    layer.weight = bnb.nn.Params4bit.from_prequantized(
        weight, quantized_stats=stats, device=weight.device, module=layer
    )
