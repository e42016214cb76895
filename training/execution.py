"""How the model computes a training step, never what: speed and memory for the same gradient."""

import shutil

from transformers import PreTrainedModel

from common.console import UserError
from model.precision import Precision
from training.config import TrainConfig

# Up to this many tokens, attention as plain matrix products is faster on a CPU than the fused
# kernel (BENCHMARKS.md), and the T x T matrices that it keeps are small.
SHORT = 512
COMPILERS = ("c++", "g++", "clang++", "cl")


def speed_up(
    model: PreTrainedModel, config: TrainConfig, precision: Precision, longest: int
) -> None:
    """Prepare `model`, in place, for examples of at most `longest` tokens.

    Raises:
        UserError: `--compile` without a compiler.
    """
    if precision.device.type == "cpu" and longest <= SHORT:
        model.set_attn_implementation("eager")
    if config.gradient_checkpointing:
        # Each block's activations are computed again in the backward pass instead of being kept.
        # https://arxiv.org/abs/1604.06174
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if config.compile:
        if not any(map(shutil.which, COMPILERS)):
            raise UserError(
                "--compile: C++ 컴파일러가 없습니다. 설치하거나(g++) --compile 없이 실행하세요."
            )
        model.base_model.compile(dynamic=True)  # one program for all lengths
