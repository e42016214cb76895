"""Real bitsandbytes layers; transformers' own loader is the independent truth."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from model.base import attention_of
from quant.store import load_quantized, save_quantized
from quant.swap import EightBit, FourBit, quantize_weights, swap_modules
from tests.bases import FAMILIES, family_model
from tests.conftest import make_model
from tests.quant.conftest import CPU, SCHEMES, quantized

IDS = torch.arange(1, 41).view(2, 20)


def test_ours_and_transformers_open_it_alike(scheme: FourBit | EightBit, tmp_path: Path) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
    mine = load_quantized(tmp_path, CPU)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.inference_mode():
        assert torch.equal(mine(IDS).logits, theirs(IDS).logits)
    assert mine.lm_head.weight is mine.transformer.wte.weight


def test_the_model_is_built_without_memory_for_its_weights(
    scheme: FourBit | EightBit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
    on_meta: list[bool] = []

    def read(path: Path, device: str) -> dict[str, torch.Tensor]:
        assert built, "the model is built before the file is read"
        on_meta.extend(parameter.is_meta for parameter in built[0].parameters())
        return load_file(path, device)

    built: list[torch.nn.Module] = []
    from_config = AutoModelForCausalLM.from_config

    def build(*arguments: object, **keywords: object) -> torch.nn.Module:
        built.append(from_config(*arguments, **keywords))
        return built[0]

    monkeypatch.setattr(AutoModelForCausalLM, "from_config", build)
    monkeypatch.setattr("quant.store.load_file", read)
    loaded = load_quantized(tmp_path, CPU)
    assert on_meta and all(on_meta)
    assert not any(parameter.is_meta for parameter in loaded.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_opened_as_transformers_does(
    family: str, scheme: FourBit | EightBit, tmp_path: Path
) -> None:
    """Tables of rotary embeddings and Gemma's scale, which no file holds, are computed again."""
    model = family_model(family).half()
    names = swap_modules(model, scheme)
    quantize_weights(model, names, CPU)
    save_quantized(model, names, scheme, tmp_path)
    attention = attention_of(model.config)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation=attention
    ).eval()
    with torch.inference_mode():
        logits = load_quantized(tmp_path, CPU)(IDS).logits
        before = family_model(family)(IDS).logits
        assert torch.equal(logits, theirs(IDS).logits)
    assert (logits - before).norm() < 0.5 * before.norm()  # the same model, with its embedding


def test_logits_stay_near_those_before(scheme: FourBit | EightBit, tmp_path: Path) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
    with torch.inference_mode():
        before = make_model(n_embd=128)(IDS).logits
        after = load_quantized(tmp_path, CPU)(IDS).logits
    error = ((after - before).norm() / before.norm()).item()
    assert error < (0.35 if isinstance(scheme, FourBit) else 0.03)


def test_another_process_gives_equal_outputs(scheme: FourBit | EightBit, tmp_path: Path) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
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


def test_a_missing_weight_is_an_error(scheme: FourBit | EightBit, tmp_path: Path) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["transformer.wpe.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"transformer\.wpe\.weight"):
        load_quantized(tmp_path, CPU)


def test_the_embedding_is_stored_once_in_half(scheme: FourBit | EightBit, tmp_path: Path) -> None:
    model, names, _ = quantized(scheme)
    save_quantized(model, names, scheme, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in weights
    assert weights["transformer.wte.weight"].dtype == torch.float16
    large = {k for k, v in weights.items() if v.dtype == torch.float32 and v.numel() > 2000}
    assert not large, large
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_4_bit_weights_take_half_a_byte(tmp_path: Path) -> None:
    model, names, _ = quantized(SCHEMES["nf4"])
    save_quantized(model, names, SCHEMES["nf4"], tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    assert weights[name].numel() * weights[name].element_size() == 128 * 512 // 2
    assert weights[f"{name}.absmax"].numel() == 128 * 512 // 64  # one scale a block of 64
