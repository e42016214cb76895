import pytest
import torch
from peft import LoraConfig as PeftConfig
from peft import get_peft_model
from transformers import GPT2LMHeadModel

from common.console import UserError
from lora.inject import (
    LoraConfig,
    adapter_disabled,
    count_parameters,
    default_targets,
    inject_lora,
    lora_layers,
)
from lora.layer import LoRALinear
from tests.bases import FAMILIES, family_model
from tests.conftest import make_model

IDS = torch.arange(1, 31)[None]


def test_counts_and_freezes(model: GPT2LMHeadModel) -> None:
    base_parameters = sum(p.numel() for p in model.parameters())
    names = inject_lora(model, LoraConfig(rank=4, targets=("attn.c_attn", "attn.c_proj")))
    assert names == [
        "transformer.h.0.attn.c_attn",
        "transformer.h.1.attn.c_attn",
        "transformer.h.0.attn.c_proj",
        "transformer.h.1.attn.c_proj",
    ]
    # rank x (in + out): c_attn maps 64 to 192, c_proj 64 to 64, twice each
    expected = 2 * 4 * (64 + 192) + 2 * 4 * (64 + 64)
    assert count_parameters(model) == (expected, base_parameters + expected)
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {f"{name}.{part}" for name in names for part in ("lora_A", "lora_B")}


def test_base_is_bit_identical_at_the_start(model: GPT2LMHeadModel) -> None:
    before = model(IDS).logits
    inject_lora(model, LoraConfig())
    assert torch.equal(model(IDS).logits, before)


def test_only_a_and_b_get_gradients(model: GPT2LMHeadModel) -> None:
    inject_lora(model, LoraConfig())
    model(IDS, labels=IDS).loss.backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient and all(n.endswith(("lora_A", "lora_B")) for n in with_gradient)


def test_disabled_adapter_is_the_base(model: GPT2LMHeadModel) -> None:
    before = model(IDS).logits
    inject_lora(model, LoraConfig())
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.lora_B)
    adapted = model(IDS).logits
    with adapter_disabled(model):
        assert torch.equal(model(IDS).logits, before)
    assert torch.equal(model(IDS).logits, adapted) and not torch.equal(adapted, before)


def test_a_suffix_matches_whole_name_parts_only(model: GPT2LMHeadModel) -> None:
    # "c_proj" is both the attention's and the MLP's; "attn.c_proj" only the attention's
    assert len(inject_lora(model, LoraConfig(targets=("c_proj",)))) == 4


@pytest.mark.parametrize("parts", ["qv", "vq", "k", "qkv"])
def test_only_the_parts_behind_the_colon_learn(model: GPT2LMHeadModel, parts: str) -> None:
    whole = make_model()
    for adapted, target in ((model, f"attn.c_attn:{parts}"), (whole, "attn.c_attn")):
        torch.manual_seed(0)
        inject_lora(adapted, LoraConfig(targets=(target,)))
        adapted(IDS, labels=IDS).loss.backward()
    for ours, theirs in zip(lora_layers(model).values(), lora_layers(whole).values(), strict=True):
        rows = zip("qkv", ours.lora_B.grad.split(64), theirs.lora_B.grad.split(64), strict=True)
        for part, gradient, expected in rows:
            assert torch.equal(gradient, expected if part in parts else 0 * expected)


def test_the_rows_are_those_that_attention_calls_q_k_and_v(model: GPT2LMHeadModel) -> None:
    inject_lora(model, LoraConfig(targets=("attn.c_attn:qv",)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        model(IDS, labels=IDS).loss.backward()
        optimizer.step()
    attention, x = model.transformer.h[0].attn, torch.randn(1, 5, 64)
    adapted = attention.c_attn(x).split(attention.split_size, dim=2)  # as GPT2Attention does it
    with adapter_disabled(model):
        base = attention.c_attn(x).split(attention.split_size, dim=2)
    changed = [not torch.equal(a, b) for a, b in zip(adapted, base, strict=True)]
    assert changed == [True, False, True]


@pytest.mark.parametrize(
    "target", ["attn.c_attn:", "attn.c_attn:qx", "attn.c_proj:qv", "mlp.c_fc:qv", "c_attn:q:v"]
)
def test_what_has_no_q_k_and_v_is_not_split(target: str) -> None:
    model = make_model(n_inner=3 * 64)  # so that c_fc, too, has three outputs for an input
    with pytest.raises(UserError, match=r"attn\.c_attn:qv"):
        inject_lora(model, LoraConfig(targets=(target,)))
    assert not lora_layers(model)


PROJECTIONS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
TARGETS = {
    "gpt2": ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
    "llama": (*PROJECTIONS, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
    "gpt_neox": (
        *("attention.query_key_value", "attention.dense"),
        *("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    ),
}


@pytest.mark.parametrize("family", TARGETS)
def test_a_family_has_its_own_default_targets(family: str) -> None:
    assert default_targets(family_model(family)) == TARGETS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_by_default_every_linear_layer_of_the_blocks_is_adapted(family: str) -> None:
    """PEFT's "all-linear" is the independent truth: all linear layers but the output head."""
    theirs = get_peft_model(family_model(family), PeftConfig(target_modules="all-linear"))
    expected = {n for n, m in theirs.base_model.model.named_modules() if hasattr(m, "lora_A")}
    model = family_model(family)
    assert set(inject_lora(model, LoraConfig())) == expected
    assert not isinstance(model.get_output_embeddings(), LoRALinear)


@pytest.mark.parametrize("target", ["q_proj", "attn", "ttn.c_attn", "wte", "lm_head"])
def test_wrong_targets_change_nothing(model: GPT2LMHeadModel, target: str) -> None:
    with pytest.raises(UserError, match=r"attn\.c_attn, attn\.c_proj"):  # the valid ones
        inject_lora(model, LoraConfig(targets=("attn.c_attn", target)))
    assert not lora_layers(model) and all(p.requires_grad for p in model.parameters())


def test_injecting_twice_is_an_error(model: GPT2LMHeadModel) -> None:
    inject_lora(model, LoraConfig())
    with pytest.raises(UserError, match="이미"):
        inject_lora(model, LoraConfig())
