"""A run that can be cut anywhere and goes on to the same bits: what a checkpoint has to hold.

Beside the adapter: AdamW's moments, the scheduler, the loss scale, the random numbers, the number
of steps done (which is the place in the data, see `epoch_order`), the best loss so far, and what
the run was started with, so that nothing else is ever taken for its continuation.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from common.files import read_json, sha256
from data.prompts import build_prompt
from lora.adapter import STATE, fill_adapter
from model.base import Base
from model.device import random_state, set_random_state
from model.precision import Precision
from training.config import TrainConfig
from training.loop import Optimization

TENSORS = "training_state.safetensors"

# Where results go and how often: a run may go on with others of these.
FREE = ("output_dir", "tensorboard", "save_steps", "keep_last", "fresh")
# Compared as what they came to be: `auto` is another precision on another machine.
RESOLVED = ("base", "data", "device", "precision")
# What to turn to when the memory does not suffice: the gradient is the same, though not its last
# bits, and dropout may fall elsewhere.
BITS = ("gradient_checkpointing", "compile", "micro_batch_tokens")


def identity(config: TrainConfig, base: Base, data: Path, precision: Precision) -> dict[str, Any]:
    """All that the bits of a run depend on, as JSON; `base` is still without LoRA."""
    settings = {
        name: value for name, value in asdict(config).items() if name not in FREE + RESOLVED
    }
    return {
        "settings": settings,
        "data": {"path": str(data.resolve()), "sha256": sha256(data)},
        "base": {"name": base.name, "sha256": fingerprint(base)},
        "prompt": build_prompt("{question}", "{answer}"),
        "machine": {"device": precision.device.type, "precision": precision.name},
        "torch": torch.__version__,
    }


def fingerprint(base: Base) -> str:
    """A digest of the base's tokenizer and weights, as they are in memory."""
    digest = hashlib.sha256(base.tokenizer.backend_tokenizer.to_str().encode())
    for name, tensor in base.model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What keeps a run that began as `before` from going on as `now`, in Korean words."""
    found = []
    old, new = before["settings"], now["settings"]
    for name in sorted((old.keys() | new.keys()) - set(BITS)):
        if old.get(name) != new.get(name):
            found.append(f"--{name.replace('_', '-')} {old.get(name)} → {new.get(name)}")
    if before["data"]["sha256"] != now["data"]["sha256"]:
        was, path = before["data"]["path"], now["data"]["path"]
        found.append(f"데이터 {was} → {path}" if was != path else f"데이터 {path}의 내용")
    if before["base"]["name"] != now["base"]["name"]:
        found.append(f"베이스 {before['base']['name']} → {now['base']['name']}")
    for name, label in (("device", "장치"), ("precision", "정밀도")):
        if before["machine"][name] != now["machine"][name]:
            found.append(f"{label} {before['machine'][name]} → {now['machine'][name]}")
    # The same weights in another precision have another digest: not named twice.
    if before["base"]["sha256"] != now["base"]["sha256"] and not found:
        found.append(f"베이스 {now['base']['name']}의 가중치나 토크나이저")
    if before["prompt"] != now["prompt"]:
        found.append("프롬프트의 문구(data/prompts.py)")
    return found


def same_bits(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a run that goes on ends as one that was never cut; it may go on even if not."""

    def how(run: dict[str, Any]) -> list[Any]:
        return [*(run["settings"].get(name) for name in BITS), run["torch"]]

    return how(before) == how(now)


def write_tensors(
    model: PreTrainedModel, state: Optimization, device: torch.device, directory: Path
) -> dict[str, Any]:
    """Write moments and random numbers into `directory`; what of the state is no tensor."""
    tensors: dict[str, Tensor] = {f"random/{k}": v for k, v in random_state(device).items()}
    for name, parameter in model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = value.detach().cpu().contiguous()
    save_file(tensors, directory / TENSORS)
    return numbers_of(state)


def restore(
    checkpoint: Path, model: PreTrainedModel, state: Optimization, device: torch.device
) -> None:
    """Put `model` (LoRA injected), `state` and the random numbers where `checkpoint` has them.

    Raises:
        FileNotFoundError, SafetensorError, UserError, KeyError, TypeError, ValueError: a file is
            missing or damaged.
    """
    fill_adapter(model, checkpoint)
    tensors = load_file(checkpoint / TENSORS)
    record = read_json(checkpoint / STATE)
    own = numbers_of(state)
    require_like({name: record[name] for name in own}, own)
    state.step = record["step"]
    state.skipped, state.skipped_in_a_row = record["skipped"], record["skipped_in_a_row"]
    state.scheduler.load_state_dict(record["scheduler"])
    state.scaler.load_state_dict(record["scaler"])
    for group, lr in zip(state.optimizer.param_groups, state.scheduler.get_last_lr(), strict=True):
        group["lr"] = lr
    for name, parameter in model.named_parameters():
        moments = below(f"optimizer/{name}/", tensors)
        if moments:  # none where every step so far was skipped
            shapes = dict.fromkeys(("exp_avg", "exp_avg_sq"), parameter.shape) | {"step": ()}
            if {key: value.shape for key, value in moments.items()} != shapes:
                raise ValueError(f"moments of {name}")
            state.optimizer.state[parameter] = {
                key: value.to(parameter, copy=True) for key, value in moments.items()
            }
    try:
        set_random_state(below("random/", tensors), device)
    except RuntimeError as error:  # a ValueError, as the rest: torch also runs out of memory so
        raise ValueError(f"random numbers: {error}") from error


def numbers_of(state: Optimization) -> dict[str, Any]:
    """What of the state is no tensor, as JSON."""
    return {
        "step": state.step,
        "skipped": state.skipped,
        "skipped_in_a_row": state.skipped_in_a_row,
        "scheduler": state.scheduler.state_dict(),
        "scaler": state.scaler.state_dict(),
    }


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def require_like(value: Any, own: Any) -> None:
    """Raise a TypeError where `value` from a file is not built as our `own` is."""
    if isinstance(own, dict) and isinstance(value, dict) and value.keys() == own.keys():
        for key in own:
            require_like(value[key], own[key])
    elif isinstance(own, list) and isinstance(value, list) and len(value) == len(own):
        for one, other in zip(value, own, strict=True):
            require_like(one, other)
    elif isinstance(own, dict | list) or type(value) is not type(own):
        raise TypeError(f"{type(value).__name__} for {type(own).__name__}")
