import bitsandbytes as bnb
import pytest
import torch
from torch import nn
from transformers import GPT2LMHeadModel

from lora.inject import LoraConfig, inject_lora, lora_layers
from lora.layer import LoRALinear
from lora.merge import merge_lora, unmerge_lora

IDS = torch.arange(1, 31)[None]


@pytest.fixture
def adapted(model: GPT2LMHeadModel) -> GPT2LMHeadModel:
    inject_lora(model, LoraConfig(rank=4, alpha=8.0, targets=("c_attn", "c_proj", "c_fc")))
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B, std=0.1)
    return model.eval()


def test_merged_is_unmerged(adapted: GPT2LMHeadModel) -> None:
    before = adapted(IDS).logits
    merge_lora(adapted)
    assert (adapted(IDS).logits - before).abs().max() <= 1e-5
    assert not any(isinstance(module, LoRALinear) for module in adapted.modules())


def test_embedding_and_head_stay_tied(adapted: GPT2LMHeadModel) -> None:
    merge_lora(adapted)
    assert adapted.lm_head.weight is adapted.transformer.wte.weight


def test_unmerge_restores_bit_for_bit_however_often(adapted: GPT2LMHeadModel) -> None:
    before = adapted(IDS).logits
    names = [name for name, _ in adapted.named_parameters()]
    for _ in range(20):
        unmerge_lora(adapted, merge_lora(adapted))
    assert torch.equal(adapted(IDS).logits, before)
    assert [name for name, _ in adapted.named_parameters()] == names


def test_half_precision_base_is_rounded_once() -> None:
    base = nn.Linear(32, 32).half()
    layer = LoRALinear(base, rank=4, alpha=8.0)
    nn.init.normal_(layer.lora_B, std=0.01)
    exact = base.weight.double() + 2 * layer.lora_B.double() @ layer.lora_A.double()
    model = nn.Sequential(layer)
    merge_lora(model)
    assert model[0].weight.dtype == torch.float16
    # half a unit in the last place, and what fp32 adds to that in the rarest case
    assert torch.allclose(model[0].weight.double(), exact, rtol=2**-11 + 2**-20, atol=2**-25)


def test_a_quantised_base_is_refused_and_nothing_changes(adapted: GPT2LMHeadModel) -> None:
    before = adapted(IDS).logits
    adapted.extra = LoRALinear(bnb.nn.Linear4bit(64, 64), rank=2, alpha=4.0)
    with pytest.raises(TypeError, match="extra"):
        merge_lora(adapted)
    assert torch.equal(adapted(IDS).logits, before)
