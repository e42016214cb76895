"""Real processes that meet by gloo: two or four of them make the step that one makes."""

import json
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from common.console import UserError
from data.batches import collate
from evaluation.evaluate import held_out_loss, summarize_rows
from infer.settings import GREEDY
from infer.summarize import Summarizer
from model.base import Base
from model.precision import Precision
from model.ranks import gather, rank, share, sum_over_ranks, world_size
from pretraining.rows import interview_rows
from tests.conftest import make_model, make_tokenizer
from tests.training.test_loop import (
    CONFIG,
    CPU,
    FP32,
    batch_gradient,
    make_adapted,
    make_examples,
    run,
    sgd_state,
)
from training.checkpoint import identity, moments_of, numbers_of
from training.loop import initial_state, train_step
from training.run import Run

# Examples of a step, one to a micro-batch: a whole window, a partial one, and one that leaves a
# rank of four without a micro-batch.
COUNTS = (32, 21, 3)


def gradients() -> list[dict[str, torch.Tensor]]:
    return [batch_gradient(make_examples(count), 1) for count in COUNTS]


def trained() -> tuple[list[float], list[torch.Tensor]]:
    """The losses of six steps with dropout, the third partial, and the weights after them."""
    model, steps = run(make_examples(20), replace(CONFIG, micro_batch_tokens=0))
    return [step.loss for step in steps], [p.detach() for p in model.parameters()]


def skipped() -> list[Any]:
    """Two steps, in the first of which the last rank alone meets an infinite gradient."""
    fp16 = Precision("fp16", CPU)
    model = make_adapted()
    state = sgd_state(model, fp16)
    batches = [collate([example], 0) for example in make_examples(8)]
    first = next(p for p in model.parameters() if p.requires_grad)
    before = first.detach().clone()
    scale = state.scaler.get_scale()
    factor = math.inf if rank() == world_size() - 1 else 1.0
    handle = first.register_hook(lambda gradient: gradient * factor)
    _, _, was_skipped = train_step(model, batches, state, fp16, 1.0)
    found = [was_skipped, torch.equal(first, before), state.scaler.get_scale() / scale]
    handle.remove()
    return [*found, train_step(model, batches, state, fp16, 1.0)[2], state.step, state.skipped]


def evaluated() -> tuple[float, list[str]]:
    """The loss and the summaries of five rows, written in batches of at most 32."""
    tokenizer = make_tokenizer()
    model = make_model(vocab_size=len(tokenizer), n_positions=1024)
    summarizer = Summarizer(model, tokenizer, replace(GREEDY, max_new_tokens=5))
    summaries = summarize_rows(summarizer, interview_rows(5, seed=3), FP32)
    examples = make_examples(200)
    return held_out_loss(make_adapted(), examples, [""] * 200, FP32).nats, summaries


def started(folder: Path) -> tuple[Any, str]:
    """What a rank begins with, if rank 0 has taken a step; and what other settings are told."""
    base = Base(make_adapted(), make_tokenizer(), "tiny")
    (folder / "x.csv").write_text("x")
    known = json.loads(json.dumps(identity(CONFIG, base, folder / "x.csv", FP32)))
    model, state = base.model, initial_state(base.model, CONFIG, FP32)
    run_here = Run(folder, base, CONFIG, known)
    if rank() == 0:
        for p in model.parameters():
            p.grad = torch.ones_like(p) if p.requires_grad else None
        state.optimizer.param_groups[0]["lr"] = 0.1
        state.optimizer.step()
        state.step, state.skipped, run_here.best_loss = 3, 1, 1.5
    run_here.begin_alike(state)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    found = (weights, moments_of(model, state), numbers_of(state), run_here.best_loss)
    known["settings"] |= {"seed": 42 + rank()}
    try:
        run_here.begin_alike(state)
    except UserError as error:
        return found, str(error)
    return found, ""


def work(number: int, count: int, folder: Path) -> dict[str, Any]:
    """What one of `count` ranks finds."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=count)
    found = {
        "gradients": gradients(),
        "trained": trained(),
        "skipped": skipped(),
        "evaluated": evaluated(),
        "started": started(folder),
        "shares": list(share(range(10))),
    }
    gather(None)  # all have done
    dist.destroy_process_group()
    return found


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each rank of two, and of four, has found."""
    count, folder = request.param, tmp_path_factory.mktemp("ranks")
    processes = get_context("forkserver")  # a process that has imported this file, once, and forks
    processes.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(count, processes) as pool:
        futures = [pool.submit(work, number, count, folder) for number in range(count)]
        return [future.result() for future in futures]


def test_the_gradient_is_that_of_one_rank(ranks: list[Any]) -> None:
    for case, alone in enumerate(gradients()):
        for name, gradient in alone.items():
            first, *others = (found["gradients"][case][name] for found in ranks)
            difference = (first - gradient).norm() / gradient.norm()
            assert difference <= 1e-6, (COUNTS[case], name, difference)
            assert all(torch.equal(first, other) for other in others)


def test_dropout_is_that_of_one_rank_and_all_keep_the_same_weights(ranks: list[Any]) -> None:
    losses, weights = trained()
    for found in ranks:
        assert found["trained"][0] == pytest.approx(losses, rel=1e-6)
        assert all(map(torch.equal, found["trained"][1], ranks[0]["trained"][1]))
    assert not all(map(torch.equal, weights, make_adapted().parameters()))


def test_a_step_that_one_skips_all_skip(ranks: list[Any]) -> None:
    for found in ranks:
        assert found["skipped"] == [True, True, 0.5, False, 2, 1]


def test_evaluation_is_shared_out_and_all_get_the_result(ranks: list[Any]) -> None:
    nats, summaries = evaluated()
    assert len(set(summaries)) > 1
    for found in ranks:
        assert found["evaluated"][0] == pytest.approx(nats, rel=1e-12)
        assert found["evaluated"][1] == summaries
    shares = [found["shares"] for found in ranks]
    assert sorted(item for own in shares for item in own) == list(range(10))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_all_begin_with_what_rank_0_has_read(ranks: list[Any]) -> None:
    (weights, moments, numbers, best), _ = ranks[0]["started"]
    assert numbers["step"] == 3 and best == 1.5 and moments
    for found in ranks:
        (own, own_moments, own_numbers, own_best), _ = found["started"]
        assert own_numbers == numbers and own_best == best
        assert all(torch.equal(own[name], value) for name, value in weights.items())
        assert own_moments.keys() == moments.keys()
        assert all(torch.equal(own_moments[name], value) for name, value in moments.items())


def test_a_rank_with_other_settings_is_told_which(ranks: list[Any]) -> None:
    told = [found["started"][1] for found in ranks]
    assert told[0] == ""
    assert all(f"--seed 42 → {42 + i}" in line for i, line in enumerate(told) if i)


def test_a_process_of_its_own_is_rank_0_of_1() -> None:
    assert (rank(), world_size()) == (0, 1)
    assert share([1, 2, 3]) == [1, 2, 3]
    assert gather("x") == ["x"] and sum_over_ranks(2.5) == 2.5
