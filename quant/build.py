"""What the command does: fold an adapter into its base, quantise the sum, write both."""

import json
from pathlib import Path

import torch

from common.console import UserError
from common.files import atomic_directory
from lora.adapter import load_adapter
from lora.merge import merge_lora
from model.base import Base
from quant.store import save_quantized
from quant.swap import (
    QuantConfig,
    linear_weights,
    quantize_weights,
    relative_errors,
    swap_modules,
)


def merge(base: Base, adapter: Path, directory: Path) -> None:
    """Fold the adapter into the base in fp32, in place, and write the sum in fp16.

    Raises:
        UserError: a weight does not fit into fp16.
    """
    load_adapter(base.model, adapter)
    merge_lora(base.model)
    base.model.half()
    for name, parameter in base.model.named_parameters():
        if not parameter.isfinite().all():
            raise UserError(
                f"{adapter}: 병합한 {name}이(가) fp16의 범위를 넘습니다. "
                "--learning-rate를 낮춰 다시 학습하세요."
            )
    with atomic_directory(directory) as draft:
        base.model.save_pretrained(draft)
        base.tokenizer.save_pretrained(draft)


def quantize(
    base: Base, config: QuantConfig, device: torch.device, directory: Path
) -> dict[str, float]:
    """Swap and quantise the merged model, in place, and write it; the relative error per layer."""
    originals = linear_weights(base.model)
    names = swap_modules(base.model, config)
    quantize_weights(base.model, names, device)
    errors = relative_errors(base.model, originals)
    with atomic_directory(directory) as draft:
        save_quantized(base.model, names, config, draft)
        base.tokenizer.save_pretrained(draft)
        text = json.dumps(errors, indent=2)
        (draft / "relative_errors.json").write_text(text + "\n")
    return errors


def size_in_mb(directory: Path) -> float:
    """Size of a folder's weights in megabytes (10^6 bytes)."""
    return sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 1e6
