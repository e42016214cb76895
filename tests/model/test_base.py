import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BloomConfig, PreTrainedTokenizerFast

from common.console import UserError
from model import base
from model.base import EMBEDDED, find_base, load_base
from tests.bases import as_pickle, as_shards, write_base
from tests.conftest import make_model


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ask_hub", lambda _name: "unreachable")
    monkeypatch.setattr(base, "cached_folders", lambda _name: None)


@pytest.mark.usefixtures("offline")
def test_without_a_hub_the_embedded_base_serves_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = find_base(None)
    assert source.name == EMBEDDED.as_posix()
    assert source.folder is not None and (source.folder / "model.safetensors").exists()
    assert "┌" in source.notice and EMBEDDED.name in source.notice
    assert capsys.readouterr().out == ""  # it is for the command to print


@pytest.mark.usefixtures("offline")
def test_a_named_base_is_never_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("gpt2", "skt/kogpt2-base-v2", "./no/such/folder"):
        with pytest.raises(UserError, match="연결할 수 없습니다") as caught:
            find_base(name)
        assert name in str(caught.value) and EMBEDDED.name in str(caught.value)
    assert capsys.readouterr().out == ""


def test_cache_before_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "cached_folders", lambda _name: (Path("here"), Path("there")))
    monkeypatch.setattr(base, "ask_hub", lambda _name: pytest.fail("asked the hub"))
    source = find_base(None)
    assert (source.name, source.folder, source.notice) == ("gpt2", Path("here"), "")
    assert source.weights == Path("there")


def test_hub_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "cached_folders", lambda _name: None)
    monkeypatch.setattr(base, "ask_hub", lambda _name: "found")
    source = find_base(None)
    assert (source.name, source.folder) == ("gpt2", None) and "내려받습니다" in source.notice
    monkeypatch.setattr(base, "ask_hub", lambda _name: "missing")
    with pytest.raises(UserError, match="그런 이름이 없습니다"):
        find_base("gtp2")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", [EMBEDDED.as_posix(), EMBEDDED.name])
def test_the_embedded_base_by_folder_and_by_name(name: str) -> None:
    source = find_base(name)
    assert (source.name, source.notice) == (EMBEDDED.as_posix(), "")


def test_the_embedded_base_is_small_half_tied_and_speaks_korean_bytes() -> None:
    loaded = load_base(EMBEDDED.name)
    weights = base.REPOSITORY / EMBEDDED / "model.safetensors"
    assert weights.stat().st_size <= 25e6
    assert loaded.context == 1024 and loaded.model.dtype == torch.float32
    assert loaded.model.lm_head.weight is loaded.model.transformer.wte.weight
    assert not loaded.model.training
    assert loaded.tokenizer.pad_token_id is not None


def test_a_lean_gpt2_is_the_same_function(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast
) -> None:
    model = make_model(vocab_size=len(byte_tokenizer), dropout=0.1)
    assert model.config.activation_function == "gelu_new"  # as gpt2's config says
    model.save_pretrained(tmp_path)
    byte_tokenizer.save_pretrained(tmp_path)
    loaded = load_base(str(tmp_path)).model
    ids = torch.arange(1, 90)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded.train()(ids).logits, model(ids).logits)
    assert loaded.config.activation_function == "gelu_pytorch_tanh"
    assert loaded.config.attn_pdrop == 0.1  # for whoever trains what is written


IDS = torch.arange(1, 41)[None]


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        return load_base(str(folder)).model(IDS).logits


def test_a_base_in_shards_is_the_same_model(tmp_path: Path) -> None:
    whole = logits(write_base(tmp_path))
    assert torch.equal(logits(as_shards(tmp_path)), whole)
    next(tmp_path.glob("model-00002*")).unlink()
    with pytest.raises(UserError, match=r"model\.safetensors.*다시 내려받으세요"):
        load_base(str(tmp_path))


def test_a_pickle_of_numbers_is_the_same_model_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = logits(write_base(tmp_path))
    assert not capsys.readouterr().err
    assert torch.equal(logits(as_pickle(tmp_path)), whole)
    out, error = capsys.readouterr()
    assert "pytorch_model.bin" in error and "weights_only=True" in error and not out


class Malicious:
    """An object whose unpickling creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, save: Any) -> None:
    folder = as_pickle(write_base(tmp_path / "base"))
    ran = tmp_path / "ran"
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    save(weights | {"more": Malicious(ran)}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin.*실행되지 않았습니다") as caught:
        load_base(str(folder))
    assert "\n" not in str(caught.value) and not ran.exists()
    pickle.loads(pickle.dumps(Malicious(ran)))  # the control: it does work
    assert ran.exists()


def test_a_missing_weight_is_not_filled_with_random_numbers(tmp_path: Path) -> None:
    weights = load_file(write_base(tmp_path) / "model.safetensors")
    del weights["transformer.h.1.ln_1.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"h\.1\.ln_1\.weight"):
        load_base(str(tmp_path))


def test_what_cannot_be_trained_says_why(tmp_path: Path) -> None:
    small = {"vocab_size": 2000, "hidden_size": 16, "num_hidden_layers": 1}
    bert = BertConfig(**small, num_attention_heads=2, intermediate_size=16)
    bloom = BloomConfig(vocab_size=2000, hidden_size=16, n_layer=1, n_head=2)
    for config, says in ((bert, "bert"), (bloom, "max_position_embeddings")):
        folder = write_base(tmp_path / config.model_type)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        with pytest.raises(UserError, match=says) as caught:
            load_base(str(folder))
        assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_the_eos_that_training_teaches_is_the_one_that_is_written(tmp_path: Path) -> None:
    loaded = load_base(str(write_base(tmp_path, eos_token_id=50256, pad_token_id=None)))
    assert loaded.tokenizer.eos_token_id == 1
    loaded.model.save_pretrained(tmp_path / "merged")
    for name in ("config.json", "generation_config.json"):
        assert json.loads((tmp_path / "merged" / name).read_text())["eos_token_id"] == 1
