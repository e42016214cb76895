"""The device to run on, moving a model there, and how much of its memory was used."""

import sys
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from common.console import UserError

Model = TypeVar("Model", bound=nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA if available, else Apple's GPU, else the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((device for device, here in available.items() if here), "cpu"))
    try:
        device = torch.device(name)
        here = device.type == "cpu" or available.get(device.type, False)
        if device.type == "cuda" and here:
            here = (device.index or 0) < torch.cuda.device_count()
    except RuntimeError:  # PyTorch does not know this kind of device
        here = False
    if not here:
        raise UserError(
            f"--device {name}: 이 컴퓨터에 그 장치가 없습니다. --device cpu 또는 auto를 쓰세요."
        )
    return device


def place(model: Model, device: torch.device) -> Model:
    """Move the parameters and buffers of a model to a device, in place, and return the model."""
    module: nn.Module = model  # the annotations of transformers' own `to` refuse a device
    module.to(device)
    return model


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process has had allocated on a GPU, or else resident in memory.

    None where the system does not report it (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        # getrusage(2) would not do: a child process starts with the peak of its parent.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
