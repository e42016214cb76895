"""The device to run on, its random numbers, and how much of its memory was needed."""

import sys
from pathlib import Path

import torch

from common.console import UserError


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: CUDA, else Apple's GPU, else the CPU.

    Raises:
        UserError: the named device is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((device for device, here in available.items() if here), "cpu"))
    try:
        device = torch.device(name)
        here = device.type == "cpu" or available.get(device.type, False)
        if device.type == "cuda" and here:
            here = (device.index or 0) < torch.cuda.device_count()
    except RuntimeError:  # no such word
        here = False
    if not here:
        raise UserError(
            f"--device {name}: 이 컴퓨터에 그 장치가 없습니다. --device cpu 또는 auto를 쓰세요."
        )
    return device


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process has held: on the GPU, or else resident in memory.

    None where the system does not say (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        # Not getrusage: a child process starts from its parent's peak there (getrusage(2)).
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Where the generators stand that training draws from: torch's, for dropout. (Nothing draws
    from Python's or numpy's.)"""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_state(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(states["mps"])
