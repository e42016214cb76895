from pathlib import Path

import pytest
import torch

from chat import models as module
from chat.models import Models
from common.console import UserError
from infer.find import KINDS
from lora.layer import LoRALinear

CPU = torch.device("cpu")


def test_every_kind_is_found_and_is_what_its_name_says(checkpoints: Path) -> None:
    models = Models(checkpoints, CPU)
    assert list(models.found) == list(KINDS) and models.default == "4bit"  # made last
    kinds = {kind: {type(m).__name__ for m in models.open(kind)[0].modules()} for kind in KINDS}
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
    monkeypatch.setattr(module, "OPEN_BYTES", int(2.5 * weights))
    for kind in ("base", "merged", "lora"):
        models.open(kind)
    assert list(models.opened) == ["merged", "lora"]  # the longest unused is gone
    monkeypatch.setattr(module, "OPEN_BYTES", 1)
    assert models.open("merged")[0] is merged and list(models.opened) == ["merged"]


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
