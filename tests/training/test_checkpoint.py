"""A run that is cut and goes on ends with the same bits as one that is not."""

import json
import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from common.console import Stopped, UserError
from common.files import read_log
from lora.adapter import STATE
from model.base import Base
from model.precision import Precision
from tests.training.test_loop import CPU, make_adapted, make_examples
from training.checkpoint import TENSORS, differences, fingerprint, identity, same_bits
from training.config import TrainConfig
from training.loop import Optimization, Step, epoch_order, start, train
from training.run import RunFolder

EXAMPLES = make_examples(20)
CONFIG = TrainConfig(
    rank=4, alpha=8.0, gradient_accumulation_steps=8, epochs=3, learning_rate=1e-2, dropout=0.1
)


class Cut(Exception):
    pass


@pytest.fixture
def folder_of(byte_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Any:
    """Make the folder of a run, as a process of its own would, at the same path each time."""

    def make(precision: Precision, config: TrainConfig = CONFIG, **who: Any) -> RunFolder:
        torch.manual_seed(config.seed)
        base = Base(make_adapted(dropout=0.1, dtype=precision.dtype), byte_tokenizer, "tiny")
        known = identity(config, base, tmp_path / "x.csv", precision)
        return RunFolder(tmp_path, base, config, known | who)

    (tmp_path / "x.csv").write_text("x")
    return make


def go(folder: RunFolder, precision: Precision, until: int | None = None) -> Optimization:
    """Begin or go on; with `until` the run is cut in the middle of the step behind that one."""
    model = folder.base.model
    state = start(model, folder.config, precision, len(EXAMPLES))
    if not folder.go_on(state, CPU):
        folder.make_room()
    micro_batches = 0

    def on_step(step: Step, _due: bool) -> None:
        folder.log(vars(step))
        folder.save(state, CPU)

    def check() -> None:
        nonlocal micro_batches
        micro_batches += state.step == until
        if micro_batches == 2:
            raise Cut

    config = replace(folder.config, micro_batch_tokens=0)  # several micro-batches a step
    train(model, EXAMPLES, config, precision, on_step, state, check)
    return state


def bits(model: GPT2LMHeadModel) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("until", [1, 4])
def test_cut_in_the_middle_of_a_step_and_gone_on(
    folder_of: Any, tmp_path: Path, name: str, until: int
) -> None:
    precision = Precision(name, CPU)
    whole = folder_of(precision)
    go(whole, precision)
    truth, log = bits(whole.base.model), read_log(whole.log_path)
    for path in tmp_path.glob("checkpoint-*"):
        path.rename(path.with_name(f"whole-{path.name}"))
    with pytest.raises(Cut):
        go(folder_of(precision), precision, until)
    again = folder_of(precision)
    state = go(again, precision)
    assert state.step == 9
    assert all(torch.equal(a, b) for a, b in zip(bits(again.base.model), truth, strict=True))
    without = [{k: v for k, v in r.items() if k != "seconds"} for r in read_log(again.log_path)]
    assert without == [{k: v for k, v in r.items() if k != "seconds"} for r in log]
    for file in (TENSORS, "adapter_model.safetensors"):
        ours, theirs = tmp_path / "checkpoint-9", tmp_path / "whole-checkpoint-9"
        assert (ours / file).read_bytes() == (theirs / file).read_bytes()


def test_the_state_is_that_of_the_last_step_whenever_the_loop_is_cut(folder_of: Any) -> None:
    precision = Precision("fp32", CPU)
    folder = folder_of(precision)
    with pytest.raises(Cut):
        go(folder, precision, 3)
    random_then = torch.get_rng_state()
    assert all(p.grad is None for p in folder.base.model.parameters())
    saved = load_file(folder.path / "checkpoint-3" / TENSORS)
    assert torch.equal(saved["random/cpu"], random_then)


def test_training_draws_from_no_other_generator() -> None:
    numpy_state, python_state = pickle.dumps(np.random.get_state()), random.getstate()
    train(make_adapted(dropout=0.1), EXAMPLES, CONFIG, Precision("fp32", CPU), lambda _s, _d: None)
    assert random.getstate() == python_state
    assert pickle.dumps(np.random.get_state()) == numpy_state


def test_the_order_of_an_epoch_is_known_without_those_before() -> None:
    generator = torch.Generator().manual_seed(5)
    orders = [torch.randperm(30, generator=generator).tolist() for _ in range(4)]
    assert [epoch_order(30, 5, epoch) for epoch in (3, 0, 2, 1)] == [
        orders[epoch] for epoch in (3, 0, 2, 1)
    ]


def test_checkpoints_are_kept_to_the_number(folder_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    folder = folder_of(precision, replace(CONFIG, keep_last=3))
    go(folder, precision)
    assert {p.name for p in tmp_path.glob("checkpoint-*")} == {f"checkpoint-{n}" for n in (7, 8, 9)}


def test_a_finished_run_is_not_gone_on_with(folder_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    folder = folder_of(precision)
    state = go(folder, precision)
    folder.save(state, CPU, finished=True)
    fresh = folder_of(precision)
    assert not fresh.go_on(start(fresh.base.model, CONFIG, precision, 20), CPU)
    assert list(tmp_path.glob("checkpoint-*"))  # until the new run is sure to begin
    fresh.make_room()
    assert not list(tmp_path.glob("checkpoint-*"))
    assert not (tmp_path / "metrics.jsonl").exists()
    assert (tmp_path / "metrics.previous.jsonl").exists()


def test_fresh_starts_anew(folder_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(folder_of(precision), precision, 4)
    fresh = folder_of(precision, replace(CONFIG, fresh=True))
    assert not fresh.go_on(start(fresh.base.model, CONFIG, precision, 20), CPU)
    assert list(tmp_path.glob("checkpoint-*"))  # until the new run is sure to begin
    fresh.make_room()
    assert not list(tmp_path.glob("checkpoint-*"))


def test_another_run_is_refused_by_name_and_nothing_is_lost(folder_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(folder_of(precision), precision, 4)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    changes: list[tuple[Any, dict[str, Any], str]] = [
        (replace(CONFIG, epochs=5), {}, r"--epochs 3 → 5"),
        (replace(CONFIG, seed=1), {}, r"--seed 42 → 1"),
        (CONFIG, {"data": {"path": "y.csv", "sha256": "0"}}, r"데이터 .*x\.csv → y\.csv"),
        (CONFIG, {"base": {"name": "gpt2", "sha256": "0"}}, "베이스 tiny → gpt2"),
        (CONFIG, {"base": {"name": "tiny", "sha256": "0"}}, "가중치나 토크나이저"),
        (CONFIG, {"prompt": "요약하라"}, "프롬프트"),
        (CONFIG, {"machine": {"device": "cuda", "precision": "fp16"}}, "장치 cpu → cuda"),
    ]
    for config, who, says in changes:
        folder = folder_of(precision, config, **who)
        with pytest.raises(UserError, match=says):
            folder.go_on(start(folder.base.model, config, precision, 20), CPU)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_best_that_was_not_written_is_not_the_best(
    folder_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal in the midst of it: else the same evaluation, done again, would find no better."""
    folder = folder_of(Precision("fp32", CPU))

    def stop(*_arguments: Any) -> None:
        raise Stopped("", 2)

    monkeypatch.setattr("training.run.save_adapter", stop)
    with pytest.raises(Stopped):
        folder.save_best(3, 1.5, None)
    assert folder.best_loss == float("inf") and not folder.results


def test_what_only_saves_memory_may_change(folder_of: Any, capsys: Any) -> None:
    precision = Precision("fp32", CPU)
    now = folder_of(precision).identity
    changed = folder_of(precision, replace(CONFIG, gradient_checkpointing=True)).identity
    assert not differences(now, changed) and not same_bits(now, changed)
    moved = folder_of(precision, replace(CONFIG, output_dir=Path("x"), save_steps=7)).identity
    assert not differences(now, moved) and same_bits(now, moved)


def test_the_fingerprint_sees_one_weight(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_adapted()
    before = fingerprint(Base(model, byte_tokenizer, "tiny"))
    assert fingerprint(Base(make_adapted(), byte_tokenizer, "tiny")) == before
    with torch.no_grad():
        model.transformer.wte.weight[3, 5] += 1e-3
    assert fingerprint(Base(model, byte_tokenizer, "tiny")) != before


@pytest.mark.parametrize(
    "damage", ["no tensors", "short", "no moments", "state", "shape", "random", "old"]
)
def test_a_damaged_checkpoint_is_one_line(folder_of: Any, tmp_path: Path, damage: str) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(folder_of(precision), precision, 2)
    last = tmp_path / "checkpoint-2"
    tensors, state = last / TENSORS, last / STATE
    if damage == "no tensors":
        tensors.unlink()
    elif damage == "short":
        tensors.write_bytes(tensors.read_bytes()[:-9])
    elif damage in ("no moments", "shape"):
        held = load_file(tensors)
        name = next(key for key in held if key.endswith("exp_avg"))
        held[name] = held[name][:1].clone()
        if damage == "no moments":
            del held[name]
        save_file(held, tensors)
    elif damage == "random":
        save_file(load_file(tensors) | {"random/cpu": torch.get_rng_state() * 0 + 255}, tensors)
    else:
        record = json.loads(state.read_text())
        changed = record | {"step": "2"} if damage == "state" else {"step": 2}
        state.write_text(json.dumps(changed))
    folder = folder_of(precision)
    with pytest.raises(UserError, match=r"checkpoint-2.*손상"):
        folder.go_on(start(folder.base.model, CONFIG, precision, 20), CPU)


def test_a_log_that_was_cut_in_a_line_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_log(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}]
