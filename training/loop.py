"""The training loop: autocast, loss scaling and gradient accumulation, with nothing hidden.

https://pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel

from common.interrupt import interruptible
from data.batches import LENGTH_MULTIPLE, collate, split_batch
from data.encode import Example
from model.loss import count_targets, response_loss
from model.precision import Precision
from training.config import TrainConfig
from training.schedule import cosine_with_warmup

# Training ends after so many skipped steps in a row. fp16 may skip a few at the beginning.
MAX_SKIPPED_IN_A_ROW = 10


class Diverged(Exception):
    """`MAX_SKIPPED_IN_A_ROW` steps were skipped. The weights are those before the first of them."""


@dataclass(frozen=True)
class Step:
    """What one optimizer step reports: a line of the log."""

    step: int  # counted from 1, skipped steps included
    epoch: float
    loss: float  # mean cross entropy over the response tokens of the batch, in nats
    lr: float  # of A; with LoRA+ that of B is a multiple
    grad_norm: float  # before clipping
    tokens: int  # tokens of the batch, prompts and padding included
    skipped: bool  # the loss or a gradient was inf or nan, so the weights stayed as they were


@dataclass
class TrainingState:
    """What a step changes besides the weights of the model."""

    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0  # steps done, skipped steps included
    skipped: int = 0
    skipped_in_a_row: int = 0  # not saved: a run is never resumed after a skipped step
    stop: bool = False  # an evaluation has ended the run; not saved, since it is done again


def initial_state(
    model: PreTrainedModel, config: TrainConfig, precision: Precision
) -> TrainingState:
    """AdamW (https://arxiv.org/abs/1711.05101) on the parameters that require gradients.

    LoRA+ (https://arxiv.org/abs/2402.12354) lets B, which starts at zero, learn faster than A.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.dtype == torch.float32 for p in trained.values()), "LoRA masters must be fp32"
    b = [p for name, p in trained.items() if "lora_B" in name]
    a = [p for name, p in trained.items() if "lora_B" not in name]
    groups = [{"params": a, "lr_ratio": 1.0}, {"params": b, "lr_ratio": config.lora_plus}]
    # `train` sets the learning rate before each step.
    optimizer = AdamW(groups, lr=0.0, weight_decay=config.weight_decay, fused=True)
    return TrainingState(optimizer, precision.grad_scaler())


def train(
    model: PreTrainedModel,
    examples: Sequence[Example],
    config: TrainConfig,
    precision: Precision,
    state: TrainingState,
) -> Iterator[Step]:
    """Train the parameters of `model` that require gradients, and yield after each step.

    The first step is the one after `state.step`. Examples, learning rate and dropout of a step are
    functions of (seed, step) alone, so a run that was stopped and resumed makes the same steps as
    one that was not.

    Raises:
        Diverged: too many steps in a row had no finite loss or gradient.
    """
    rows, context = len(examples), int(model.config.max_position_embeddings)
    steps_per_epoch, total = config.steps_per_epoch(rows), config.steps(rows)
    peak = config.peak_learning_rate(model.config.hidden_size)
    warmup = math.ceil(config.warmup_ratio * total)

    while state.step < total and not state.stop:
        # The examples of this step.
        micro_batches = batch_of_step(examples, config, state.step, context)
        tokens = sum(batch["input_ids"].numel() for batch in micro_batches)

        # The learning rate. It counts applied updates, so a skipped step holds the schedule.
        lr = peak * cosine_with_warmup(state.step - state.skipped, warmup, total)
        for group in state.optimizer.param_groups:
            group["lr"] = lr * group["lr_ratio"]

        # Dropout draws from PyTorch's default generator. The seed itself has drawn the matrices A.
        torch.manual_seed(config.seed + 1 + state.step)
        model.train()
        loss, norm, skipped = train_step(
            model, micro_batches, state, precision, config.max_grad_norm
        )
        yield Step(state.step, state.step / steps_per_epoch, loss, lr, norm, tokens, skipped)
        if state.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise Diverged


def train_step(
    model: PreTrainedModel,
    micro_batches: Sequence[dict[str, Tensor]],
    state: TrainingState,
    precision: Precision,
    max_grad_norm: float,
) -> tuple[float, float, bool]:
    """One optimizer step: mean loss, gradient norm before clipping, whether it was skipped.

    The gradient is the mean over all response tokens of the batch: each micro-batch adds its sum
    of losses divided by the token count of the *batch*. Averaging each micro-batch by its own
    count would give a token of a short summary more weight than one of a long summary.
    """
    optimizer, scaler = state.optimizer, state.scaler
    optimizer.zero_grad(set_to_none=True)  # an interrupted step may have left some
    response_tokens = sum(count_targets(batch["labels"]) for batch in micro_batches)
    batch_loss = torch.zeros((), device=precision.device)

    # Forward and backward passes: the gradients of all micro-batches add up in p.grad.
    with interruptible():
        for batch in micro_batches:
            input_ids = batch["input_ids"].to(precision.device, non_blocking=True)  # (B, T)
            labels = batch["labels"].to(precision.device, non_blocking=True)  # (B, T)
            with precision.autocast():
                loss = response_loss(model, input_ids, labels) / response_tokens  # scalar, fp32
            scaler.scale(loss).backward()
            batch_loss += loss.detach()

    # Clipping has to see the true gradients, without the loss scale.
    scaler.unscale_(optimizer)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = clip_grad_norm_(parameters, max_grad_norm)

    # Update the weights, or skip the step if the loss or a gradient is inf or nan. This is the
    # only line of a step at which the CPU waits for the device.
    mean_loss, grad_norm = torch.stack([batch_loss, norm]).tolist()
    skipped = not (math.isfinite(mean_loss) and math.isfinite(grad_norm))
    if not skipped:
        scaler.step(optimizer)
    scaler.update()  # halves the loss scale if a gradient has overflowed
    optimizer.zero_grad(set_to_none=True)

    # No signal interrupts from the update to here: weights and counters always belong together.
    state.step += 1
    state.skipped += skipped
    state.skipped_in_a_row = state.skipped_in_a_row + 1 if skipped else 0
    return mean_loss, grad_norm, skipped


def batch_of_step(
    examples: Sequence[Example], config: TrainConfig, step: int, context: int
) -> list[dict[str, Tensor]]:
    """The micro-batches of a step, counted from 0: `input_ids` and `labels`, both (B, T)."""
    epoch, position = divmod(step, config.steps_per_epoch(len(examples)))
    first = position * config.examples_per_step
    order = epoch_order(len(examples), config.seed, epoch)
    batch = [examples[row] for row in order[first : first + config.examples_per_step]]
    parts = split_batch(batch, config.batch_size, config.token_budget(context), LENGTH_MULTIPLE)
    # Any pad_id works: padded labels are -100, and causal attention never looks right.
    return [collate(part, pad_id=0, multiple=LENGTH_MULTIPLE) for part in parts]


@lru_cache(maxsize=1)
def epoch_order(rows: int, seed: int, epoch: int) -> list[int]:
    """The order of the rows in an epoch, counted from 0.

    It depends on the seed alone, so the number of steps done is the position in the data.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epoch):
        torch.randperm(rows, generator=generator)
    return torch.randperm(rows, generator=generator).tolist()
