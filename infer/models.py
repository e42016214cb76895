"""Open a model whatever its kind (4/8-bit, merged, adapter, plain base), once, when first asked."""

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
from common.locks import recover_if_idle
from infer.find import ADVICE, NAMES, find_models
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of, load_adapter, newest_adapter
from model.base import load_base, with_padding
from model.device import place

ROOM = 4 * 10**9  # bytes of weights that stay open; beyond them the longest unused is closed


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
        return place(base.model, device).eval(), base.tokenizer
    if not (folder / "config.json").is_file():
        base = load_base(name, dtype)
        return place(base.model, device), base.tokenizer
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
    return place(model, device).eval(), tokenizer


class Models:
    """The models under `checkpoints`. For one thread: a model is no place for two to write."""

    def __init__(
        self, checkpoints: Path, device: torch.device, notice: Callable[[str], None] = print
    ) -> None:
        """
        Raises:
            UserError: there is no model at all.
        """
        recover_if_idle(checkpoints)
        self.checkpoints = checkpoints
        self.device = device
        self.found = find_models(checkpoints, newest_adapter(checkpoints), notice)
        self.opened: dict[str, tuple[PreTrainedModel, PreTrainedTokenizerBase]] = {}
        if not self.found:
            raise UserError(
                f"{checkpoints}: 쓸 모델이 없습니다. 먼저 make train, 그다음 make quantize를 "
                "실행하세요 (python -m training, python -m quant)."
            )

    @property
    def best(self) -> str:
        """The one to begin with: the smallest there is."""
        return next(name for name in reversed(NAMES) if name in self.found)

    def check(self, name: str) -> None:
        """Whether there is a model of this name.

        Raises:
            UserError: no such name, or no such model yet.
        """
        if name not in NAMES:
            raise UserError(f"{name}: 모르는 모델입니다. {', '.join(self.found)} 중에서 고르세요.")
        if name not in self.found:
            raise UserError(
                f"{name}: {self.checkpoints}에 없습니다. {ADVICE[name]}로 만든 뒤 다시 여세요."
            )

    def open(self, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model of this name and its tokenizer; the last ones asked for stay open.

        Raises:
            UserError: there is none, or it cannot be opened.
        """
        self.check(name)
        # `load_model` takes the name of a folder that is not there for one of the hub's.
        if name != "base" and not Path(self.found[name]).is_dir():
            raise UserError(f"{self.found[name]}: 없어졌습니다. {ADVICE[name]}로 다시 만드세요.")
        model = self.opened.pop(name, None) or load_model(self.found[name], self.device)
        self.opened[name] = model  # last: the order of use
        while len(self.opened) > 1 and sum(weight(m) for m, _ in self.opened.values()) > ROOM:
            del self.opened[next(iter(self.opened))]
        return model


def weight(model: PreTrainedModel) -> int:
    """Bytes of a model's parameters."""
    return sum(parameter.nbytes for parameter in model.parameters())
