import bitsandbytes as bnb
import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from lora.layer import LoRALinear


def filled(layer: LoRALinear) -> LoRALinear:
    torch.manual_seed(1)
    nn.init.normal_(layer.lora_B)
    return layer.eval()


@pytest.mark.parametrize("base", [nn.Linear(5, 7), Conv1D(7, 5)], ids=["Linear", "Conv1D"])
def test_forward_is_equation_3(base: nn.Module) -> None:
    layer = filled(LoRALinear(base, rank=3, alpha=6.0))
    x = torch.randn(2, 4, 5, dtype=torch.float64)
    weight = base.weight if isinstance(base, nn.Linear) else base.weight.T
    w0, a, b = (t.double() for t in (weight, layer.lora_A, layer.lora_B))
    expected = x @ (w0 + 6.0 / 3 * b @ a).T + base.bias.double()
    torch.testing.assert_close(layer(x.float()).double(), expected, rtol=1e-5, atol=1e-5)


def test_rslora_divides_by_the_root_of_the_rank() -> None:
    layer = filled(LoRALinear(nn.Linear(5, 7), rank=9, alpha=6.0, rslora=True))
    x = torch.randn(4, 5)
    expected = layer.base(x) + 6.0 / 3 * x @ layer.lora_A.T @ layer.lora_B.T
    torch.testing.assert_close(layer(x), expected)


def test_starts_as_the_base_bit_for_bit() -> None:
    base = nn.Linear(8, 8)
    x = torch.randn(3, 8)
    assert torch.equal(LoRALinear(base, rank=4, alpha=8.0, dropout=0.5).train()(x), base(x))


def test_wraps_and_does_not_copy() -> None:
    base = nn.Linear(8, 8)
    assert LoRALinear(base, rank=2, alpha=4.0).base.weight is base.weight


def test_masters_are_fp32_over_a_half_base_and_output_keeps_its_dtype() -> None:
    layer = LoRALinear(nn.Linear(8, 8).to(torch.bfloat16), rank=2, alpha=4.0)
    assert layer.lora_A.dtype == layer.lora_B.dtype == torch.float32
    assert layer(torch.randn(3, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_dropout_touches_the_update_only() -> None:
    layer = filled(LoRALinear(nn.Linear(8, 8), rank=2, alpha=4.0, dropout=0.999999))
    x = torch.randn(3, 8)
    assert not torch.allclose(layer(x), layer.base(x))
    assert torch.allclose(layer.train()(x), layer.base(x))


def test_over_a_4_bit_layer_it_trains() -> None:
    base = bnb.nn.Linear4bit(64, 32, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
    layer = filled(LoRALinear(base, rank=2, alpha=4.0)).train()
    x = torch.randn(3, 64)
    update = 2 * x @ layer.lora_A.T @ layer.lora_B.T
    torch.testing.assert_close(layer(x), base(x) + update)
    layer(x).sum().backward()
    assert layer.lora_A.grad is not None and layer.lora_A.grad.abs().sum() > 0
    assert base.weight.grad is None


@pytest.mark.parametrize(
    ("base", "rank", "error"), [(nn.LayerNorm(4), 2, TypeError), (nn.Linear(4, 4), 0, ValueError)]
)
def test_refuses(base: nn.Module, rank: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        LoRALinear(base, rank, alpha=1.0)
