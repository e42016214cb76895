"""QLoRA: the same LoRA over a plain base that holds the dequantised weights is the truth."""

from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2LMHeadModel

from common.console import UserError
from infer.models import load_model
from lora.adapter import base_bits_of, save_adapter
from lora.inject import LoraConfig, count_parameters, inject_lora, lora_layers
from lora.merge import merge_lora
from model.base import load_base
from model.loss import response_loss
from quant.build import merge
from quant.frozen import quantize_base, round_base
from tests.conftest import make_model, make_tokenizer
from tests.quant.conftest import CPU

IDS = torch.arange(1, 41).view(2, 20)
LORA = LoraConfig(rank=4, alpha=8.0, dropout=0.0)


def adapted(model: GPT2LMHeadModel) -> GPT2LMHeadModel:
    """Add an adapter whose B is not zero; the same one for every model of this shape."""
    torch.manual_seed(1)
    inject_lora(model, LORA)
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B, std=0.1)
    return model


def frozen(bits: int, dtype: torch.dtype = torch.float32) -> GPT2LMHeadModel:
    """A base as the file has it, in fp16, quantised for training."""
    model = make_model(n_embd=128).half()
    quantize_base(model, bits, CPU, dtype)
    return model


def rounded(bits: int) -> GPT2LMHeadModel:
    """The same base as `quant` opens it, in fp32, with the weights that training saw."""
    model = make_model(n_embd=128).half().float()
    round_base(model, bits, CPU)
    return model


def gradients(model: GPT2LMHeadModel) -> dict[str, Tensor]:
    response_loss(model.train(), IDS, IDS).backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("bits", [4, 8])
def test_loss_and_gradient_are_those_over_the_rounded_base(bits: int) -> None:
    ours, truth = adapted(frozen(bits)), adapted(rounded(bits))
    # 8-bit products round the activations as well (LLM.int8, section 2.1).
    tolerance = 1e-4 if bits == 4 else 0.05
    loss, expected = response_loss(ours, IDS, IDS), response_loss(truth, IDS, IDS)
    assert abs(loss - expected) <= tolerance * expected
    mine, theirs = gradients(ours), gradients(truth)
    assert mine.keys() == theirs.keys() and len(mine) == 16
    for name, gradient in mine.items():
        assert (gradient - theirs[name]).norm() <= tolerance * theirs[name].norm(), name


