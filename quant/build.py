"""Merge an adapter into its base and write the result; quantise that and write it as well."""

import json
from pathlib import Path

import torch
from torch import Tensor

from common.console import UserError
from common.files import atomic_directory
from lora.adapter import base_bits_of, load_adapter
from lora.merge import merge_lora
from model.base import Base
from quant.frozen import round_base
from quant.store import save_quantized
from quant.swap import EightBit, FourBit, quantize_weights, swap_modules

CPU = torch.device("cpu")


def merge(base: Base, adapter: Path, directory: Path, device: torch.device = CPU) -> None:
    """Merge the adapter into the base in fp32, in place, and write the sum in fp16.

    If the base was quantised in training, it is quantised again, on `device`, and the adapter is
    merged into what its weights then stand for.
    """
    if bits := base_bits_of(adapter):
        round_base(base.model, bits, device)
    add_adapter(base, adapter)
    with atomic_directory(directory) as draft:
        base.model.save_pretrained(draft)
        base.tokenizer.save_pretrained(draft)


def add_adapter(base: Base, adapter: Path) -> None:
    """Add the adapter to the weights of a plain base in fp32, in place, and round them to fp16."""
    load_adapter(base.model, adapter)
    merge_lora(base.model)
    base.model.half()
    for name, parameter in base.model.named_parameters():
        if not parameter.isfinite().all():
            raise UserError(
                f"{adapter}: 병합한 {name}이(가) fp16의 범위를 넘습니다. "
                "--learning-rate를 낮춰 다시 학습하세요."
            )


def quantize(
    base: Base, scheme: FourBit | EightBit, device: torch.device, directory: Path
) -> dict[str, float]:
    """Quantise the merged model, in place, and write it; return the relative error per layer."""
    originals = swap_modules(base.model, scheme)
    quantize_weights(base.model, originals, device)
    errors = {}
    for name, original in originals.items():
        quantized = scheme.dequantize(base.model.get_submodule(name).weight)
        errors[name] = relative_error(quantized, original.to(quantized))
    with atomic_directory(directory) as draft:
        save_quantized(base.model, originals, scheme, draft)
        base.tokenizer.save_pretrained(draft)
        (draft / "relative_errors.json").write_text(json.dumps(errors, indent=2) + "\n")
    return errors


def relative_error(quantized: Tensor, original: Tensor) -> float:
    """`||W_quantised - W|| / ||W||`, by the Frobenius norm."""
    return ((quantized - original).norm() / original.norm()).item()


def size_in_mb(directory: Path) -> float:
    """Size of a folder's weights in megabytes (10^6 bytes)."""
    return sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 1e6
