"""The number format that matrix products are computed in, and what it needs.

https://pytorch.org/docs/stable/notes/amp_examples.html
"""

from dataclasses import dataclass

import torch

from common.console import UserError

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Precision:
    """A device and the format of its matrix products."""

    name: str  # "fp16", "bf16" or "fp32"
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of matrix products, in which the frozen base weights are stored, too."""
        return DTYPES[self.name]

    def autocast(self) -> torch.autocast:
        """The context of a forward pass. In fp32 it does nothing."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.name != "fp32")

    def grad_scaler(self) -> torch.amp.GradScaler:
        """A scaler of the loss for fp16, whose smallest number is 6e-8.

        It does nothing in the other formats, since bf16 has the exponent range of fp32.
        """
        return torch.amp.GradScaler(self.device.type, enabled=self.name == "fp16")


def pick_precision(name: str, device: torch.device) -> Precision:
    """`auto` is fp16 on CUDA, fp32 on Apple's GPU, and on a CPU the faster of bf16 and fp32."""
    if name == "auto":
        bf16 = device.type == "cpu" and cpu_has_bf16()
        name = "fp16" if device.type == "cuda" else "bf16" if bf16 else "fp32"
    if name not in DTYPES:
        raise UserError(f"--precision {name}: auto, fp16, bf16, fp32 가운데 하나를 쓰세요.")
    if name == "bf16" and device.type == "cuda" and not cuda_has_bf16():
        raise UserError("--precision bf16: 이 GPU에는 bf16이 없습니다. fp16이나 auto를 쓰세요.")
    return Precision(name, device)


def cuda_has_bf16() -> bool:
    """Whether the GPU multiplies bf16 in hardware. A T4 does not."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware. Where it does not, bf16 is slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
