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
KINDS = {"base": "베이스", "lora": "LoRA", "merged": "병합 fp16", "8bit": "8비트", "4bit": "4비트"}
QUANTIZED = ("8bit", "4bit")


def command_for(kind: str) -> str:
    """The command that makes a model of this kind."""
    if kind in ("base", "lora"):
        return "make train"
    return "make quantize BITS=8" if kind == "8bit" else "make quantize"


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
    for kind in ("merged", *QUANTIZED):
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
    quantized = {Path(found[kind], "config.json"): kind for kind in QUANTIZED if kind in found}
    if quantized:
        return quantized[newest(list(quantized))]
    return "merged" if "merged" in found else "lora"


def stale_notices(found: dict[str, str]) -> dict[str, str]:
    """A Korean line for each kind whose model was made before the newest adapter was trained."""
    if "lora" not in found:
        return {}
    trained = Path(found["lora"], ADAPTER_CONFIG).stat().st_mtime
    return {
        kind: f"알림: {found[kind]}는 {found['lora']}보다 먼저 만들어졌습니다. "
        f"{command_for(kind)}로 다시 만드세요."
        for kind in ("merged", *QUANTIZED)
        if kind in found and Path(found[kind], "config.json").stat().st_mtime < trained
    }


def find_model(checkpoints: Path, notice: Callable[[str], None] = print) -> str:
    """The default model; `notice` is called with a line if it is stale."""
    found = find_models(checkpoints)
    kind = default_kind(found)
    if text := stale_notices(found).get(kind):
        notice(text)
    return found[kind]


def newest_report(checkpoints: Path) -> Path | None:
    """The report that a run wrote last, if any run has written one."""
    reports = list(checkpoints.glob(f"*{SUFFIXES['lora']}/report.html"))
    return newest(reports) if reports else None
