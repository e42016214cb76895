"""All that a run has left, by the names a person calls them, opened when first asked."""

import glob
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from console import UserError
from infer.load import load_model
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of, newest_adapter
from lora.base import short_name
from lora.files import newest, put_right

NAMES = {
    "base": "베이스",
    "lora": "LoRA",
    "merged": "병합 fp16",
    "8bit": "8비트",
    "4bit": "4비트",
}
FOLDERS = {"merged": "merged", "8bit": "bnb-8bit", "4bit": "bnb-4bit"}
ADVICE = {
    "base": "make train",
    "lora": "make train",
    "merged": "make quantize",
    "8bit": "make quantize BITS=8",
    "4bit": "make quantize",
}
ROOM = 4 * 10**9  # bytes of weights that stay open; beyond them the longest unused is closed


def find_models(
    checkpoints: Path, adapter: Path | None, notice: Callable[[str], None] = print
) -> dict[str, str]:
    """What there is of the run that made `adapter`: a name of `NAMES`, and what `load_model` takes.

    A model that was made before the adapter is another run's: it is left out, with a notice.
    Without an adapter, the newest of each kind.
    """
    found = {"base": base_of(adapter), "lora": str(adapter)} if adapter else {}
    run = glob.escape(short_name(found["base"])) if adapter else "*"
    for name, folder in FOLDERS.items():
        configs = list(checkpoints.glob(f"{run}-{folder}/config.json"))
        if not configs:
            continue
        model = newest(configs)
        if adapter is None or newest([model, adapter / ADAPTER_CONFIG]) == model:
            found[name] = str(model.parent)
        else:
            notice(
                f"알림: {model.parent}는 {adapter}보다 오래되어 뺍니다. "
                f"{ADVICE[name]}로 다시 만드세요."
            )
    return found


class Models:
    """The models under `checkpoints`. For one thread: a model is no place for two to write."""

    def __init__(
        self, checkpoints: Path, device: torch.device, notice: Callable[[str], None] = print
    ) -> None:
        """
        Raises:
            UserError: there is no model at all.
        """
        put_right(checkpoints)
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
