"""What is under `checkpoints/`: the newest model of each kind, and which of them is the default."""

import glob
from collections.abc import Callable
from pathlib import Path

from common.console import UserError
from common.files import newest
from common.folders import SUFFIXES, newest_adapter, short_name
from common.locks import recover_if_idle
from lora.adapter import CONFIG as ADAPTER_CONFIG
from lora.adapter import base_of

# The kinds of model that there are, in the order in which a run makes them.
KINDS = {
    "base": "베이스",
    "lora": "LoRA",
    "merged": "병합 fp16",
    "8bit": "8비트",
    "4bit": "4비트",
}
# The command that makes a model of each kind.
COMMANDS = {
    "base": "make train",
    "lora": "make train",
    "merged": "make quantize",
    "8bit": "make quantize BITS=8",
    "4bit": "make quantize",
}


def find_models(checkpoints: Path, base: str | None = None) -> dict[str, str]:
    """The newest model of each kind, by what `load_model` takes: a folder, or a base's name.

    With `base` only those merged and quantised models count that were made of it.

    Raises:
        UserError: there is no model at all.
    """
    recover_if_idle(checkpoints)
    found = {}
    if adapter := newest_adapter(checkpoints):
        found = {"base": base_of(adapter), "lora": str(adapter)}
    name = "*" if base is None else glob.escape(short_name(base))
    for kind in ("merged", "8bit", "4bit"):
        if configs := list(checkpoints.glob(f"{name}{SUFFIXES[kind]}/config.json")):
            found[kind] = str(newest(configs).parent)
    if not found:
        raise UserError(
            f"{checkpoints}: 쓸 모델이 없습니다. 먼저 make train, 그다음 make quantize를 "
            "실행하세요 (python -m training, python -m quant)."
        )
    return found


def default_kind(found: dict[str, str]) -> str:
    """The kind that every command uses unless it is told otherwise.

    The newest quantised model, whether 4-bit or 8-bit; else the merged one, else the adapter.
    """
    quantized = [Path(found[kind], "config.json") for kind in ("4bit", "8bit") if kind in found]
    if quantized:
        folder = str(newest(quantized).parent)
        return next(kind for kind in found if found[kind] == folder)
    return "merged" if "merged" in found else "lora"


def stale_notices(found: dict[str, str]) -> dict[str, str]:
    """A Korean line for each kind whose model was made before the newest adapter was trained."""
    notices: dict[str, str] = {}
    if "lora" not in found:
        return notices
    trained = Path(found["lora"], ADAPTER_CONFIG).stat().st_mtime
    for kind in ("merged", "8bit", "4bit"):
        if kind in found and Path(found[kind], "config.json").stat().st_mtime < trained:
            notices[kind] = (
                f"알림: {found[kind]}는 {found['lora']}보다 먼저 만들어졌습니다. "
                f"{COMMANDS[kind]}로 다시 만드세요."
            )
    return notices


def find_model(checkpoints: Path, notice: Callable[[str], None] = print) -> str:
    """The default model. If it is stale, `notice` is called with a line that says so.

    Raises:
        UserError: there is no model at all.
    """
    found = find_models(checkpoints)
    kind = default_kind(found)
    if kind in (notices := stale_notices(found)):
        notice(notices[kind])
    return found[kind]


def find_models_of(
    adapter: Path, checkpoints: Path, notice: Callable[[str], None] = print
) -> dict[str, str]:
    """The models that were made of `adapter`, the newest one; `notice` names those left out."""
    found = find_models(checkpoints, base_of(adapter))
    for kind, text in stale_notices(found).items():
        notice(f"{text} 여기서는 뺍니다.")
        del found[kind]
    return found


def newest_report(checkpoints: Path) -> Path | None:
    """The report of the run that wrote one last, if any run has."""
    reports = list(checkpoints.glob(f"*{SUFFIXES['lora']}/report.html"))
    return newest(reports) if reports else None
