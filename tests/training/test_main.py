"""`--patience`: where a run ends, and that a run that was cut ends there, too."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from common.console import Stopped
from common.files import read_log
from evaluation.evaluate import HeldOutLoss
from evaluation.results import Result
from lora.adapter import STATE, WEIGHTS
from model.base import Base
from model.precision import Precision
from tests.training.test_loop import CPU, make_adapted, make_examples
from training.__main__ import fit
from training.checkpoint import identity
from training.config import TrainConfig
from training.loop import initial_state
from training.run import Run

EXAMPLES = make_examples(20)
FP32 = Precision("fp32", CPU)
RESULT = Result("lora", {"rougeL": 1.0}, {"rougeL": (0.0, 1.0)}, {}, 1.0, [])
# After steps 1 to 9. Steps 2, 6 and 7 are better than all before; an equal loss is not better.
LOSSES = [3.0, 2.0, 2.5, 2.0, 2.2, 1.9, 1.8, 2.0, 1.8]


@dataclass
class Judge:
    """A validation whose losses are given, by the number of steps done."""

    run: Run
    state: object
    cut_at: int | None  # the evaluation of this step is interrupted
    precision: Precision = FP32
    samples: tuple[()] = ()

    def judge(self, _name: str) -> Result:
        return RESULT

    def evaluate(self) -> tuple[HeldOutLoss, Result]:
        step = self.state.step
        if step == self.cut_at:
            raise Stopped("", 2)
        return HeldOutLoss(LOSSES[step - 1], 1, 1), RESULT

    def describe(self, *_arguments: object) -> str:
        return ""


def go(
    folder: Path, tokenizer: PreTrainedTokenizerFast, config: TrainConfig, cut_at: int | None = None
) -> Run:
    """Begin or resume a run, as a process of its own would."""
    (folder / "x.csv").write_text("x")
    torch.manual_seed(config.seed)
    base = Base(make_adapted(dropout=0.1), tokenizer, "tiny")
    run = Run(folder, base, config, identity(config, base, folder / "x.csv", FP32))
    state = initial_state(base.model, config, FP32)
    run.resume(state)
    fit(run, state, EXAMPLES, Judge(run, state, cut_at))  # type: ignore[arg-type]
    return run


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.__main__.write_comparison", lambda *_arguments: None)
    monkeypatch.setattr("training.__main__.write_report", lambda path: path)
    monkeypatch.setattr("training.__main__.model_card", lambda *_arguments: "")


CONFIG = TrainConfig(
    rank=4,
    alpha=8.0,
    dropout=0.1,
    gradient_accumulation_steps=8,
    epochs=3,
    learning_rate=1e-2,
    eval_every="1",
)


@pytest.mark.parametrize(("patience", "last"), [(None, 9), (1, 3), (2, 4), (3, 5), (4, 9)])
def test_the_run_ends_after_so_many_evaluations_without_a_better_loss(
    tmp_path: Path,
    byte_tokenizer: PreTrainedTokenizerFast,
    capsys: pytest.CaptureFixture[str],
    patience: int | None,
    last: int,
) -> None:
    run = go(tmp_path, byte_tokenizer, replace(CONFIG, patience=patience))
    assert run.last_checkpoint() == tmp_path / f"checkpoint-{last}"
    record = json.loads((tmp_path / f"checkpoint-{last}" / STATE).read_text())
    assert record["finished"] and record["best_loss"] == min(LOSSES[:last])
    assert [r["step"] for r in read_log(run.log.path) if "loss" in r] == [*range(1, last + 1)]
    assert (f"{last}스텝에서 끝냅니다" in capsys.readouterr().out) == (last < 9)


@pytest.mark.parametrize("cut_at", [1, 2, 3, 4, 5])
def test_a_run_that_was_cut_in_an_evaluation_ends_at_the_same_step(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast, cut_at: int
) -> None:
    config = replace(CONFIG, patience=3)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    go(whole, byte_tokenizer, config)
    with pytest.raises(Stopped):
        go(cut, byte_tokenizer, config, cut_at)
    go(cut, byte_tokenizer, config)
    for file in (
        f"checkpoint-5/{WEIGHTS}",
        f"best/{WEIGHTS}",
        "checkpoint-5/optimizer.safetensors",
    ):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()
    logs = [read_log(folder / "metrics.jsonl") for folder in (cut, whole)]
    ours, truth = ([{**r, "seconds": 0} for r in log] for log in logs)
    assert ours == truth
    assert not (cut / "checkpoint-6").exists()
