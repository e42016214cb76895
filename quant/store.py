"""A quantised model on disk, in the layout that transformers opens."""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from model.base import attention_of
from quant.swap import EightBit, FourBit, swap_modules

WEIGHTS = "model.safetensors"


def default_compute_dtype(device: torch.device) -> torch.dtype:
    """fp16 on CUDA, where every card supports it (a T4 has no bf16), and fp32 elsewhere."""
    return torch.float16 if device.type == "cuda" else torch.float32


def save_quantized(
    model: PreTrainedModel, names: Iterable[str], scheme: FourBit | EightBit, directory: Path
) -> None:
    """Write a model whose layers `names` are quantised and have not run yet.

    The other weights are written in fp16, and the embedding that the output head shares once.
    """
    prefixes = tuple(f"{name}." for name in names)
    weights = {}
    for key, value in model.state_dict().items():
        # The scales of a quantised layer are fp32 and stay so.
        quantized = key.startswith(prefixes) and not key.endswith(".bias")
        convert = value.is_floating_point() and not quantized
        weights[key] = (value.half() if convert else value).contiguous()
    for tied in model.all_tied_weights_keys:
        weights.pop(tied, None)
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    description = BitsAndBytesConfig(llm_int8_skip_modules=["lm_head"], **scheme.settings())
    model.config.dtype = torch.float16
    settings = model.config.to_dict() | {"quantization_config": description.to_dict()}
    type(model.config).from_dict(settings).save_pretrained(directory)


def load_quantized(
    directory: Path, device: torch.device, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """Open what `save_quantized` wrote, without accelerate, in eval mode.

    `dtype` is the dtype of activations and of the weights that are not quantised. Its default
    depends on the device, not on the file.
    """
    dtype = dtype or default_compute_dtype(device)
    config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    four_bit = config.quantization_config["load_in_4bit"]
    del config.quantization_config  # or from_config would quantise as well
    with torch.device("meta"):  # shapes without memory
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation=attention_of(config)
        )
    scheme = FourBit(compute_dtype=dtype) if four_bit else EightBit()
    tensors = load_file(directory / WEIGHTS, device=str(device))
    for name in swap_modules(model, scheme):
        keys = [key for key in tensors if key.startswith(f"{name}.") and key != f"{name}.bias"]
        stored = {key.removeprefix(f"{name}."): tensors.pop(key) for key in keys}
        scheme.restore(model.get_submodule(name), stored.pop("weight"), stored)
    rest = {key: value.to(dtype) for key, value in tensors.items()}
    unexpected = model.load_state_dict(rest, strict=False, assign=True).unexpected_keys
    model.tie_weights()
    missing = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if missing or unexpected:
        raise ValueError(f"weights do not fit: {[*missing, *unexpected][0]}")
    for module in model.modules():  # no file holds the tables of rotary embeddings
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            # Gemma's embedding has such a buffer beside its weight, which has to stay.
            weights = {p: p.data for p in module.parameters(recurse=False)}
            model._init_weights(module.to_empty(device=device, recurse=False))
            for parameter, data in weights.items():
                parameter.data = data
    return model.to(device).eval()
