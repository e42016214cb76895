"""Numbers that PEFT's own tests expect, computed by our code from the same inputs."""

import pytest
from torch import nn

from lora.layer import LoRALinear
from tests.training.test_loop import FP32, make_adapted, make_examples
from training.config import TrainConfig
from training.loop import initial_state, train


@pytest.mark.parametrize(("rslora", "expected"), [(False, 0.1875), (True, 0.75)])
def test_peft_scaling(rslora: bool, expected: float) -> None:
    """https://github.com/huggingface/peft, tests/test_initialization.py

    `test_lora_default_scaling` and `test_lora_rslora_scaling`: lora_alpha=3, r=16.
    """
    assert LoRALinear(nn.Linear(8, 8), rank=16, alpha=3, rslora=rslora).scaling == expected


def test_peft_lora_plus_groups() -> None:
    """https://github.com/huggingface/peft, tests/test_loraplus.py

    `test_lora_plus_helper_sucess`: lr 5e-5 and a ratio of 1.2.
    """
    model = make_adapted()
    config = TrainConfig(learning_rate=5e-5, lora_plus=1.2, max_steps=1, warmup_ratio=0)
    state = initial_state(model, config, FP32)
    next(train(model, make_examples(4), config, FP32, state))
    names = {p: name for name, p in model.named_parameters()}
    rates = {
        names[p]: group["lr"] for group in state.optimizer.param_groups for p in group["params"]
    }
    assert len(rates) == 16
    for name, rate in rates.items():
        assert rate == (5e-5 * 1.2 if name.endswith("lora_B") else 5e-5), name
