import json
import math
import re
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from peft.optimizers import create_loraplus_optimizer
from torch import nn
from transformers import GPT2LMHeadModel

from common.console import Stopped
from common.interrupt import stop_on_signals
from data.batches import collate, split_batch
from data.encode import IGNORE, Example
from infer.generate import generate
from infer.settings import GREEDY
from lora.inject import LoraConfig, inject_lora, lora_layers
from model.precision import Precision
from tests.conftest import make_model
from training.config import TrainConfig
from training.loop import (
    MAX_SKIPPED_IN_A_ROW,
    Diverged,
    Step,
    TrainingState,
    initial_state,
    train,
    train_step,
)

CPU = torch.device("cpu")
FP32 = Precision("fp32", CPU)


def make_examples(count: int, seed: int = 0) -> list[Example]:
    """Rows of uneven prompts and responses; each ends in EOS, which is 0."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    examples = []
    for _ in range(count):
        prompt = [draw(1, 384) for _ in range(draw(3, 40))]
        response = [*(draw(1, 384) for _ in range(draw(1, 20))), 0]
        examples.append(Example(prompt + response, [IGNORE] * len(prompt) + response))
    return examples


def make_adapted(dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> GPT2LMHeadModel:
    model = make_model(dropout=dropout).to(dtype)
    inject_lora(model, LoraConfig(rank=4, alpha=8.0, dropout=dropout))
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B, std=0.05)
    return model.train()


def sgd_state(model: GPT2LMHeadModel, precision: Precision = FP32) -> TrainingState:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    return TrainingState(optimizer, precision.grad_scaler())


def batch_gradient(examples: list[Example], size: int, budget: int = 0) -> dict[str, torch.Tensor]:
    """The gradient that one step applies: plain SGD at rate 1 moves the weights by just that."""
    model = make_adapted()
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    batches = [collate(batch, 0) for batch in split_batch(examples, size, budget)]
    train_step(model, batches, sgd_state(model), FP32, max_grad_norm=math.inf)
    after = dict(model.named_parameters())
    return {name: before[name] - after[name].detach() for name in before}


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("count", [32, 21], ids=["whole", "partial"])
def test_the_cut_into_micro_batches_changes_nothing(size: int, count: int) -> None:
    examples = make_examples(count)
    one_by_one, batched = batch_gradient(examples, 1), batch_gradient(examples, size)
    for name, gradient in one_by_one.items():
        difference = (gradient - batched[name]).norm() / gradient.norm()
        assert difference <= 1e-6, (name, difference)


@pytest.mark.parametrize("budget", [1, 64, 300, 10_000])
def test_the_cut_by_tokens_changes_nothing(budget: int) -> None:
    examples = make_examples(21)
    one_by_one, by_tokens = batch_gradient(examples, 1), batch_gradient(examples, 1, budget)
    for name, gradient in one_by_one.items():
        difference = (gradient - by_tokens[name]).norm() / gradient.norm()
        assert difference <= 1e-6, (name, difference)


def test_the_gradient_is_the_mean_over_the_tokens_of_the_batch() -> None:
    examples = make_examples(5)
    reference = make_adapted().double()
    total = torch.zeros((), dtype=torch.float64)
    for example in examples:
        ids = torch.tensor([example.input_ids])
        log_p = reference(input_ids=ids).logits[0, :-1].log_softmax(-1)
        targets = torch.tensor(example.labels[1:])
        counts = targets != IGNORE
        total = total - log_p[counts, targets[counts]].sum()
    (total / sum(e.response_tokens for e in examples)).backward()
    for name, gradient in batch_gradient(examples, 1).items():
        expected = reference.get_parameter(name).grad
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-7, msg=name)


def test_averaging_each_micro_batch_would_be_another_gradient() -> None:
    """What most scripts do: it shows that the tests above can tell the difference."""
    short, long = make_examples(40), make_examples(40)
    short = min(short, key=lambda e: e.response_tokens)
    long = max(long, key=lambda e: e.response_tokens)
    both = batch_gradient([short, long], 1)
    a, b = batch_gradient([short], 1), batch_gradient([long], 1)
    name = next(iter(both))
    wrong = (a[name] + b[name]) / 2
    assert (both[name] - wrong).norm() / wrong.norm() > 0.05


def test_fp16_autocast_and_scaler_run_and_agree_with_fp32() -> None:
    """As on CUDA: the frozen base in fp16, the masters in fp32, autocast and scaler on."""
    fp16 = Precision("fp16", CPU)
    batches = [collate([example], 0) for example in make_examples(4)]
    results = {}
    for precision in (FP32, fp16):
        model = make_adapted(dtype=precision.dtype)
        frozen = [p for p in model.parameters() if not p.requires_grad]
        assert all(p.dtype == precision.dtype for p in frozen)
        state = sgd_state(model, precision)
        results[precision.name] = train_step(model, batches, state, precision, 1.0)
        assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
    assert state.scaler.is_enabled() and not results["fp16"][2]
    assert results["fp16"][0] == pytest.approx(results["fp32"][0], rel=5e-3)
    assert results["fp16"][1] == pytest.approx(results["fp32"][1], rel=2e-2)


def test_a_forced_inf_skips_the_update_and_halves_the_loss_scale() -> None:
    fp16 = Precision("fp16", CPU)
    model = make_adapted()
    state = sgd_state(model, fp16)
    batches = [collate([example], 0) for example in make_examples(4)]
    first = next(p for p in model.parameters() if p.requires_grad)
    handle = first.register_hook(lambda gradient: gradient * math.inf)
    before = [p.detach().clone() for p in model.parameters()]
    scale = state.scaler.get_scale()
    assert train_step(model, batches, state, fp16, 1.0)[2]
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert state.scaler.get_scale() == scale / 2
    assert (state.step, state.skipped) == (1, 1)  # the rate counts the difference: no update yet
    assert all(p.grad is None for p in model.parameters())
    # and the next step, without the inf, does update the weights
    handle.remove()
    assert not train_step(model, batches, state, fp16, 1.0)[2]
    assert (state.step, state.skipped) == (2, 1)
    assert not all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_skips_the_step_in_every_precision(
    name: str, value: float
) -> None:
    precision = Precision(name, CPU)
    model = make_adapted(dtype=precision.dtype)
    state = sgd_state(model, precision)
    batches = [collate([example], 0) for example in make_examples(4)]
    handle = model.lm_head.register_forward_hook(lambda _m, _x, logits: logits * value)
    before = [p.detach().clone() for p in model.parameters()]
    for count in (1, 2):
        loss, _norm, skipped = train_step(model, batches, state, precision, 1.0)
        assert skipped and not math.isfinite(loss)
        assert state.skipped == state.skipped_in_a_row == state.step == count
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    handle.remove()
    assert not train_step(model, batches, state, precision, 1.0)[2]
    assert (state.step, state.skipped, state.skipped_in_a_row) == (3, 2, 0)


def test_ten_skipped_steps_in_a_row_end_the_run_with_the_weights_before_them() -> None:
    examples = make_examples(32)
    config = replace(CONFIG, epochs=10)
    model = make_adapted()
    steps: list[Step] = []
    kept: list[torch.Tensor] = []
    with pytest.raises(Diverged):
        for step in train(model, examples, config, FP32, initial_state(model, config, FP32)):
            steps.append(step)
            if step.step == 5:
                kept.extend(p.detach().clone() for p in model.parameters())
                model.lm_head.register_forward_hook(lambda _m, _x, logits: logits * math.nan)
    assert [step.skipped for step in steps] == [False] * 5 + [True] * MAX_SKIPPED_IN_A_ROW
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), kept, strict=True))


def run(examples: list[Example], config: TrainConfig) -> tuple[GPT2LMHeadModel, list[Step]]:
    torch.manual_seed(config.seed)
    model = make_adapted(dropout=0.1)
    steps = list(train(model, examples, config, FP32, initial_state(model, config, FP32)))
    assert config.evaluates_at(steps[-1].step, len(examples))
    return model, steps


CONFIG = TrainConfig(gradient_accumulation_steps=8, epochs=2, learning_rate=1e-3)


def test_same_seed_same_adapter_bit_for_bit() -> None:
    examples = make_examples(20)
    (a, _), (b, _) = run(examples, CONFIG), run(examples, CONFIG)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    c, _ = run(examples, replace(CONFIG, seed=1))
    assert not all(torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True))


def test_steps_schedule_and_frozen_base() -> None:
    examples = make_examples(20)
    model, steps = run(examples, CONFIG)
    assert len(steps) == 2 * 3  # 20 rows, 8 a step: two full batches and one of 4
    assert steps[-1].epoch == 2
    rates = [step.lr for step in steps]
    assert rates[0] < max(rates) <= 1e-3 and rates[-1] < max(rates)
    for name, p in make_model(dropout=0.1).named_parameters():
        name = re.sub(r"\.(c_attn|c_proj|c_fc)\.", r".\1.base.", name)
        assert torch.equal(model.get_parameter(name), p), name


def test_lora_plus_is_pefts() -> None:
    examples = make_examples(8)
    config = replace(CONFIG, lora_plus=16.0, max_steps=1, warmup_ratio=0)
    ours, theirs = make_adapted(), make_adapted()
    optimizer = create_loraplus_optimizer(
        theirs, torch.optim.AdamW, lr=config.learning_rate, loraplus_lr_ratio=16.0
    )
    before = {name: p.detach().clone() for name, p in theirs.named_parameters()}
    state = initial_state(ours, config, FP32)
    for _ in train(ours, examples, config, FP32, state):
        pass
    batches = [collate([example], 0) for example in examples]
    train_step(theirs, batches, TrainingState(optimizer, FP32.grad_scaler()), FP32, 1.0)
    for name, p in ours.named_parameters():
        moved = theirs.get_parameter(name) - before[name]
        torch.testing.assert_close(p - before[name], moved, rtol=1e-2, atol=1e-6, msg=name)


def test_a_state_that_says_stop_makes_no_further_step() -> None:
    model = make_adapted()
    state = initial_state(model, CONFIG, FP32)
    for step in train(model, make_examples(20), CONFIG, FP32, state):
        state.stop = step.step == 2
    assert state.step == 2


def test_max_steps_and_eval_every() -> None:
    config = replace(CONFIG, max_steps=5, eval_every="2")
    _model, steps = run(make_examples(20), config)
    assert [step.step for step in steps if config.evaluates_at(step.step, 20)] == [2, 4, 5]
    assert len(steps) == 5


def test_a_skipped_step_holds_the_learning_rate() -> None:
    model, examples = make_adapted(), make_examples(20)
    rates = [step.lr for step in run(examples, CONFIG)[1]]
    assert len(set(rates)) == len(rates)
    held = []
    for step in train(model, examples, CONFIG, FP32, initial_state(model, CONFIG, FP32)):
        held.append(step.lr)
        assert step.skipped == (step.step == 3)
        if step.step == 2:  # the loss of the next step is nan
            hook = model.lm_head.register_forward_hook(lambda _m, _x, logits: logits * math.nan)
        if step.step == 3:
            hook.remove()
    assert held == [*rates[:3], rates[2], *rates[3:5]]


@pytest.mark.parametrize("moment", ["backward", "update"])
def test_a_signal_abandons_a_gradient_but_never_an_update(moment: str) -> None:
    model, examples = make_adapted(), make_examples(20)
    state = initial_state(model, CONFIG, FP32)

    def stop(*_arguments: object) -> None:
        if state.step == 2:
            signal.raise_signal(signal.SIGTERM)

    if moment == "backward":
        next(p for p in model.parameters() if p.requires_grad).register_hook(stop)
    else:
        state.optimizer.register_step_pre_hook(stop)
    seen = []
    with stop_on_signals(), pytest.raises(Stopped):
        for step in train(model, examples, CONFIG, FP32, state):
            seen.append(step.step)
    done = 2 if moment == "backward" else 3
    assert seen == list(range(1, done + 1)) and state.step == done
    assert {int(moments["step"]) for moments in state.optimizer.state.values()} == {done}
    other = make_adapted()
    for _ in islice(train(other, examples, CONFIG, FP32, initial_state(other, CONFIG, FP32)), done):
        pass
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True)
    )


def test_half_masters_are_refused() -> None:
    with pytest.raises(AssertionError, match="fp32"):
        initial_state(make_adapted().half(), CONFIG, FP32)


def test_an_overfitted_model_repeats_the_rows_and_stops_by_itself(tmp_path: Path) -> None:
    examples = make_examples(4, seed=5)
    model = make_model(std=0.3)  # under small embeddings no logit could ever be sure
    inject_lora(model, LoraConfig(rank=16, alpha=32.0, targets=("c_attn", "c_proj", "c_fc")))
    config = TrainConfig(
        gradient_accumulation_steps=4, epochs=200, learning_rate=1e-2, eval_every="200"
    )
    steps = list(train(model, examples, config, FP32, initial_state(model, config, FP32)))
    assert len(steps) == 200 and steps[-1].loss < 0.05
    json.dumps([vars(step) for step in steps])  # what metrics.jsonl needs
    model.eval()
    for example in examples:
        response = [label for label in example.labels if label != IGNORE]
        prompt = torch.tensor([example.input_ids[: -len(response)]])
        tokens = generate(model, prompt, torch.ones_like(prompt), 0, GREEDY)
        assert [int(token) for token in tokens] == response  # EOS included, nothing after it
