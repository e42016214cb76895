"""How the model computes a training step: the same gradient in less time or memory."""

import shutil

from transformers import PreTrainedModel

from common.console import UserError
from model.precision import Precision
from training.config import TrainConfig

# Up to this length a CPU computes attention as plain matrix products faster than with the fused
# kernel (LOG.md), and the T x T matrices that have to be kept are small.
SHORT = 512
COMPILERS = ("c++", "g++", "clang++", "cl")


def configure_execution(
    model: PreTrainedModel, config: TrainConfig, precision: Precision, longest: int
) -> None:
    """Configure `model`, in place, for examples of at most `longest` tokens."""
    if precision.device.type == "cpu" and longest <= SHORT:
        model.set_attn_implementation("eager")
    if config.gradient_checkpointing:
        # The backward pass computes the activations of each block again instead of keeping them.
        # https://arxiv.org/abs/1604.06174
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.compile:
        if not any(map(shutil.which, COMPILERS)):
            raise UserError(
                "--compile: C++ 컴파일러가 없습니다. 설치하거나(g++) --compile 없이 실행하세요."
            )
        model.base_model.compile(dynamic=True)  # one program for all lengths
