"""Which model answers: one policy for every command. The folders here hold no weights."""

import json
import os
from itertools import count
from pathlib import Path

import pytest
import torch

from chat.models import Models
from common.console import UserError
from common.folders import output_folder
from evaluation.__main__ import models_of
from infer.find import KINDS, default_kind, find_model, find_models, newest_report
from lora.adapter import CONFIG, WEIGHTS

CPU = torch.device("cpu")


class Checkpoints:
    """Files as the commands write them, each later than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = count(1_000_000_000, 100)

    def write(self, path: Path, text: str = "{}") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        now = next(self.clock)
        os.utime(path, (now, now))
        return path

    def train(self, base: str) -> Path:
        best = output_folder(self.folder, base, "lora") / "best"
        settings = {
            "r": 8,
            "lora_alpha": 16,
            "lora_dropout": 0.0,
            "target_modules": ["attn.c_attn"],
            "base_model_name_or_path": base,
        }
        self.write(best / WEIGHTS, "")
        self.write(best / CONFIG, json.dumps(settings))
        self.write(best.parent / "report.html")
        return best

    def quantize(self, base: str, bits: int = 4) -> Path:
        self.write(output_folder(self.folder, base, "merged") / "config.json")
        return self.write(output_folder(self.folder, base, f"{bits}bit") / "config.json").parent


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def answers(checkpoints: Checkpoints) -> tuple[str, list[str]]:
    """The model of `make infer`, which is that of `make chat` and `make web`; its notices."""
    notices: list[str] = []
    model = find_model(checkpoints.folder, notices.append)
    all_notices: list[str] = []
    models = Models(checkpoints.folder, CPU, all_notices.append)
    assert models.found[models.default] == model
    assert set(notices) <= set(all_notices)
    return model, notices


def test_the_newest_quantised_model_answers_whatever_its_bits(checkpoints: Checkpoints) -> None:
    best = checkpoints.train("gpt2")
    assert answers(checkpoints) == (str(best), [])
    four = checkpoints.quantize("gpt2", 4)
    assert answers(checkpoints) == (str(four), [])
    eight = checkpoints.quantize("gpt2", 8)
    assert answers(checkpoints) == (str(eight), [])
    assert checkpoints.quantize("gpt2", 4) == four and answers(checkpoints) == (str(four), [])


def test_without_a_quantised_model_the_merged_one_answers(checkpoints: Checkpoints) -> None:
    best = checkpoints.train("gpt2")
    checkpoints.write(output_folder(checkpoints.folder, "gpt2", "merged") / "config.json")
    found = find_models(checkpoints.folder)
    assert list(found) == ["base", "lora", "merged"] and default_kind(found) == "merged"
    assert found["base"] == "gpt2" and found["lora"] == str(best)


def test_a_stale_model_is_named_and_still_answers(checkpoints: Checkpoints) -> None:
    checkpoints.train("gpt2")
    checkpoints.quantize("gpt2", 4)
    eight = checkpoints.quantize("gpt2", 8)
    checkpoints.train("ko-gpt2-mini")
    model, (notice,) = answers(checkpoints)
    assert model == str(eight) and "BITS=8" in notice
    assert "gpt2-bnb-8bit" in notice and "ko-gpt2-mini-lora" in notice
    notices: list[str] = []
    models = Models(checkpoints.folder, CPU, notices.append)
    assert list(models.found) == list(KINDS) and len(notices) == 3  # the others are stale, too
    four = checkpoints.quantize("ko-gpt2-mini", 4)
    assert answers(checkpoints) == (str(four), [])


def test_a_comparison_leaves_out_what_was_not_made_of_the_adapter(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints.train("gpt2")
    checkpoints.quantize("gpt2", 8)
    adapter = checkpoints.train("gpt2")
    checkpoints.quantize("ko-gpt2-mini", 4)  # another base: of another run, though it is newer
    assert list(models_of(adapter, checkpoints.folder)) == ["base", "lora"]
    merged, eight = capsys.readouterr().out.splitlines()
    assert "merged" in merged and "뺍니다" in merged
    assert "8bit" in eight and "뺍니다" in eight and "BITS=8" in eight
    checkpoints.quantize("gpt2", 8)
    found = models_of(adapter, checkpoints.folder)
    assert list(found) == ["base", "lora", "merged", "8bit"] and not capsys.readouterr().out


def test_a_base_whose_name_is_a_pattern_is_taken_literally(checkpoints: Checkpoints) -> None:
    adapter = checkpoints.train("gpt[2]")
    checkpoints.quantize("gpt2", 4)
    assert "4bit" not in models_of(adapter, checkpoints.folder)
    checkpoints.quantize("gpt[2]", 4)
    assert models_of(adapter, checkpoints.folder)["4bit"].endswith("gpt[2]-bnb-4bit")


def test_without_any_model_there_is_one_message(checkpoints: Checkpoints) -> None:
    said = set()
    for ask in (find_model, find_models, lambda folder: Models(folder, CPU)):
        with pytest.raises(UserError, match="make train") as error:
            ask(checkpoints.folder)
        said.add(str(error.value))
    assert len(said) == 1


def test_the_newest_report(checkpoints: Checkpoints) -> None:
    assert newest_report(checkpoints.folder) is None
    checkpoints.train("a")
    newer = checkpoints.train("b").parent / "report.html"
    assert newest_report(checkpoints.folder) == newer
