"""What is under checkpoints/: the model to ask, and all that a run has left, by name."""

import glob
from collections.abc import Callable
from pathlib import Path

from common.console import UserError
from common.files import newest
from common.folders import short_name
from common.locks import recover_if_idle
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of, newest_adapter

# In order of preference: what `quant` leaves under checkpoints/.
KINDS = ("*-bnb-?bit/config.json", "*-merged/config.json")

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


def find_model(checkpoints: Path) -> Path:
    """The newest quantised model, else the newest merged one, else the newest best adapter.

    Raises:
        UserError: there is none.
    """
    recover_if_idle(checkpoints)
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
