import os
from pathlib import Path

import pytest

from common.console import UserError
from common.folders import find_adapter, output_folder, short_name


def test_short_names() -> None:
    assert short_name("skt/kogpt2-base-v2") == "kogpt2-base-v2"
    assert short_name("checkpoints/ko-gpt2-mini") == "ko-gpt2-mini"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("lora", "gpt2-lora"),
        ("merged", "gpt2-merged"),
        ("8bit", "gpt2-bnb-8bit"),
        ("4bit", "gpt2-bnb-4bit"),
    ],
)
def test_the_folders_of_each_kind(kind: str, name: str) -> None:
    assert output_folder(Path("out"), "openai/gpt2", kind) == Path("out") / name


def test_find_adapter_takes_the_newest_best(tmp_path: Path) -> None:
    weights = "adapter_model.safetensors"
    with pytest.raises(UserError, match="make train"):
        find_adapter(tmp_path)
    for age, name in enumerate(["new", "old"]):
        best = tmp_path / f"{name}-lora" / "best"
        best.mkdir(parents=True)
        (best / weights).touch()
        os.utime(best / weights, (1_000_000 - age, 1_000_000 - age))
    assert find_adapter(tmp_path) == tmp_path / "new-lora" / "best"
