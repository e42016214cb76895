import os
from pathlib import Path

import pytest
import torch

from common.console import UserError
from infer import models as module
from infer.find import NAMES, find_models
from infer.models import Models
from lora.layer import LoRALinear

CPU = torch.device("cpu")


def test_every_kind_is_found_and_is_what_its_name_says(checkpoints: Path) -> None:
    models = Models(checkpoints, CPU)
    assert list(models.found) == list(NAMES) and models.best == "4bit"
    kinds = {name: {type(m).__name__ for m in models.open(name)[0].modules()} for name in NAMES}
    assert LoRALinear.__name__ in kinds["lora"] and LoRALinear.__name__ not in kinds["merged"]
    assert "Linear4bit" in kinds["4bit"] and "Linear8bitLt" in kinds["8bit"]
    assert not {"Linear4bit", "Linear8bitLt", LoRALinear.__name__} & kinds["base"]


def test_the_same_model_is_not_opened_twice_and_memory_has_an_end(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(checkpoints, CPU)
    merged, _ = models.open("merged")
    assert models.open("merged")[0] is merged
    weights = sum(parameter.nbytes for parameter in merged.parameters())
    monkeypatch.setattr(module, "ROOM", int(2.5 * weights))
    for name in ("base", "merged", "lora"):
        models.open(name)
    assert list(models.opened) == ["merged", "lora"]  # the longest unused is gone
    monkeypatch.setattr(module, "ROOM", 1)
    assert models.open("merged")[0] is merged and list(models.opened) == ["merged"]


def test_models_older_than_the_adapter_are_left_out_with_a_notice(checkpoints: Path) -> None:
    adapter = checkpoints / "ko-gpt2-mini-lora" / "best"
    config = checkpoints / "ko-gpt2-mini-bnb-8bit" / "config.json"
    now = config.stat().st_mtime
    os.utime(config, (now - 10_000, now - 10_000))
    notices: list[str] = []
    found = find_models(checkpoints, adapter, notices.append)
    os.utime(config, (now, now))
    assert "8bit" not in found and "4bit" in found
    assert len(notices) == 1 and "BITS=8" in notices[0]


def test_a_quantised_model_alone_is_enough(checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "ko-gpt2-mini-bnb-4bit").symlink_to(checkpoints / "ko-gpt2-mini-bnb-4bit")
    models = Models(tmp_path, CPU)
    assert list(models.found) == ["4bit"]
    with pytest.raises(UserError, match="make quantize BITS=8"):
        models.open("8bit")
    with pytest.raises(UserError, match="4bit 중에서"):
        models.open("gpt5")
    (tmp_path / "ko-gpt2-mini-bnb-4bit").unlink()
    with pytest.raises(UserError, match=r"없어졌습니다.*make quantize"):  # not: the hub is asked
        models.open("4bit")


def test_without_any_model_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make train"):
        Models(tmp_path, CPU)
