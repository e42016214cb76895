"""The training loop: fp16 autocast, loss scaling, gradient accumulation. Nothing is hidden.

https://pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from tqdm import tqdm
from transformers import PreTrainedModel

from data.batches import LENGTH_MULTIPLE, collate, split_batch
from data.encode import Example
from model.device import random_state, set_random_state
from model.loss import count_targets, response_loss
from model.precision import Precision
from training.config import TrainConfig
from training.schedule import cosine_with_warmup

# Steps in a row without a finite gradient, after which no further one is to be hoped for. (fp16
# may need a few at first: each halves the loss scale.)
HOPELESS = 10


class Diverged(Exception):
    """`HOPELESS` steps in a row had to be skipped. The weights are those before the first."""


@dataclass(frozen=True)
class Step:
    """What one optimizer step reports."""

    step: int  # counted from 1, skipped ones too
    epoch: float
    loss: float  # mean cross entropy over the window's response tokens, in nats
    lr: float
    grad_norm: float  # before clipping
    tokens: int  # tokens of the window, prompt and padding included
    skipped: bool  # the loss or the gradient held an inf or nan: the weights were left alone


@dataclass
class Optimization:
    """What a step changes besides the weights."""

    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler
    step: int = 0  # steps done
    skipped: int = 0
    skipped_in_a_row: int = 0


def start(
    model: PreTrainedModel, config: TrainConfig, precision: Precision, count: int
) -> Optimization:
    """AdamW on what requires gradients, warm-up and cosine over all steps that `count` rows make.

    https://arxiv.org/abs/1711.05101
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    assert all(p.dtype == torch.float32 for p in parameters), "LoRA masters must be fp32"
    optimizer = AdamW(
        parameters,
        config.peak_learning_rate(model.config.hidden_size),
        weight_decay=config.weight_decay,
        fused=True,
    )
    total = config.steps(count)
    warmup = math.ceil(config.warmup_ratio * total)
    scheduler = LambdaLR(optimizer, partial(cosine_with_warmup, warmup=warmup, total=total))
    return Optimization(optimizer, scheduler, precision.grad_scaler())


def train(
    model: PreTrainedModel,
    examples: Sequence[Example],
    config: TrainConfig,
    precision: Precision,
    on_step: Callable[[Step, bool], None],
    state: Optimization | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Train the parameters of `model` that require gradients, from step `state.step` on.

    `on_step(step, evaluate)` is called after each step; `evaluate` says that one is due. `check()`
    is called after each micro-batch and may raise: model, `state` and random numbers are then as
    the last step left them.

    Raises:
        Diverged: too many steps in a row had no finite gradient.
    """
    state = state or start(model, config, precision, len(examples))
    token_budget = config.token_budget(int(model.config.max_position_embeddings))
    windows, total = config.windows(len(examples)), config.steps(len(examples))
    progress = tqdm(total=total, initial=state.step, desc="학습", unit="step", dynamic_ncols=True)

    for step in range(state.step + 1, total + 1):
        epoch, position = divmod(step - 1, windows)
        order = epoch_order(len(examples), config.seed, epoch)
        chosen = order[position * config.window : (position + 1) * config.window]
        window = [examples[i] for i in chosen]
        micro_batches = [
            # What pads does not matter: its label is -100, and causal attention never sees it.
            collate(examples, pad_id=0, multiple=LENGTH_MULTIPLE)
            for examples in split_batch(
                window, config.micro_batch_size, token_budget, LENGTH_MULTIPLE
            )
        ]
        model.train()
        lr = float(state.scheduler.get_last_lr()[0])
        random = random_state(precision.device)
        try:
            loss, grad_norm, skipped = train_window(
                model, micro_batches, state, precision, config.max_grad_norm, check
            )
        except BaseException:
            set_random_state(random, precision.device)  # as if dropout had not drawn from it
            state.optimizer.zero_grad(set_to_none=True)
            raise
        tokens = sum(batch["input_ids"].numel() for batch in micro_batches)
        result = Step(step, step / windows, loss, lr, grad_norm, tokens, skipped)
        progress.update()
        speed = tokens * (progress.format_dict["rate"] or 0)
        progress.set_postfix_str(f"loss {loss:.3f}, lr {lr:.1e}, {speed:,.0f} tok/s")
        on_step(result, config.evaluates_at(step, len(examples)))
        if state.skipped_in_a_row >= HOPELESS:
            raise Diverged
    progress.close()


def train_window(
    model: PreTrainedModel,
    micro_batches: Sequence[dict[str, torch.Tensor]],
    state: Optimization,
    precision: Precision,
    max_grad_norm: float,
    check: Callable[[], None] = lambda: None,
) -> tuple[float, float, bool]:
    """One optimizer step over a window of micro-batches: (loss, gradient norm, skipped).

    The gradient is the mean over all response tokens of the window: each micro-batch adds its sum
    of losses divided by the *window's* token count. Averaging each micro-batch by its own count
    instead would give a token in a short summary more weight than one in a long summary.

    A step whose loss or gradient holds an inf or nan is skipped, and so is the scheduler's.
    """
    optimizer, scaler = state.optimizer, state.scaler
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    tokens = sum(count_targets(batch["labels"]) for batch in micro_batches)
    window_loss = torch.zeros((), device=precision.device)
    for batch in micro_batches:
        input_ids = batch["input_ids"].to(precision.device, non_blocking=True)
        labels = batch["labels"].to(precision.device, non_blocking=True)
        with precision.autocast():
            loss = response_loss(model, input_ids, labels) / tokens
        scaler.scale(loss).backward()
        window_loss += loss.detach()
        check()
    scaler.unscale_(optimizer)  # clipping must see true gradients
    norm = clip_grad_norm_(parameters, max_grad_norm)
    # The one time in a window that the CPU waits for the device.
    mean_loss, grad_norm = torch.stack([window_loss, norm]).tolist()
    skipped = not (math.isfinite(mean_loss) and math.isfinite(grad_norm))
    if not skipped:
        scaler.step(optimizer)
        state.scheduler.step()
    scaler.update()  # halves the scale where it was the gradient that overflowed
    optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.skipped += skipped
    state.skipped_in_a_row = state.skipped_in_a_row + 1 if skipped else 0
    return mean_loss, grad_norm, skipped


@lru_cache(maxsize=1)
def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """The order of `count` rows in an epoch, counted from 0: a function of the seed alone.

    So the number of steps done is all that a run needs to know to go on in the middle of an epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epoch):
        torch.randperm(count, generator=generator)
    return torch.randperm(count, generator=generator).tolist()
