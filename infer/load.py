"""Find the model to ask, and open it whatever its kind: 4/8-bit, merged, adapter or plain base."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from console import UserError
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import load_adapter, read_adapter_config
from lora.base import load_base

# In order of preference: what a run of train and quantize leaves under checkpoints/.
KINDS = ("*-bnb-4bit/config.json", "*-merged/config.json", f"*-lora/best/{ADAPTER_CONFIG}")


def find_model(checkpoints: Path) -> Path:
    """The newest 4-bit model, else the newest merged one, else the newest best adapter.

    Raises:
        UserError: there is none.
    """
    for pattern in KINDS:
        found = list(checkpoints.glob(pattern))
        if found:
            return max(found, key=lambda path: path.stat().st_mtime).parent
    raise UserError(
        f"{checkpoints}: 쓸 모델이 없습니다. 먼저 make train, 그다음 make quantize를 실행하세요 "
        "(python -m training, python -m quant)."
    )


def load_model(name: Path, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Open a folder that a run wrote, or a base by its name: a model in eval mode, its tokenizer.

    Half precision on CUDA, fp32 elsewhere.

    Raises:
        UserError: neither a model's folder nor a base that can be had.
    """
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    if (name / ADAPTER_CONFIG).is_file():
        base = load_base(read_adapter_config(name).base, dtype)
        load_adapter(base.model, name)
        return base.model.to(device).eval(), base.tokenizer  # type: ignore[arg-type]
    if not (name / "config.json").is_file():
        base = load_base(str(name), dtype)
        return base.model.to(device), base.tokenizer  # type: ignore[arg-type]
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        if hasattr(AutoConfig.from_pretrained(name), "quantization_config"):
            # bitsandbytes takes a second to import: only those who need it pay.
            from quant.store import load_quantized

            if device.type == "mps":  # bitsandbytes has no kernels for Apple's GPU
                device = torch.device("cpu")

            return load_quantized(name, device), tokenizer
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{name}: 모델을 열 수 없습니다 ({str(error).splitlines()[0]}). "
            "make quantize로 다시 만들거나 --model로 다른 폴더를 고르세요."
        ) from error
    return model.to(device).eval(), tokenizer  # type: ignore[arg-type]
