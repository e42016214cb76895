import pytest
import torch

from common.console import UserError
from data.batches import collate
from data.encode import Example
from lora.inject import LoraConfig, inject_lora
from model.loss import response_loss
from model.precision import Precision
from tests.conftest import make_model
from training.config import TrainConfig
from training.execution import SHORT, configure_execution

FP32 = Precision("fp32", torch.device("cpu"))
EXAMPLE = Example(list(range(1, 60)), [-100] * 40 + list(range(41, 60)))


def test_short_examples_get_plain_attention_on_a_cpu() -> None:
    for longest, attention in ((SHORT, "eager"), (SHORT + 1, "sdpa")):
        model = make_model()
        configure_execution(model, TrainConfig(), FP32, longest)
        assert model.config._attn_implementation == attention


def test_compile_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(UserError, match="g\\+\\+"):
        configure_execution(make_model(), TrainConfig(compile=True), FP32, SHORT)


def gradients(longest: int, **switches: bool) -> list[torch.Tensor]:
    model = make_model()
    inject_lora(model, LoraConfig(dropout=0.3))
    configure_execution(model, TrainConfig(**switches), FP32, longest)
    model.train()
    batch = collate([EXAMPLE], pad_id=0)
    torch.manual_seed(0)  # of the dropout, which the second pass of a checkpoint must draw again
    response_loss(model, batch["input_ids"], batch["labels"]).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_attention_and_checkpointing_leave_the_gradient() -> None:
    plain = gradients(longest=SHORT + 1)
    assert any(gradient.abs().max() > 0 for gradient in plain)
    for other in (
        gradients(longest=SHORT),
        gradients(longest=SHORT + 1, gradient_checkpointing=True),
        gradients(longest=SHORT, gradient_checkpointing=True),
    ):
        for ours, expected in zip(other, plain, strict=True):
            torch.testing.assert_close(ours, expected)


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    def kept(**switches: bool) -> int:
        model = make_model()
        inject_lora(model, LoraConfig())
        configure_execution(model, TrainConfig(**switches), FP32, longest=SHORT)
        batch = collate([EXAMPLE], pad_id=0)
        total = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            response_loss(model.train(), batch["input_ids"], batch["labels"])
        return total

    assert kept(gradient_checkpointing=True) < kept() / 2
