"""The model card of an adapter: its code opens the adapter, and its facts are those of the run."""

import json
import re
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
import yaml
from datasets import Dataset
from torch import nn
from transformers import PreTrainedTokenizerFast

from data.interviews import SAMPLE_CSV
from evaluation.validation import Validation, prepare_validation
from infer.__main__ import EXAMPLE_ANSWER, EXAMPLE_QUESTION
from infer.settings import GREEDY
from infer.summarize import Summarizer
from lora.inject import inject_lora, lora_layers
from model.base import EMBEDDED, REPOSITORY, load_base
from model.precision import Precision
from tests.conftest import make_model
from training.card import SCORES, model_card
from training.checkpoint import identity
from training.config import TrainConfig
from training.run import Run

FP32 = Precision("fp32", torch.device("cpu"))
CONFIG = TrainConfig(rank=4, alpha=8.0, learning_rate=2.5e-3)
ROWS = Dataset.from_list(
    [
        {"question": "장점은?", "answer": "꼼꼼합니다.", "summary": "꼼꼼하다.", "row": 1},
        {"question": "동기는?", "answer": "물류가 좋습니다.", "summary": "물류가 좋다.", "row": 2},
    ]
)


@pytest.fixture
def base(tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast) -> Path:
    folder = tmp_path / "tiny"
    make_model(vocab_size=len(byte_tokenizer), n_positions=1024).save_pretrained(folder)
    byte_tokenizer.save_pretrained(folder)
    return folder


def evaluated(
    folder: Path, base: Path, data: Path, name: str | None = None
) -> tuple[Run, Validation, str]:
    """A run whose adapter was drawn, with its best written: the run, its rows and the card."""
    opened = replace(load_base(str(base)), name=name or str(base))
    run = Run(folder / "run", opened, CONFIG, identity(CONFIG, opened, data, FP32), rows=1234)
    validation = prepare_validation(opened, ROWS, 1024, 2, FP32)
    run.results["base"] = validation.judge("base")
    torch.manual_seed(0)
    inject_lora(opened.model, CONFIG.lora)
    for layer in lora_layers(opened.model).values():
        nn.init.normal_(layer.lora_B, std=0.1)
    loss, result = validation.evaluate()
    run.save_best(3, loss.per_token, result, model_card(run, validation, loss, result))
    return run, validation, (folder / "run/best/README.md").read_text(encoding="utf-8")


def printed(code: str, best: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the code of a card prints, where the folder of the card is `best`."""
    capsys.readouterr()
    exec(code.replace('"best"', repr(str(best))), {})
    return capsys.readouterr().out.rstrip("\n")


def test_both_ways_to_open_it_are_true(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = peft.PeftModel.from_pretrained
    monkeypatch.setattr(
        "peft.PeftModel.from_pretrained", lambda *a: opened.append(a[1]) or real(*a)
    )
    run, validation, card = evaluated(tmp_path, base, SAMPLE_CSV)
    with_peft, with_this = re.findall(r"^```python\n(.*?)^```", card, re.DOTALL | re.MULTILINE)
    best = run.path / "best"
    example = [EXAMPLE_QUESTION], [EXAMPLE_ANSWER]
    greedy = Summarizer(run.base.model, run.base.tokenizer, GREEDY).summarize(*example)[0]
    ours = validation.summarizer.summarize(*example)[0]
    assert len(greedy) > 20 and greedy != ours  # the rules of this repository change something
    # A random model also writes bytes that are no text: the card decodes them, we leave them out.
    shown = re.sub(r"\n\s*", " ", printed(with_peft, best, capsys).replace("\ufffd", ""))
    assert shown.strip() == greedy.strip()
    assert printed(with_this, best, capsys) == ours
    assert f"> **요약** {ours}\n" in card
    assert opened == [str(best)]


def test_the_card_states_the_facts_of_the_run(tmp_path: Path, base: Path) -> None:
    run, _, card = evaluated(tmp_path, base, SAMPLE_CSV)
    record = json.loads((run.path / "best/trainer_state.json").read_text(encoding="utf-8"))
    assert record["identity"]["data"]["sha256"] in card and "`sample_interview.csv`" in card
    assert "학습 1,234행, 검증 2행" in card and "모름" in card
    assert "| `--rank` | 4 |" in card and "| `--learning-rate` | 0.0025 |" in card
    assert "| `--targets` | attn.c_attn attn.c_proj mlp.c_fc mlp.c_proj |" in card
    before, after = run.results["base"], run.results["lora"]
    for name, label in SCORES.items():
        low, high = after.intervals[name]
        line = f"| {label} | {before.scores[name]:.1f} | {after.scores[name]:.1f} "
        assert f"{line}({low:.1f}–{high:.1f}) |" in card
    assert f"{record['validation_loss']:.3f} nats" in card
    assert "AI Hub" not in card and str(run.path) not in card
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["library_name"] == "peft" and not head.keys() & {"base_model", "license"}


def test_equal_runs_have_equal_cards(tmp_path: Path, base: Path) -> None:
    cards = [evaluated(tmp_path / name, base, SAMPLE_CSV)[2] for name in ("a", "b")]
    assert cards[0] == cards[1]


def test_data_that_is_not_the_sample_is_warned_of_and_not_shown(tmp_path: Path, base: Path) -> None:
    (tmp_path / "my.csv").write_text("question,answer,summary\n")
    _, validation, card = evaluated(tmp_path, base, tmp_path / "my.csv")
    assert "공개하기 전에" in card and "AI Hub" in card and "`my.csv`, " in card
    assert not any(row["question"] in card for row in validation.samples)
    assert str(tmp_path / "my.csv") not in card


def test_the_license_of_the_embedded_base_is_known(tmp_path: Path, base: Path) -> None:
    _, _, card = evaluated(tmp_path, base, SAMPLE_CSV, EMBEDDED.as_posix())
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "cc-by-sa-4.0" and "base_model" not in head
    assert "CC BY-SA 4.0" in (REPOSITORY / EMBEDDED / "README.md").read_text(encoding="utf-8")


def test_a_base_of_the_hub_is_named_to_the_hub(tmp_path: Path, base: Path) -> None:
    _, _, card = evaluated(tmp_path, base, SAMPLE_CSV, "skt/kogpt2-base-v2")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["base_model"] == "skt/kogpt2-base-v2" and head["license"] == "cc-by-nc-sa-4.0"
