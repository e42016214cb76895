"""Open a model of any kind: quantised, merged, adapter or plain base."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from common.console import UserError, first_line
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_bits_of, base_of, load_adapter
from model.base import load_base, with_padding
from model.device import place

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
    elif (folder / "config.json").is_file():
        try:
            return _open_folder(folder, device, dtype)
        except Exception as error:  # a damaged folder makes transformers fail in many ways
            raise UserError(
                f"{folder}: 모델을 열 수 없습니다 ({first_line(error)}). "
                "make quantize로 다시 만들거나 --model로 다른 폴더를 고르세요."
            ) from error
    else:
        base = load_base(name, dtype)
    return place(base.model, device).eval(), base.tokenizer


def _open_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> Opened:
    """Open the folder of a whole model, merged or quantised."""
    tokenizer = with_padding(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if hasattr(config, "quantization_config"):
        # Imported here because it imports bitsandbytes, which takes a second.
        from quant.store import load_quantized

        return load_quantized(folder, without_mps(device)), tokenizer
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    return place(model, device).eval(), tokenizer


def without_mps(device: torch.device) -> torch.device:
    """The CPU instead of Apple's GPU, on which bitsandbytes has not been tried."""
    return torch.device("cpu") if device.type == "mps" else device
