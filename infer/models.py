"""Open a model of any kind: quantised, merged, adapter or plain base."""

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from common.console import UserError, first_line
from common.files import read_json
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_bits_of, base_of, load_adapter
from model.base import load_base
from model.device import place
from model.tokenizer import load_tokenizer

Opened = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def load_model(name: str, device: torch.device) -> Opened:
    """Open a folder that a run wrote, or a base by its name: a model in eval mode, its tokenizer.

    Weights that are not quantised are fp16 on CUDA and fp32 elsewhere.

    Raises:
        UserError: the folder is damaged, or there is no base of that name.
    """
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    folder = Path(name)
    if (folder / ADAPTER_CONFIG).is_file():
        bits = base_bits_of(folder)
        base = load_base(base_of(folder), "auto" if bits else dtype)
        if bits:  # the base that the adapter was trained on
            # Imported here because it imports bitsandbytes, which takes a second.
            from quant.frozen import quantize_base

            device = without_mps(device)
            quantize_base(base.model, bits, device, dtype)
        load_adapter(base.model, folder)
    elif is_quantized(folder):
        return _open_quantized(folder, device)
    else:  # a merged model is opened as a base is
        base = load_base(name, dtype)
    return place(base.model, device).eval(), base.tokenizer


def is_quantized(folder: Path) -> bool:
    """Whether the folder holds a model that bitsandbytes layers have to compute."""
    config = folder / "config.json"
    return config.is_file() and "quantization_config" in read_json(config)


def _open_quantized(folder: Path, device: torch.device) -> Opened:
    # Imported here because it imports bitsandbytes, which takes a second.
    from quant.store import load_quantized

    try:
        return load_quantized(folder, without_mps(device)), load_tokenizer(folder)
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"{folder}: 모델을 열 수 없습니다 ({first_line(error)}). "
            "make quantize로 다시 만들거나 --model로 다른 폴더를 고르세요."
        ) from error


def without_mps(device: torch.device) -> torch.device:
    """The CPU instead of Apple's GPU, on which bitsandbytes has not been tried."""
    return torch.device("cpu") if device.type == "mps" else device
