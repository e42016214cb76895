"""The folders that the commands write under `checkpoints/`: their names, the newest adapter."""

from pathlib import Path

from common.console import UserError
from common.files import newest
from common.locks import recover_if_idle

# The base's name comes before the suffix: checkpoints/gpt2-lora, checkpoints/gpt2-bnb-4bit.
SUFFIXES = {"lora": "-lora", "merged": "-merged", "8bit": "-bnb-8bit", "4bit": "-bnb-4bit"}

BEST = "best"  # in the folder of a run: the adapter with the lowest validation loss


def short_name(base: str) -> str:
    """The part of a base's name that folders are named by: "skt/kogpt2" -> "kogpt2"."""
    return Path(base).name


def output_folder(checkpoints: Path, base: str, kind: str) -> Path:
    """The folder for what a command makes of `base`; `kind` is a key of `SUFFIXES`."""
    return checkpoints / (short_name(base) + SUFFIXES[kind])


def newest_adapter(checkpoints: Path) -> Path | None:
    """The newest `best/` of all runs, or None if no run has written one."""
    runs = f"*{SUFFIXES['lora']}"
    for run in checkpoints.glob(runs):
        recover_if_idle(run)
    weights = list(checkpoints.glob(f"{runs}/{BEST}/*.safetensors"))
    return newest(weights).parent if weights else None


def find_adapter(checkpoints: Path) -> Path:
    """`newest_adapter`, or an error that says how to train one."""
    adapter = newest_adapter(checkpoints)
    if adapter is None:
        raise UserError(
            f"{checkpoints}: 학습한 어댑터가 없습니다. "
            "먼저 make train(python -m training)을 실행하세요."
        )
    return adapter
