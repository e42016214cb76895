"""Adapters on disk, in PEFT's layout and with PEFT's names: either side opens the other's files.

https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from common.console import UserError
from common.files import read_json
from lora.inject import LoraConfig, inject_lora, lora_layers, names_in_block
from lora.layer import is_conv1d

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
BASE_BITS = "base_bits"
STATE = "trainer_state.json"  # the state of the run that wrote the adapter
PREFIX = "base_model.model."  # PeftModel.base_model is a LoraModel, whose .model is the base

# PEFT settings that change what an adapter computes, with their values for plain LoRA.
PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "lora_bias": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "modules_to_save": None,
    "layers_to_transform": None,
    "exclude_modules": None,
}


@dataclass(frozen=True)
class AdapterInfo:
    """The content of `adapter_config.json`: hyperparameters, and the base of the training."""

    lora: LoraConfig
    base: str  # empty if PEFT did not know the name


def matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """A and B of every LoRA layer, by the names that PEFT gives them in a file."""
    found = {}
    for name, layer in lora_layers(model).items():
        found[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A  # (rank, in)
        found[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B  # (out, rank)
    return found


def save_adapter(
    model: nn.Module, config: LoraConfig, base: str, directory: Path, base_bits: int | None = None
) -> None:
    """Write the adapter of `model` into an existing directory, A and B in fp32.

    `base_bits` is recorded in the header of the weights, which PEFT ignores: it would warn of a
    key of adapter_config.json that it does not know.
    """
    weights = {key: matrix.detach().cpu().contiguous() for key, matrix in matrices(model).items()}
    # One key alone: safetensors writes two in any order, and equal runs have to leave equal bytes.
    header = {BASE_BITS: str(base_bits)} if base_bits else {"format": "pt"}
    save_file(weights, directory / WEIGHTS, metadata=header)
    targets = config.targets or names_in_block(lora_layers(model))
    settings = PLAIN | {
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "use_rslora": config.rslora,
        # The rows of B that "attn.c_attn:qv" leaves out are zero, so this is a plain adapter.
        "target_modules": [target.partition(":")[0] for target in targets],
        "fan_in_fan_out": any(is_conv1d(m.base) for m in lora_layers(model).values()),
        "inference_mode": True,
    }
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")


def read_adapter_config(directory: Path) -> AdapterInfo:
    """Read an `adapter_config.json` that this project or PEFT wrote."""
    path = directory / CONFIG
    try:
        settings = read_json(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{directory}: 어댑터가 아닙니다 ({CONFIG}이 없음). 먼저 make train을 실행하세요."
        ) from error
    for key, plain in PLAIN.items():
        if settings.get(key, plain) not in (plain, None, {}, []):
            raise UserError(
                f"{path}: '{key}: {settings[key]}'은(는) 지원하지 않습니다. "
                "기본 LoRA로 다시 학습하세요."
            )
    rank: Any = settings.get("r")
    alpha: Any = settings.get("lora_alpha")
    dropout: Any = settings.get("lora_dropout")
    rslora: Any = settings.get("use_rslora", False)
    targets: Any = settings.get("target_modules")
    base: Any = settings.get("base_model_name_or_path")
    valid = {
        "r": isinstance(rank, int) and 0 < rank < 2**16,
        "lora_alpha": isinstance(alpha, int | float) and abs(alpha) < 1e6,
        "lora_dropout": isinstance(dropout, int | float) and 0 <= dropout < 1,
        "use_rslora": isinstance(rslora, bool),
        "target_modules": isinstance(targets, list) and all(isinstance(t, str) for t in targets),
        "base_model_name_or_path": base is None or isinstance(base, str),
    }
    for key, is_valid in valid.items():
        if not is_valid:
            raise UserError(
                f"{path}: {key}의 값 {settings.get(key)!r}을(를) 쓸 수 없습니다. "
                "다른 어댑터 폴더를 고르세요."
            )
    lora = LoraConfig(rank, alpha, dropout, tuple(sorted(targets)), rslora)
    return AdapterInfo(lora, base or "")


def base_of(directory: Path) -> str:
    """The name of the base that the adapter in `directory` was trained on."""
    base = read_adapter_config(directory).base
    if not base:
        raise UserError(
            f"{directory / CONFIG}: base_model_name_or_path가 비어 있습니다. "
            "베이스의 이름을 적으세요."
        )
    return base


def base_bits_of(directory: Path) -> int | None:
    """How many bits the weights of the base had in training; None if it was not quantised."""
    with opening(directory) as path, safe_open(path, "pt") as file:
        bits = (file.metadata() or {}).get(BASE_BITS)
    if bits not in (None, "4", "8"):
        raise UserError(f"{path}: {BASE_BITS} {bits}은(는) 4나 8이 아닙니다. 다시 학습하세요.")
    return int(bits) if bits else None


def load_adapter(model: nn.Module, directory: Path) -> AdapterInfo:
    """Inject the adapter of `directory` into a plain base model, in place.

    Raises:
        UserError: a file is missing or damaged, or the adapter belongs to another base.
    """
    info = read_adapter_config(directory)
    weights = read_weights(directory)
    # Checked before any layer is created: a damaged rank of a billion must not be allocated.
    ranks = {len(tensor) for key, tensor in weights.items() if ".lora_A." in key and tensor.dim()}
    if ranks and ranks != {info.lora.rank}:
        raise UserError(
            f"{directory}: {CONFIG}의 r은 {info.lora.rank}인데 {WEIGHTS}에는 {max(ranks)}입니다. "
            "다른 어댑터 폴더를 고르세요."
        )
    inject_lora(model, info.lora)
    copy_weights(model, weights, directory, info.base)
    return info


def fill_adapter(model: nn.Module, directory: Path) -> None:
    """Copy A and B from `directory` into the LoRA layers that `model` already has.

    Raises:
        UserError: the file is missing or damaged, or the adapter belongs to another base.
    """
    copy_weights(model, read_weights(directory), directory)


def read_weights(directory: Path) -> dict[str, Tensor]:
    """The tensors of an adapter."""
    with opening(directory) as path:
        return load_file(path)


@contextmanager
def opening(directory: Path) -> Iterator[Path]:
    """Yield the path of an adapter's weights; what is wrong with the file becomes a `UserError`.

    A pickle is refused, since opening it could run any code.
    """
    path = directory / WEIGHTS
    if not path.exists() and path.with_suffix(".bin").exists():
        raise UserError(
            f"{path.with_suffix('.bin')}: 피클은 열지 않습니다. 여는 것만으로 그 속의 코드가 "
            "실행됩니다. safetensors로 저장한 어댑터를 쓰세요."
        )
    try:
        yield path
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: 읽을 수 없습니다 ({error}). 다른 어댑터 폴더를 고르세요."
        ) from error


def copy_weights(
    model: nn.Module, weights: dict[str, Tensor], directory: Path, base: str = ""
) -> None:
    """Copy weights into the A and B of `model`, if all names and shapes match.

    `directory` is where they were read, and `base` what they were trained on; both are for the
    message of the error.
    """
    parameters = matrices(model)
    for key in sorted(weights.keys() | parameters.keys()):
        found = tuple(weights[key].shape) if key in weights else "없음"
        expected = tuple(parameters[key].shape) if key in parameters else "없음"
        if found != expected:
            advice = f"이 어댑터의 베이스는 {base}입니다." if base else "다른 폴더를 고르세요."
            raise UserError(
                f"{directory / WEIGHTS}: 다른 베이스의 어댑터입니다 "
                f"({key}: 파일 {found}, 모델 {expected}). {advice}"
            )
    for key, parameter in parameters.items():
        parameter.data.copy_(weights[key])
