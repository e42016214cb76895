"""The names of the folders that the commands write under `checkpoints/`."""

from pathlib import Path

# The base's name comes before the suffix: checkpoints/gpt2-lora, checkpoints/gpt2-bnb-4bit.
SUFFIXES = {"lora": "-lora", "merged": "-merged", "8bit": "-bnb-8bit", "4bit": "-bnb-4bit"}

BEST = "best"  # in the folder of a run: the adapter with the lowest validation loss


def short_name(base: str) -> str:
    """The part of a base's name that folders are named by: "skt/kogpt2" -> "kogpt2"."""
    return Path(base).name


def output_folder(checkpoints: Path, base: str, kind: str) -> Path:
    """The folder for what a command makes of `base`; `kind` is a key of `SUFFIXES`."""
    return checkpoints / (short_name(base) + SUFFIXES[kind])