@pytest.mark.parametrize("bits", [4, 8])
def test_an_evaluation_does_not_change_the_gradient(bits: int) -> None:
    model = adapted(frozen(bits))
    before = gradients(model)
    with torch.inference_mode():
        model.eval()(IDS)
    after = gradients(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_care_an_evaluation_would_cut_the_gradient() -> None:
    model = adapted(frozen(4))
    layers = [m for m in model.modules() if isinstance(m, bnb.nn.Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = bnb.nn.modules.has_avx512bf16()
    if not layers[0].support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, so bitsandbytes does not repack")
    with torch.inference_mode():
        model.eval()(IDS)
    with pytest.raises(RuntimeError):
        gradients(model)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_codes_of_training_are_made_again_bit_for_bit(bits: int) -> None:
    ours, again = frozen(bits), rounded(bits)
    for name, layer in ours.named_modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        elif isinstance(layer, bnb.nn.Linear8bitLt):
            weight = layer.weight.data.float() * (layer.weight.SCB / 127)[:, None]
        else:
            continue
        assert torch.equal(again.get_submodule(name).weight.T, weight)


def test_half_precision_stays_half_under_autocast() -> None:
    model = adapted(frozen(4, torch.bfloat16)).train()
    outputs: list[torch.dtype] = []
    for layer in model.modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            layer.register_forward_hook(lambda _m, _x, h: outputs.append(h.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS)
    assert set(outputs) == {torch.bfloat16}


def test_weights_are_counted_and_not_bytes() -> None:
    assert count_parameters(frozen(4))[1] == count_parameters(make_model(n_embd=128))[1]


def test_apples_gpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"--base-bits 4.*--device cpu"):
        quantize_base(make_model(), 4, torch.device("mps"), torch.float32)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A base in fp16 on disk, and under `adapter` what training on its 4 bits has left."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    make_model(n_embd=128).half().save_pretrained(base)
    make_tokenizer().save_pretrained(base)
    adapter.mkdir()
    save_adapter(adapted(frozen(4)), LORA, str(base), adapter, base_bits=4)
    return adapter


def logits(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        return model.eval()(IDS).logits


def test_merged_is_what_was_trained(trained: Path, tmp_path: Path) -> None:
    base = load_base(str(tmp_path / "base"))
    merge(base, trained, tmp_path / "merged")
    truth = logits(adapted(frozen(4)))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    error = (logits(merged) - truth).norm() / truth.norm()
    elsewhere = logits(adapted(make_model(n_embd=128)))  # merged into W, as most scripts do
    assert error < 2e-3 < 0.05 < (elsewhere - truth).norm() / truth.norm()


def test_quantised_again_the_adapter_survives_in_w_alone() -> None:
    """Why `python -m quant` does not quantise the merged model to the bits of the training."""

    def learnt(model: GPT2LMHeadModel) -> Tensor:
        """The share of B·A that is left in 4 bits, layer by layer."""
        inject_lora(model, LORA)
        torch.manual_seed(1)
        for layer in lora_layers(model).values():
            nn.init.normal_(layer.lora_B, std=0.005)  # B·A is a hundredth of W, as in training
        deltas = {name: layer.delta_weight().T for name, layer in lora_layers(model).items()}
        merge_lora(model)
        round_base(model, 4, CPU)
        changes = {
            n: model.get_submodule(n).weight - before.get_submodule(n).weight for n in deltas
        }
        return torch.stack([(changes[n] * d).sum() / d.square().sum() for n, d in deltas.items()])

    before = rounded(4)
    assert learnt(rounded(4)).abs().max() < 0.1
    assert abs(learnt(make_model(n_embd=128).half().float()).mean() - 1) < 0.1


def test_infer_opens_the_base_that_was_trained_on(trained: Path) -> None:
    model, _ = load_model(str(trained), CPU)
    assert any(isinstance(m, bnb.nn.Linear4bit) for m in model.modules())
    torch.testing.assert_close(logits(model), logits(adapted(frozen(4))))


def test_peft_opens_it_over_transformers_own_4_bit_base(
    trained: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    four_bit = AutoModelForCausalLM.from_pretrained(
        tmp_path / "base", quantization_config=nf4, dtype=torch.float32, device_map="cpu"
    )
    theirs = PeftModel.from_pretrained(four_bit, trained)
    for layer in theirs.modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            layer.support_avx512bf16_for_cpu = False  # it would compute in bf16
    torch.testing.assert_close(logits(theirs), logits(adapted(frozen(4))), rtol=0, atol=1e-4)
    recwarn.clear()
    PeftModel.from_pretrained(make_model(n_embd=128), trained)
    assert not recwarn.list  # about a key that PEFT does not know, or about Conv1D


def test_the_record_of_the_bits(trained: Path, tmp_path: Path) -> None:
    assert base_bits_of(trained) == 4
    weights = trained / "adapter_model.safetensors"
    before = weights.read_bytes()
    for _ in range(8):
        save_adapter(adapted(frozen(4)), LORA, str(tmp_path / "base"), trained, base_bits=4)
        assert weights.read_bytes() == before
    plain = tmp_path / "plain"
    plain.mkdir()
    save_adapter(adapted(make_model()), LORA, "base", plain)
    assert base_bits_of(plain) is None
    save_adapter(adapted(make_model()), LORA, "base", plain, base_bits=3)
    with pytest.raises(UserError, match="base_bits 3"):
        base_bits_of(plain)
    (plain / "adapter_model.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(UserError, match="읽을 수 없습니다"):
        base_bits_of(plain)
