"""What a run saves so that it can be stopped anywhere and resumed to the same bits.

That is the adapter, the moments of AdamW, the loss scale, and the numbers of steps done and
skipped. Examples, learning rate and dropout follow from the seed and the step. The identity of the
run is saved as well: a run is resumed with the same settings, data and base only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from common.console import UserError
from common.files import sha256
from data.prompts import build_prompt
from lora.adapter import fill_adapter
from model.base import Base, fingerprint
from model.precision import Precision
from model.ranks import world_size
from training.config import TrainConfig, fields_by_rule
from training.loop import TrainingState

MOMENTS_FILE = "optimizer.safetensors"
NO_FILE = {"path": None, "sha256": None}  # of a run whose validation rows have no file of their own


class DamagedCheckpoint(UserError):
    """A checkpoint cannot be resumed: a file is missing, incomplete or not written by a run."""


@contextmanager
def reading(checkpoint: Path) -> Iterator[None]:
    """Raise `DamagedCheckpoint` for everything that a truncated or foreign file can raise."""
    reads = (FileNotFoundError, SafetensorError, UserError)
    types = (AttributeError, KeyError, TypeError, ValueError)
    try:
        yield
    except (*reads, *types) as error:
        raise DamagedCheckpoint(
            f"{checkpoint}: 손상되어 이어서 할 수 없습니다 (자세히는 --debug). 이 폴더를 지우면 그 "
            "앞의 체크포인트에서 이어서 하고, --fresh를 주면 처음부터 합니다."
        ) from error


def identity(
    config: TrainConfig,
    base: Base,
    data: Path,
    precision: Precision,
    validation: Path | None = None,
) -> dict[str, Any]:
    """Everything that the bits of a run depend on, as JSON. The base must not have LoRA yet."""
    compared = fields_by_rule(None) + fields_by_rule("bits")
    return {
        "settings": {name: value for name, value in asdict(config).items() if name in compared},
        "data": file_identity(data),
        "validation": file_identity(validation) if validation else NO_FILE,
        "base": {"name": base.name, "sha256": fingerprint(base)},
        "prompt": build_prompt("{question}", "{answer}"),
        "machine": {"device": precision.device.type, "precision": precision.name},
        "torch": torch.__version__,
        "ranks": world_size(),  # the order in which their gradients are added up
    }


def file_identity(path: Path) -> dict[str, Any]:
    """Where a file is, and the digest of its content."""
    return {"path": str(path.resolve()), "sha256": sha256(path)}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Why a run with the identity `before` cannot be resumed as `now`, in Korean."""
    old, new = before["settings"], now["settings"]
    found = [
        f"--{name.replace('_', '-')} {old.get(name)} → {new.get(name)}"
        for name in sorted((old.keys() | new.keys()) - set(fields_by_rule("bits")))
        if old.get(name) != new.get(name)
    ]
    for label, part in (("데이터", "data"), ("검증 데이터", "validation")):
        file_then, file_now = before.get(part, NO_FILE), now[part]
        if file_then["sha256"] != file_now["sha256"]:
            was, path = file_then["path"], file_now["path"]
            found.append(f"{label} {was} → {path}" if was != path else f"{label} {path}의 내용")
    compared = [("베이스", "base", "name"), ("장치", "machine", "device")]
    for label, group, name in [*compared, ("정밀도", "machine", "precision")]:
        if before[group][name] != now[group][name]:
            found.append(f"{label} {before[group][name]} → {now[group][name]}")
    # A base in another precision has another digest, which is no further difference.
    if before["base"]["sha256"] != now["base"]["sha256"] and not found:
        found.append(f"베이스 {now['base']['name']}의 가중치나 토크나이저")
    if before["prompt"] != now["prompt"]:
        found.append("프롬프트의 문구(data/prompts.py)")
    return found


def same_bits(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a resumed run without `differences` ends with the bits of one that did not stop."""
    return all(before.get(part) == now[part] for part in ("settings", "torch", "ranks"))


def save_state(directory: Path, model: PreTrainedModel, state: TrainingState) -> dict[str, Any]:
    """Write the optimizer's moments into `directory`; return the rest of the state as JSON."""
    save_file(moments_of(model, state), directory / MOMENTS_FILE)
    return numbers_of(state)


def restore(
    checkpoint: Path, record: dict[str, Any], model: PreTrainedModel, state: TrainingState
) -> None:
    """Load a checkpoint into `model`, which has LoRA layers already, and `state`.

    `record` holds what `save_state` has returned. To be called inside `reading`.
    """
    fill_adapter(model, checkpoint)
    own = numbers_of(state)
    if types_of({name: record[name] for name in own}) != types_of(own):
        raise TypeError("the state of the run has other types")
    set_numbers(state, record)
    set_moments(model, state, load_file(checkpoint / MOMENTS_FILE))


def moments_of(model: PreTrainedModel, state: TrainingState) -> dict[str, Tensor]:
    """The optimizer's moments on the CPU, by parameter; empty before the first step."""
    return {
        f"{name}/{key}": moment.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        for key, moment in state.optimizer.state.get(parameter, {}).items()
    }


def set_moments(model: PreTrainedModel, state: TrainingState, tensors: dict[str, Tensor]) -> None:
    """Put back what `moments_of` has returned after a step."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            shapes = {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
            moments = {key: tensors[f"{name}/{key}"].to(parameter, copy=True) for key in shapes}
            if {key: moment.shape for key, moment in moments.items()} != shapes:
                raise ValueError(f"the moments of {name} have another shape")
            state.optimizer.state[parameter] = moments


def numbers_of(state: TrainingState) -> dict[str, Any]:
    """The part of the state that is not tensors, as JSON."""
    return {"step": state.step, "skipped": state.skipped, "scaler": state.scaler.state_dict()}


def set_numbers(state: TrainingState, numbers: dict[str, Any]) -> None:
    """Put back what `numbers_of` has returned."""
    state.step, state.skipped = numbers["step"], numbers["skipped"]
    state.scaler.load_state_dict(numbers["scaler"])


def types_of(value: Any) -> Any:
    """`value` with every leaf of its nested dictionaries replaced by its type."""
    return {k: types_of(v) for k, v in value.items()} if isinstance(value, dict) else type(value)
