"""Real bitsandbytes layers; transformers' own loader is the independent truth."""

import subprocess
import sys
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2LMHeadModel

from quant.store import load_quantized, save_quantized
from quant.swap import (
    QuantConfig,
    linear_weights,
    quantize_weights,
    relative_errors,
    swap_modules,
)
from tests.conftest import make_model

CPU = torch.device("cpu")
IDS = torch.arange(1, 41).view(2, 20)
CONFIGS = {
    "nf4": QuantConfig(4, False, torch.float32),
    "nf4-double": QuantConfig(4, True, torch.float32),
    "int8": QuantConfig(8, False, torch.float32),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> QuantConfig:
    return CONFIGS[request.param]


def quantized(config: QuantConfig) -> tuple[GPT2LMHeadModel, list[str], dict[str, float]]:
    model = make_model(n_embd=128).half()
    originals = {name: weight.clone() for name, weight in linear_weights(model).items()}
    names = swap_modules(model, config)
    quantize_weights(model, names, CPU)
    return model, names, relative_errors(model, originals)


def test_every_block_layer_is_swapped_and_the_head_is_not(config: QuantConfig) -> None:
    model, names, _ = quantized(config)
    kind = bnb.nn.Linear4bit if config.bits == 4 else bnb.nn.Linear8bitLt
    assert len(names) == 2 * 4 and all(isinstance(model.get_submodule(n), kind) for n in names)
    assert type(model.lm_head) is torch.nn.Linear
    assert model.lm_head.weight is model.transformer.wte.weight


def test_error_per_layer(config: QuantConfig) -> None:
    _, names, errors = quantized(config)
    assert list(errors) == names
    # Normal weights in NF4 lose about 9% (QLoRA); int8 per row about max|w| / (127 * sqrt(12)).
    low, high = (0.07, 0.12) if config.bits == 4 else (0.003, 0.012)
    assert all(low < error < high for error in errors.values()), errors


def test_ours_and_transformers_open_it_alike(config: QuantConfig, tmp_path: Path) -> None:
    model, names, _ = quantized(config)
    save_quantized(model, names, config, tmp_path)
    mine = load_quantized(tmp_path, CPU)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.inference_mode():
        assert torch.equal(mine(IDS).logits, theirs(IDS).logits)
    assert mine.lm_head.weight is mine.transformer.wte.weight


def test_logits_stay_near_those_before(config: QuantConfig, tmp_path: Path) -> None:
    model, names, _ = quantized(config)
    save_quantized(model, names, config, tmp_path)
    with torch.inference_mode():
        before = make_model(n_embd=128)(IDS).logits
        after = load_quantized(tmp_path, CPU)(IDS).logits
    error = ((after - before).norm() / before.norm()).item()
    assert error < (0.35 if config.bits == 4 else 0.03)


def test_another_process_gives_equal_outputs(config: QuantConfig, tmp_path: Path) -> None:
    model, names, _ = quantized(config)
    save_quantized(model, names, config, tmp_path)
    with torch.inference_mode():
        here = load_quantized(tmp_path, CPU)(IDS).logits
    torch.save(here, tmp_path / "here.pt")
    script = (
        "import sys, torch; from pathlib import Path; from quant.store import load_quantized\n"
        "torch.set_grad_enabled(False); folder = Path(sys.argv[1])\n"
        "model = load_quantized(folder, torch.device('cpu'))\n"
        "logits = model(torch.arange(1, 41).view(2, 20)).logits\n"
        "assert torch.equal(logits, torch.load(folder / 'here.pt')), 'differs'\n"
    )
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=root)


def test_a_missing_weight_is_an_error(config: QuantConfig, tmp_path: Path) -> None:
    model, names, _ = quantized(config)
    save_quantized(model, names, config, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["transformer.wpe.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"transformer\.wpe\.weight"):
        load_quantized(tmp_path, CPU)


def test_the_embedding_is_stored_once_in_half(config: QuantConfig, tmp_path: Path) -> None:
    model, names, _ = quantized(config)
    save_quantized(model, names, config, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in weights
    assert weights["transformer.wte.weight"].dtype == torch.float16
    large = {k for k, v in weights.items() if v.dtype == torch.float32 and v.numel() > 2000}
    assert not large, large
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_4_bit_weights_take_half_a_byte(tmp_path: Path) -> None:
    model, names, _ = quantized(CONFIGS["nf4"])
    save_quantized(model, names, CONFIGS["nf4"], tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    assert weights[name].numel() * weights[name].element_size() == 128 * 512 // 2
    assert weights[f"{name}.absmax"].numel() == 128 * 512 // 64  # one scale a block of 64


def test_saving_after_a_forward_pass_would_lose_scales() -> None:
    """Why the order is quantise, save, run: bitsandbytes rounds the scales when it first runs."""
    model, names, _ = quantized(CONFIGS["nf4"])
    layer = model.float().eval().get_submodule(names[0])
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, so bitsandbytes does not repack")
    before = layer.state_dict()["weight.absmax"].clone()
    with torch.inference_mode():
        layer(torch.randn(2, 128))
    assert not torch.equal(layer.state_dict()["weight.absmax"], before)
