"""Exercise 6: a plain step without a scaler, in fp32, is the truth."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from exercises.checking import Wrong, compare, expect, unpack
from exercises.checks.tiny import batch, gradient, tiny_gpt2
from model.loss import count_targets, response_loss
from model.precision import Precision
from training.loop import TrainingState

TrainStep = Callable[..., Any]
BATCHES = [batch((3, 2)), batch((2, 12), (5, 1))]
FP32 = Precision("fp32", torch.device("cpu"))
SCALE = 1024.0


class Recorder(torch.optim.SGD):
    """SGD at rate 1 that remembers the gradient it was given: zeros until its `step` is called."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__(model.parameters(), lr=1.0)
        self.model = model
        self.seen = torch.zeros_like(gradient(model))

    def step(self, closure: Any = None) -> Any:
        self.seen = gradient(self.model)
        return super().step(closure)


class Run:
    """A model and its state, to which `train_step` is applied."""

    def __init__(self, train_step: TrainStep) -> None:
        self.train_step = train_step
        self.steps = 0
        self.model = tiny_gpt2()
        self.optimizer = Recorder(self.model)
        self.state = TrainingState(self.optimizer, torch.amp.GradScaler("cpu", init_scale=SCALE))

    def step(self, max_grad_norm: float = math.inf) -> tuple[Tensor, list[Any]]:
        """The gradient with which one step changed the weights, and what the step returned."""
        self.optimizer.seen = torch.zeros_like(self.optimizer.seen)
        try:
            returned = self.train_step(self.model, BATCHES, self.state, FP32, max_grad_norm)
        except RuntimeError as error:
            # PyTorch's message names the method that comes too early, not the one that is missing.
            expect(
                not self.steps or "step()" not in str(error),
                "앞 스텝에서 scaler.update()를 부르지 않았습니다. 스텝마다 끝에 부르세요",
            )
            raise
        self.steps += 1
        return self.optimizer.seen, unpack(("손실", "노름", "건너뛰었는지"), returned)


def check(train_step: TrainStep) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    want, loss = truth(tiny_gpt2())
    norm = float(want.norm())

    yield "옵티마이저가 진짜 그래디언트를 받는다"
    moved, returned = Run(train_step).step()
    compare("옵티마이저가 받은 그래디언트", moved, want, {
        "가중치를 고치지 않았습니다. scaler.step(optimizer)를 불렀나요?": torch.zeros_like(want),
        "그래디언트에 배율이 곱해진 채로 가중치를 고쳤습니다. unscale_을 먼저 부르고, "
        "optimizer.step() 대신 scaler.step(optimizer)를 쓰세요": want * SCALE,
        "배율을 나누기만 했습니다. backward() 전에 scaler.scale(loss)": want / SCALE,
        "마지막 마이크로배치로만 고쳤습니다": truth(tiny_gpt2(), BATCHES[-1:])[0],
        "첫 마이크로배치로만 고쳤습니다": truth(tiny_gpt2(), BATCHES[:1])[0],
    })  # fmt: skip
    yield "돌려준 손실, 노름, 건너뛰었는지"
    try_returned(returned, loss, norm, norm)

    yield "노름이 최대를 넘으면 자른다"
    moved, returned = Run(train_step).step(norm / 4)
    compare("옵티마이저가 받은 그래디언트", moved, want / 4, {
        "자르지 않았습니다": want,
        "배율이 곱해진 그래디언트를 잘라, 그만큼 작아졌습니다. 자르기 전에 "
        "scaler.unscale_(optimizer)를 부르세요": want / 4 / SCALE,
    })  # fmt: skip
    try_returned(returned, loss, norm, norm / 4)

    yield "다음 스텝에 그래디언트가 남지 않는다"
    run = Run(train_step)
    run.step()
    for parameter in run.model.parameters():
        if parameter.grad is not None:  # what is left would be divided by the scale: make it large
            parameter.grad *= SCALE
    second = truth(run.model)[0]
    left_over = "앞 스텝의 그래디언트가 더해졌습니다. optimizer.zero_grad()를 부르세요"
    compare("두 번째 스텝의 그래디언트", run.step()[0], second, {left_over: second + want})

    yield "그래디언트에 inf가 있으면 건너뛴다"
    run = Run(train_step)
    try_overflow(run)

    yield "건너뛴 다음의 스텝은 다시 정상이다"
    compare("옵티마이저가 받은 그래디언트", run.step()[0], want)


def truth(model: GPT2LMHeadModel, batches: Any = None) -> tuple[Tensor, float]:
    """The gradient of a batch's mean loss (of some of its micro-batches only), and that loss."""
    model = deepcopy(model)
    model.zero_grad()
    tokens = sum(count_targets(b["labels"]) for b in BATCHES)
    parts = [response_loss(model, b["input_ids"], b["labels"]) for b in batches or BATCHES]
    loss = torch.stack(parts).sum() / tokens
    loss.backward()
    return gradient(model), float(loss.detach())


def try_returned(returned: list[Any], loss: float, norm: float, clipped: float) -> None:
    """Compare the three values that a step returned."""
    for name, value in zip(("손실", "노름"), returned[:2], strict=True):
        expect(
            isinstance(value, float | int | Tensor),
            f"{name}: 수여야 하는데 {type(value).__name__}입니다",
        )
    got_loss, got_norm = float(returned[0]), float(returned[1])
    expect(
        not math.isclose(got_loss, loss * SCALE, rel_tol=1e-3),
        "손실: 배율이 곱해진 값입니다. scale하기 전의 손실을 더하세요",
    )
    right = math.isclose(got_loss, loss, rel_tol=1e-3)
    expect(
        right,
        f"손실: {loss:.4f}여야 하는데 {got_loss:.4f}입니다. 마이크로배치의 손실을 모두 더하세요",
    )
    mistakes = {
        norm * SCALE: "배율이 곱해진 노름입니다. unscale_ 뒤에 재세요",
        clipped: "자른 뒤의 노름입니다. clip_grad_norm_이 돌려주는 자르기 전의 값을 쓰세요",
    }
    if not math.isclose(got_norm, norm, rel_tol=1e-3):
        named = [t for v, t in mistakes.items() if math.isclose(got_norm, v, rel_tol=1e-3)]
        raise Wrong(f"노름: {(named or [f'{norm:.4f}여야 하는데 {got_norm:.4f}입니다'])[0]}")
    expect(not returned[2], "건너뛰지 않은 스텝인데 건너뛰었다고 했습니다")


def try_overflow(run: Run) -> None:
    """One gradient is forced to inf: nothing may move, and the scale is halved."""
    parameter = next(run.model.parameters())
    handle = parameter.register_hook(lambda grad: grad * math.inf)
    moved, returned = run.step()
    handle.remove()
    expect(
        not moved.isnan().any(),
        "가중치가 nan이 되었습니다. optimizer.step() 대신 scaler.step(optimizer)를 부르세요",
    )
    expect(not moved.any(), "그래디언트가 inf인데 가중치가 움직였습니다")
    expect(
        bool(returned[2]), "건너뛰었는데 그렇다고 하지 않았습니다. 노름이 수인지 보세요 (isfinite)"
    )
    scale = run.state.scaler.get_scale()
    expect(
        scale == SCALE / 2,
        f"배율이 {SCALE:g}에서 반으로 줄어야 하는데 {scale:g}입니다. "
        "끝에 scaler.update()를 부르세요",
    )
