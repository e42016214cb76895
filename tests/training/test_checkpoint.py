"""A run that is cut and goes on ends with the same bits as one that is not."""

import json
import pickle
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.hooks import RemovableHandle
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from common.console import Stopped, UserError
from common.files import read_log
from lora.adapter import STATE
from model.base import Base, fingerprint
from model.precision import Precision
from tests.training.test_loop import CPU, make_adapted, make_examples
from training.checkpoint import (
    MOMENTS_FILE,
    DamagedCheckpoint,
    differences,
    file_identity,
    identity,
    same_bits,
)
from training.config import TrainConfig
from training.loop import TrainingState, epoch_order, initial_state, train
from training.run import Run

EXAMPLES = make_examples(20)
CONFIG = TrainConfig(
    rank=4, alpha=8.0, gradient_accumulation_steps=8, epochs=3, learning_rate=1e-2, dropout=0.1
)


class Cut(Exception):
    pass


@pytest.fixture
def run_of(byte_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Any:
    """Make a run, as a process of its own would, in the same folder each time."""

    def make(precision: Precision, config: TrainConfig = CONFIG, **who: Any) -> Run:
        torch.manual_seed(config.seed)
        base = Base(make_adapted(dropout=0.1, dtype=precision.dtype), byte_tokenizer, "tiny")
        known = identity(config, base, tmp_path / "x.csv", precision)
        return Run(tmp_path, base, config, known | who)

    (tmp_path / "x.csv").write_text("x")
    return make


def resumed(run: Run, precision: Precision) -> TrainingState:
    """The state in which the run begins or is resumed."""
    state = initial_state(run.base.model, run.config, precision)
    run.resume(state)
    return state


def cut_after(model: GPT2LMHeadModel, state: TrainingState, step: int) -> RemovableHandle:
    """Have the second micro-batch of the step after `step` raise `Cut`."""
    micro_batches = 0

    def cut(*_arguments: Any) -> None:
        nonlocal micro_batches
        micro_batches += state.step == step
        if micro_batches == 2:
            raise Cut

    return model.lm_head.register_forward_hook(cut)


def go(run: Run, precision: Precision, until: int | None = None) -> TrainingState:
    """Begin or resume; with `until`, the run is cut in the middle of the step after that one."""
    state = resumed(run, precision)
    if state.step == 0:
        run.discard_previous()
    if until is not None:
        cut_after(run.base.model, state, until)
    config = replace(run.config, micro_batch_tokens=0)  # several micro-batches a step
    for step in train(run.base.model, EXAMPLES, config, precision, state):
        run.log.append(asdict(step))
        run.save(state)
    return state


def bits(model: GPT2LMHeadModel) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("until", [1, 4])
def test_cut_in_the_middle_of_a_step_and_gone_on(
    run_of: Any, tmp_path: Path, name: str, until: int
) -> None:
    precision = Precision(name, CPU)
    whole = run_of(precision)
    go(whole, precision)
    truth, log = bits(whole.base.model), read_log(whole.log.path)
    for path in tmp_path.glob("checkpoint-*"):
        path.rename(path.with_name(f"whole-{path.name}"))
    with pytest.raises(Cut):
        go(run_of(precision), precision, until)
    again = run_of(precision)
    state = go(again, precision)
    assert state.step == 9
    assert all(torch.equal(a, b) for a, b in zip(bits(again.base.model), truth, strict=True))
    without = [{k: v for k, v in r.items() if k != "seconds"} for r in read_log(again.log.path)]
    assert without == [{k: v for k, v in r.items() if k != "seconds"} for r in log]
    for file in (MOMENTS_FILE, "adapter_model.safetensors"):
        ours, theirs = tmp_path / "checkpoint-9", tmp_path / "whole-checkpoint-9"
        assert (ours / file).read_bytes() == (theirs / file).read_bytes()


def test_the_state_is_that_of_the_last_step_whenever_the_loop_is_cut(run_of: Any) -> None:
    precision = Precision("fp32", CPU)
    whole = run_of(precision)
    go(whole, precision)
    run = run_of(precision, replace(CONFIG, fresh=True))
    model, state = run.base.model, resumed(run, precision)
    config = replace(CONFIG, micro_batch_tokens=0)
    handle = cut_after(model, state, 3)
    with pytest.raises(Cut):
        list(train(model, EXAMPLES, config, precision, state))
    assert state.step == 3 and any(p.grad is not None for p in model.parameters())
    handle.remove()
    # What the cut step has left in gradients and random numbers does not reach the next one.
    again = [step.step for step in train(model, EXAMPLES, config, precision, state)]
    assert again == [4, 5, 6, 7, 8, 9]
    assert all(torch.equal(a, b) for a, b in zip(bits(model), bits(whole.base.model), strict=True))


def test_a_step_depends_on_seed_and_number_alone() -> None:
    """Random numbers that somebody draws between two steps do not change the dropout."""
    precision = Precision("fp32", CPU)
    models = [make_adapted(dropout=0.1) for _ in range(2)]
    for model, disturbed in zip(models, (False, True), strict=True):
        for _ in train(model, EXAMPLES, CONFIG, precision, initial_state(model, CONFIG, precision)):
            if disturbed:
                torch.rand(7)
                model.eval()
    assert all(torch.equal(a, b) for a, b in zip(*map(bits, models), strict=True))


def test_training_draws_from_no_other_generator() -> None:
    numpy_state, python_state = pickle.dumps(np.random.get_state()), random.getstate()
    precision, model = Precision("fp32", CPU), make_adapted(dropout=0.1)
    assert list(train(model, EXAMPLES, CONFIG, precision, initial_state(model, CONFIG, precision)))
    assert random.getstate() == python_state
    assert pickle.dumps(np.random.get_state()) == numpy_state


def test_the_order_of_an_epoch_is_known_without_those_before() -> None:
    generator = torch.Generator().manual_seed(5)
    orders = [torch.randperm(30, generator=generator).tolist() for _ in range(4)]
    assert [epoch_order(30, 5, epoch) for epoch in (3, 0, 2, 1)] == [
        orders[epoch] for epoch in (3, 0, 2, 1)
    ]


def test_checkpoints_are_kept_to_the_number(run_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    run = run_of(precision, replace(CONFIG, keep_last=3))
    go(run, precision)
    assert {p.name for p in tmp_path.glob("checkpoint-*")} == {f"checkpoint-{n}" for n in (7, 8, 9)}


def test_a_finished_run_is_not_gone_on_with(run_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    run = run_of(precision)
    state = go(run, precision)
    run.save(state, finished=True)
    fresh = run_of(precision)
    assert resumed(fresh, precision).step == 0
    assert list(tmp_path.glob("checkpoint-*"))  # until the new run is sure to begin
    fresh.discard_previous()
    assert not list(tmp_path.glob("checkpoint-*"))
    assert not (tmp_path / "metrics.jsonl").exists()
    assert (tmp_path / "metrics.previous.jsonl").exists()


def test_fresh_starts_anew(run_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(run_of(precision), precision, 4)
    fresh = run_of(precision, replace(CONFIG, fresh=True))
    assert resumed(fresh, precision).step == 0
    assert list(tmp_path.glob("checkpoint-*"))  # until the new run is sure to begin
    fresh.discard_previous()
    assert not list(tmp_path.glob("checkpoint-*"))


def test_another_run_is_refused_by_name_and_nothing_is_lost(run_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(run_of(precision), precision, 4)
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
        run = run_of(precision, config, **who)
        with pytest.raises(UserError, match=says):
            resumed(run, precision)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_best_that_was_not_written_is_not_the_best(
    run_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal in the midst of it: else the same evaluation, done again, would find no better."""
    run = run_of(Precision("fp32", CPU))

    def stop(*_arguments: Any) -> None:
        raise Stopped("", 2)

    monkeypatch.setattr("training.run.save_adapter", stop)
    with pytest.raises(Stopped):
        run.save_best(3, 1.5, None)
    assert run.best_loss == float("inf") and not run.results


def test_what_only_saves_memory_may_change(run_of: Any, capsys: Any) -> None:
    precision = Precision("fp32", CPU)
    now = run_of(precision).identity
    changed = run_of(precision, replace(CONFIG, gradient_checkpointing=True)).identity
    assert not differences(now, changed) and not same_bits(now, changed)
    moved = run_of(precision, replace(CONFIG, output_dir=Path("x"), save_steps=7)).identity
    assert not differences(now, moved) and same_bits(now, moved)


def test_other_validation_rows_are_another_run(run_of: Any, tmp_path: Path) -> None:
    precision = Precision("fp32", CPU)
    before, file = run_of(precision).identity, tmp_path / "v.csv"
    file.write_text("1")
    one = run_of(precision, validation=file_identity(file)).identity
    file.write_text("2")
    two = run_of(precision, validation=file_identity(file)).identity
    assert differences(before, one) == [f"검증 데이터 None → {file}"]
    assert differences(one, two) == [f"검증 데이터 {file}의 내용"]
    assert not differences(two, two)
    del before["validation"]  # as of a run by an earlier version
    assert not differences(before, run_of(precision).identity)
    assert differences(before, one)


def test_the_fingerprint_sees_one_weight(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_adapted()
    before = fingerprint(Base(model, byte_tokenizer, "tiny"))
    assert fingerprint(Base(make_adapted(), byte_tokenizer, "tiny")) == before
    with torch.no_grad():
        model.transformer.wte.weight[3, 5] += 1e-3
    assert fingerprint(Base(model, byte_tokenizer, "tiny")) != before


@pytest.mark.parametrize(
    "damage",
    ["no tensors", "short", "no moments", "state", "shape", "old", "identity", "results", "scaler"],
)
def test_a_damaged_checkpoint_is_one_line(run_of: Any, tmp_path: Path, damage: str) -> None:
    precision = Precision("fp32", CPU)
    with pytest.raises(Cut):
        go(run_of(precision), precision, 2)
    last = tmp_path / "checkpoint-2"
    tensors, state = last / MOMENTS_FILE, last / STATE
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
    else:
        changes: dict[str, Any] = {
            "state": {"step": "2"},
            "identity": {"identity": []},
            "results": {"results": {"base": {"score": 1}}},
            "scaler": {"scaler": {"scale": 2.0}},
        }
        record = json.loads(state.read_text())
        changed = {"step": 2} if damage == "old" else record | changes[damage]
        state.write_text(json.dumps(changed))
    with pytest.raises(DamagedCheckpoint, match=r"checkpoint-2.*손상"):
        resumed(run_of(precision), precision)


def test_a_log_that_was_cut_in_a_line_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_log(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}]
