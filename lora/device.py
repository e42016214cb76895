"""The device to run on."""

import torch

from console import UserError


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: CUDA, else Apple's GPU, else the CPU.

    Raises:
        UserError: the named device is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((device for device, here in available.items() if here), "cpu"))
    kind = name.split(":")[0]
    if kind != "cpu" and not available.get(kind, False):
        raise UserError(
            f"--device {name}: 이 컴퓨터에 그 장치가 없습니다. --device cpu 또는 auto를 쓰세요."
        )
    return torch.device(name)
