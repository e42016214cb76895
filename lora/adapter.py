"""Adapters on disk, in PEFT's own layout and names: each side opens what the other wrote.

https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from common.console import UserError
from common.files import newest, read_json
from common.locks import recover_if_idle
from lora.inject import LoraConfig, inject_lora, lora_layers

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
STATE = "trainer_state.json"  # what a run keeps beside an adapter, to go on and to be known by
PREFIX = "base_model.model."  # PeftModel.base_model is a LoraModel, whose .model is the base

# Settings of PEFT that change what an adapter computes, and the value that means "plain LoRA".
PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "use_rslora": False,
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
    """What `adapter_config.json` says: the LoRA's shape and the base it was trained on."""

    lora: LoraConfig
    base: str  # empty where PEFT did not know it


def newest_adapter(checkpoints: Path) -> Path | None:
    """The newest `best/` adapter of any run under `checkpoints`, if a run has left one."""
    for run in checkpoints.glob("*-lora"):
        recover_if_idle(run)
    found = list(checkpoints.glob(f"*-lora/best/{WEIGHTS}"))
    return newest(found).parent if found else None


def find_adapter(checkpoints: Path) -> Path:
    """`newest_adapter`.

    Raises:
        UserError: no run has left one.
    """
    adapter = newest_adapter(checkpoints)
    if adapter is None:
        raise UserError(
            f"{checkpoints}: 학습한 어댑터가 없습니다. "
            "먼저 make train(python -m training)을 실행하세요."
        )
    return adapter


def save_adapter(model: nn.Module, config: LoraConfig, base: str, directory: Path) -> None:
    """Write the adapter of `model` into an existing directory, A and B in fp32."""
    layers = lora_layers(model)
    weights = {}
    for name, layer in layers.items():
        weights[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A.detach().cpu().contiguous()
        weights[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B.detach().cpu().contiguous()
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    settings = PLAIN | {
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": list(config.targets),
        "fan_in_fan_out": any(isinstance(layer.base, Conv1D) for layer in layers.values()),
        "inference_mode": True,
    }
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")


def read_adapter_config(directory: Path) -> AdapterInfo:
    """Read `adapter_config.json`, ours or PEFT's.

    Raises:
        UserError: no such file, not JSON, a value that cannot be, or more than plain LoRA.
    """
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
    targets: Any = settings.get("target_modules")
    base: Any = settings.get("base_model_name_or_path")
    valid = {
        "r": isinstance(rank, int) and 0 < rank < 2**16,
        "lora_alpha": isinstance(alpha, int | float) and abs(alpha) < 1e6,
        "lora_dropout": isinstance(dropout, int | float) and 0 <= dropout < 1,
        "target_modules": isinstance(targets, list) and all(isinstance(t, str) for t in targets),
        "base_model_name_or_path": base is None or isinstance(base, str),
    }
    for key, fits in valid.items():
        if not fits:
            raise UserError(
                f"{path}: {key}의 값 {settings.get(key)!r}을(를) 쓸 수 없습니다. "
                "다른 어댑터 폴더를 고르세요."
            )
    return AdapterInfo(LoraConfig(rank, alpha, dropout, tuple(sorted(targets))), base or "")


def base_of(directory: Path) -> str:
    """The name of the base that the adapter in `directory` was trained on.

    Raises:
        UserError: no readable adapter, or it names no base.
    """
    base = read_adapter_config(directory).base
    if not base:
        raise UserError(
            f"{directory / CONFIG}: base_model_name_or_path가 비어 있습니다. "
            "베이스의 이름을 적으세요."
        )
    return base


def load_adapter(model: nn.Module, directory: Path) -> AdapterInfo:
    """Inject the adapter of `directory` into a plain base model, in place.

    Raises:
        UserError: files missing or damaged, or an adapter of another base (name and shapes given).
    """
    info = read_adapter_config(directory)
    weights = read_weights(directory)
    # Before any layer is made: a rank of a billion is refused, not allocated.
    ranks = {len(tensor) for key, tensor in weights.items() if ".lora_A." in key and tensor.dim()}
    if ranks and ranks != {info.lora.rank}:
        raise UserError(
            f"{directory}: {CONFIG}의 r은 {info.lora.rank}인데 {WEIGHTS}에는 {max(ranks)}입니다. "
            "다른 어댑터 폴더를 고르세요."
        )
    inject_lora(model, info.lora)
    fill_adapter(model, directory, info.base)
    return info


def fill_adapter(model: nn.Module, directory: Path, base: str = "") -> None:
    """Give the LoRA layers of `model` the A and B that `directory` holds, in place.

    Raises:
        UserError: the file is missing or damaged, or of another base, which `base` names.
    """
    weights = read_weights(directory)
    expected = {}
    for name, layer in lora_layers(model).items():
        expected[f"{PREFIX}{name}.lora_A.weight"] = layer.lora_A
        expected[f"{PREFIX}{name}.lora_B.weight"] = layer.lora_B
    _check_fit(directory / WEIGHTS, weights, expected, base)
    for key, parameter in expected.items():
        parameter.data.copy_(weights[key])


def read_weights(directory: Path) -> dict[str, Tensor]:
    """The tensors of an adapter.

    Raises:
        UserError: missing or damaged; or a pickle, which could run any code when it is opened.
    """
    path = directory / WEIGHTS
    if not path.exists() and path.with_suffix(".bin").exists():
        raise UserError(
            f"{path.with_suffix('.bin')}: 피클은 열지 않습니다. 여는 것만으로 그 속의 코드가 "
            "실행됩니다. safetensors로 저장한 어댑터를 쓰세요."
        )
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: 읽을 수 없습니다 ({error}). 다른 어댑터 폴더를 고르세요."
        ) from error


def _check_fit(
    path: Path, weights: dict[str, Tensor], expected: dict[str, nn.Parameter], base: str
) -> None:
    """Name the first tensor that is missing, extra or of another shape in a `UserError`."""
    for key in sorted(weights.keys() | expected.keys()):
        found = tuple(weights[key].shape) if key in weights else "없음"
        wanted = tuple(expected[key].shape) if key in expected else "없음"
        if found != wanted:
            raise UserError(
                f"{path}: 다른 베이스의 어댑터입니다 ({key}: 파일 {found}, 모델 {wanted}). "
                f"이 어댑터의 베이스는 {base}입니다."
            )
