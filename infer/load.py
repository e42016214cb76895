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

from console import UserError, first_line
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of, load_adapter, newest_adapter
from lora.base import load_base, with_padding
from lora.files import newest, put_right

# In order of preference: what `quant` leaves under checkpoints/.
KINDS = ("*-bnb-?bit/config.json", "*-merged/config.json")


def find_model(checkpoints: Path) -> Path:
    """The newest quantised model, else the newest merged one, else the newest best adapter.

    Raises:
        UserError: there is none.
    """
    put_right(checkpoints)
    for pattern in KINDS:
        found = list(checkpoints.glob(pattern))
        if found:
            return newest(found).parent
    if adapter := newest_adapter(checkpoints):
        return adapter
    raise UserError(
        f"{checkpoints}: 쓸 모델이 없습니다. 먼저 make train, 그다음 make quantize를 실행하세요 "
        "(python -m training, python -m quant)."
    )


def newer_adapter(model: Path, checkpoints: Path) -> Path | None:
    """An adapter that was trained after `model` was made, if there is one: quantise it first?"""
    adapter = newest_adapter(checkpoints)
    files = [model / "config.json", *([adapter / ADAPTER_CONFIG] if adapter else [])]
    return adapter if newest(files) != files[0] else None


def load_model(name: str, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Open a folder that a run wrote, or a base by its name: a model in eval mode, its tokenizer.

    Half precision on CUDA, fp32 elsewhere.

    Raises:
        UserError: neither a model's folder nor a base that can be had.
    """
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    folder = Path(name)
    if (folder / ADAPTER_CONFIG).is_file():
        base = load_base(base_of(folder), dtype)
        load_adapter(base.model, folder)
        return base.model.to(device).eval(), base.tokenizer  # type: ignore[arg-type]
    if not (folder / "config.json").is_file():
        base = load_base(name, dtype)
        return base.model.to(device), base.tokenizer  # type: ignore[arg-type]
    try:
        tokenizer = with_padding(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
        if hasattr(
            AutoConfig.from_pretrained(folder, trust_remote_code=False), "quantization_config"
        ):
            # bitsandbytes takes a second to import: only those who need it pay.
            from quant.store import load_quantized

            if device.type == "mps":  # bitsandbytes on Apple's GPU is untried here
                device = torch.device("cpu")

            return load_quantized(folder, device), tokenizer
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"{name}: 모델을 열 수 없습니다 ({first_line(error)}). "
            "make quantize로 다시 만들거나 --model로 다른 폴더를 고르세요."
        ) from error
    return model.to(device).eval(), tokenizer  # type: ignore[arg-type]
