"""Open a model of any kind: quantised, merged, adapter or plain base. `Models` keeps them open."""

from collections.abc import Callable
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
from infer.find import COMMANDS, KINDS, default_kind, find_models, stale_notices
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of, load_adapter
from model.base import load_base, with_padding
from model.device import place

# Bytes of weights that stay open. Beyond them, the model that was used longest ago is closed.
OPEN_BYTES = 4 * 10**9

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
        base = load_base(base_of(folder), dtype)
        load_adapter(base.model, folder)
    elif (folder / "config.json").is_file():
        return open_folder(folder, device, dtype)
    else:
        base = load_base(name, dtype)
    return place(base.model, device).eval(), base.tokenizer


def open_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> Opened:
    """Open the folder of a whole model, merged or quantised, in eval mode.

    Raises:
        UserError: the folder is damaged.
    """
    try:
        tokenizer = with_padding(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if hasattr(config, "quantization_config"):
            # Imported here because it imports bitsandbytes, which takes a second.
            from quant.store import load_quantized

            # bitsandbytes has not been tried on Apple's GPU.
            device = torch.device("cpu") if device.type == "mps" else device
            return load_quantized(folder, device), tokenizer
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"{folder}: 모델을 열 수 없습니다 ({first_line(error)}). "
            "make quantize로 다시 만들거나 --model로 다른 폴더를 고르세요."
        ) from error
    return place(model, device).eval(), tokenizer


class Models:
    """The models under `checkpoints`, opened when they are first asked for.

    Not thread-safe: use it from one thread only.
    """

    def __init__(
        self, checkpoints: Path, device: torch.device, notice: Callable[[str], None] = print
    ) -> None:
        """`notice` is called with a line for each model that is older than the newest adapter.

        Raises:
            UserError: there is no model at all.
        """
        self.checkpoints = checkpoints
        self.device = device
        self.found = find_models(checkpoints)
        self.default = default_kind(self.found)
        self.opened: dict[str, Opened] = {}  # the most recently used one is last
        for text in stale_notices(self.found).values():
            notice(text)

    def check(self, kind: str) -> None:
        """Check that there is a model of this kind.

        Raises:
            UserError: there is no such kind, or no such model yet.
        """
        if kind not in KINDS:
            raise UserError(f"{kind}: 모르는 모델입니다. {', '.join(self.found)} 중에서 고르세요.")
        if kind not in self.found:
            raise UserError(
                f"{kind}: {self.checkpoints}에 없습니다. {COMMANDS[kind]}로 만든 뒤 다시 여세요."
            )

    def open(self, kind: str) -> Opened:
        """The model of this kind and its tokenizer.

        Raises:
            UserError: there is no such model, or it cannot be opened.
        """
        self.check(kind)
        # `load_model` would take a folder that is gone for the name of a base.
        if kind != "base" and not Path(self.found[kind]).is_dir():
            raise UserError(f"{self.found[kind]}: 없어졌습니다. {COMMANDS[kind]}로 다시 만드세요.")
        opened = self.opened.pop(kind, None) or load_model(self.found[kind], self.device)
        self.opened[kind] = opened
        while len(self.opened) > 1 and sum(map(weight_bytes, self.opened.values())) > OPEN_BYTES:
            del self.opened[next(iter(self.opened))]
        return opened


def weight_bytes(opened: Opened) -> int:
    """Bytes of a model's parameters."""
    return sum(parameter.nbytes for parameter in opened[0].parameters())
