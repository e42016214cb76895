"""PEFT is the independent truth: each side opens what the other wrote and computes the same."""

import json
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from common.console import UserError
from lora.adapter import CONFIG, WEIGHTS, base_of, load_adapter, save_adapter
from lora.inject import LoraConfig, inject_lora, lora_layers
from tests.bases import FAMILIES, family_model
from tests.conftest import make_model

IDS = torch.arange(1, 31)[None]
LORA = LoraConfig(rank=4, alpha=8.0, dropout=0.0)
RS_LORA = replace(LORA, rslora=True)
Q_AND_V = replace(LORA, targets=("attn.c_attn:qv", "attn.c_proj"))


def make_ours(directory: Path, lora: LoraConfig = LORA) -> nn.Module:
    model = make_model()
    inject_lora(model, lora)
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B, std=0.1)
    save_adapter(model, lora, "some-base", directory)
    return model.eval()


@pytest.mark.parametrize("lora", [LORA, RS_LORA], ids=["LoRA", "rsLoRA"])
def test_peft_opens_ours(tmp_path: Path, lora: LoraConfig) -> None:
    ours = make_ours(tmp_path, lora)
    theirs = peft.PeftModel.from_pretrained(make_model(), tmp_path).eval()
    assert (ours(IDS).logits - theirs(IDS).logits).abs().max() <= 1e-5


def test_peft_opens_q_and_v_as_plain_lora(tmp_path: Path) -> None:
    ours = make_model()
    inject_lora(ours, Q_AND_V)
    optimizer = torch.optim.AdamW([p for p in ours.parameters() if p.requires_grad], lr=0.05)
    for _ in range(3):
        ours(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
    save_adapter(ours, Q_AND_V, "some-base", tmp_path)
    for key, matrix in load_file(tmp_path / WEIGHTS).items():
        if key.endswith("c_attn.lora_B.weight"):
            q, k, v = matrix.split(64)
            assert q.any(dim=1).all() and not k.any() and v.any(dim=1).all()
    theirs = peft.PeftModel.from_pretrained(make_model(), tmp_path).eval()
    assert (ours(IDS).logits - theirs(IDS).logits).abs().max() <= 1e-5
    assert load_adapter(make_model(), tmp_path).lora.targets == ("attn.c_attn", "attn.c_proj")


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_opens_ours_of_every_family(family: str, tmp_path: Path) -> None:
    ours = family_model(family)
    inject_lora(ours, LORA)
    for layer in lora_layers(ours).values():
        nn.init.normal_(layer.lora_B, std=0.1)
    save_adapter(ours, LORA, "some-base", tmp_path)
    theirs = peft.PeftModel.from_pretrained(family_model(family), tmp_path).eval()
    torch.testing.assert_close(ours(IDS).logits, theirs(IDS).logits, rtol=1e-4, atol=1e-5)
    again = family_model(family)
    load_adapter(again, tmp_path)
    assert torch.equal(again(IDS).logits, ours(IDS).logits)


@pytest.mark.parametrize("rslora", [False, True])
def test_ours_opens_pefts(tmp_path: Path, rslora: bool) -> None:
    config = peft.LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["attn.c_attn", "mlp.c_fc"],
        init_lora_weights=False,
        fan_in_fan_out=True,
        use_rslora=rslora,
    )
    theirs = peft.get_peft_model(make_model(), config).eval()
    theirs.save_pretrained(tmp_path)
    ours = make_model()
    info = load_adapter(ours, tmp_path)
    assert info.lora.targets == ("attn.c_attn", "mlp.c_fc") and info.lora.rslora == rslora
    with pytest.raises(UserError, match="base_model_name_or_path"):  # PEFT did not write it
        base_of(tmp_path)
    assert (ours.eval()(IDS).logits - theirs(IDS).logits).abs().max() <= 1e-5


def test_same_gradients_as_peft(tmp_path: Path) -> None:
    ours = make_ours(tmp_path)
    theirs = peft.PeftModel.from_pretrained(make_model(), tmp_path, is_trainable=True)
    for model in (ours, theirs):
        model.train()
        model(input_ids=IDS, labels=IDS).loss.backward()
    gradients = {
        name.removeprefix("base_model.model.").replace(".default.weight", ""): p.grad
        for name, p in theirs.named_parameters()
        if p.grad is not None
    }
    mine = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert mine.keys() == gradients.keys() and len(mine) == 16
    for name, gradient in mine.items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-5, atol=1e-6)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    ours = make_ours(tmp_path)
    again = make_model()
    info = load_adapter(again, tmp_path)
    assert info.base == "some-base" and info.lora.rank == 4
    assert torch.equal(again.eval()(IDS).logits, ours(IDS).logits)


def test_weights_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ours(tmp_path)
    opened: list[Path] = []

    def count(path: Path) -> dict[str, torch.Tensor]:
        opened.append(path)
        return load_file(path)

    monkeypatch.setattr("lora.adapter.load_file", count)
    load_adapter(make_model(), tmp_path)
    assert opened == [tmp_path / WEIGHTS]


def test_another_base_is_named_with_its_shapes(tmp_path: Path) -> None:
    make_ours(tmp_path)
    with pytest.raises(UserError, match=r"파일 \(4, 64\), 모델 \(4, 32\).*some-base"):
        load_adapter(make_model(n_embd=32), tmp_path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    make_ours(tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    key = next(iter(weights))
    del weights[key]
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=key):
        load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("use_dora", True), ("bias", "all"), ("target_modules", "all-linear")],
)
def test_more_than_plain_lora_is_refused(tmp_path: Path, key: str, value: object) -> None:
    make_ours(tmp_path)
    settings = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(settings | {key: value}))
    with pytest.raises(UserError, match=key):
        load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "[" * 100_000])
def test_a_damaged_config_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(UserError, match=CONFIG):
        load_adapter(make_model(), tmp_path)


def test_truncated_weights_are_one_line(tmp_path: Path) -> None:
    make_ours(tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=WEIGHTS):
        load_adapter(make_model(), tmp_path)


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    make_ours(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    bomb = f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR."
    (tmp_path / "adapter_model.bin").write_text(bomb)
    with pytest.raises(UserError, match="피클"):
        load_adapter(make_model(), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_a_link_to_another_file_are_refused(tmp_path: Path) -> None:
    make_ours(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    (tmp_path / WEIGHTS).symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=WEIGHTS):
        load_adapter(make_model(), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("r", -1), ("r", "4"), ("r", None), ("r", 10**12), ("r", 8),
        ("lora_alpha", float("nan")), ("lora_alpha", 10**400), ("lora_alpha", "1e9"),
        ("lora_dropout", 1.5), ("use_rslora", "yes"),
        ("target_modules", [["c_attn"]]), ("target_modules", None),
        ("base_model_name_or_path", ["gpt2"]),
    ],
)  # fmt: skip
def test_invalid_values_are_named_before_any_layer_is_created(
    tmp_path: Path, key: str, value: object
) -> None:
    make_ours(tmp_path)
    settings = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(settings | {key: value}))
    model = make_model()
    with pytest.raises(UserError, match=rf"\b{key}[의은]"):
        load_adapter(model, tmp_path)
    assert not lora_layers(model)
