"""The training loop: fp16 autocast, loss scaling, gradient accumulation. Nothing is hidden.

https://pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from tqdm import tqdm
from transformers import PreTrainedModel

from data.encode import Example, collate, cut_window
from training.config import LENGTHS, TrainConfig
from training.loss import count_targets, response_loss
from training.precision import Precision
from training.schedule import cosine_with_warmup


@dataclass(frozen=True)
class Step:
    """What one optimizer step reports."""

    step: int  # counted from 1, skipped ones too
    epoch: float
    loss: float  # mean cross entropy over the window's response tokens, in nats
    lr: float
    grad_norm: float  # before clipping
    tokens: int  # tokens of the window, prompt and padding included
    skipped: bool  # GradScaler found an inf or nan and left the weights alone


def train(
    model: PreTrainedModel,
    examples: Sequence[Example],
    config: TrainConfig,
    precision: Precision,
    on_step: Callable[[Step, bool], None],
) -> None:
    """Train the parameters of `model` that require gradients.

    `on_step(step, evaluate)` is called after each step; `evaluate` says that one is due.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    assert all(p.dtype == torch.float32 for p in parameters), "LoRA masters must be fp32"
    token_budget = config.token_budget(int(model.config.max_position_embeddings))
    windows = math.ceil(len(examples) / config.window)
    total = min(config.epochs * windows, config.max_steps or config.epochs * windows)
    every = windows if config.eval_every == "epoch" else int(config.eval_every)

    optimizer = AdamW(
        parameters,
        config.peak_learning_rate(model.config.hidden_size),
        weight_decay=config.weight_decay,
        fused=True,
    )
    warmup = math.ceil(config.warmup_ratio * total)
    scheduler = LambdaLR(optimizer, partial(cosine_with_warmup, warmup=warmup, total=total))
    scaler = precision.grad_scaler()
    shuffle = torch.Generator().manual_seed(config.seed)
    progress = tqdm(total=total, desc="학습", unit="step", dynamic_ncols=True)

    for step in range(1, total + 1):
        position = (step - 1) % windows
        if position == 0:
            order = torch.randperm(len(examples), generator=shuffle).tolist()
        chosen = order[position * config.window : (position + 1) * config.window]
        window = [examples[i] for i in chosen]
        micro_batches = [
            # What pads does not matter: its label is -100, and causal attention never sees it.
            collate(examples, pad_id=0, multiple=LENGTHS)
            for examples in cut_window(window, config.micro_batch_size, token_budget, LENGTHS)
        ]
        model.train()
        lr = float(scheduler.get_last_lr()[0])
        loss, grad_norm, skipped = train_window(
            model, micro_batches, optimizer, scheduler, scaler, precision, config.max_grad_norm
        )
        tokens = sum(batch["input_ids"].numel() for batch in micro_batches)
        result = Step(step, step / windows, loss, lr, grad_norm, tokens, skipped)
        progress.update()
        speed = tokens * (progress.format_dict["rate"] or 0)
        progress.set_postfix_str(f"loss {loss:.3f}, lr {lr:.1e}, {speed:,.0f} tok/s")
        on_step(result, step % every == 0 or step == total)
    progress.close()


def train_window(
    model: PreTrainedModel,
    micro_batches: Sequence[dict[str, torch.Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler,
    scaler: torch.amp.GradScaler,
    precision: Precision,
    max_grad_norm: float,
) -> tuple[float, float, bool]:
    """One optimizer step over a window of micro-batches: (loss, gradient norm, skipped).

    The gradient is the mean over all response tokens of the window: each micro-batch adds its sum
    of losses divided by the *window's* token count. Averaging each micro-batch by its own count
    instead would give a token in a short summary more weight than one in a long summary.
    """
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
    scaler.unscale_(optimizer)  # clipping must see true gradients
    grad_norm = clip_grad_norm_(parameters, max_grad_norm)
    scale = scaler.get_scale()
    scaler.step(optimizer)  # does not step where a gradient is inf or nan
    scaler.update()
    skipped = scaler.get_scale() < scale
    if not skipped:
        scheduler.step()
    optimizer.zero_grad(set_to_none=True)
    return window_loss.item(), grad_norm.item(), skipped
