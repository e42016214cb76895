import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError
from transformers import PreTrainedTokenizerFast

from common.console import UserError
from model import base
from model.base import EMBEDDED, ask_hub, find_base, load_base
from tests.conftest import make_model


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ask_hub", lambda _name: "unreachable")
    monkeypatch.setattr(base, "cached_folder", lambda _name: None)


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
    monkeypatch.setattr(base, "cached_folder", lambda _name: Path("somewhere"))
    monkeypatch.setattr(base, "ask_hub", lambda _name: pytest.fail("asked the hub"))
    source = find_base(None)
    assert (source.name, source.folder, source.notice) == ("gpt2", Path("somewhere"), "")


def test_a_cached_base_is_opened_without_the_hub(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast
) -> None:
    """The cache's real layout, and a hub that would have to be found at an address of nowhere."""
    repository = tmp_path / "models--gpt2"
    snapshot = repository / "snapshots" / "abc"
    make_model(vocab_size=len(byte_tokenizer)).save_pretrained(snapshot)
    byte_tokenizer.save_pretrained(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    environment = os.environ | {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_CACHE": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    script = (
        "from model.base import find_base, load_base\n"
        "print(load_base(find_base(None)).name, load_base('gpt2').context)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=base.REPOSITORY, env=environment,
        capture_output=True, text=True, timeout=40,
    )  # fmt: skip
    assert result.stdout == "gpt2 256\n", result.stderr


def test_hub_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "cached_folder", lambda _name: None)
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


def test_the_probe_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class HangingApi:
        def model_info(self, _name: str, timeout: float) -> None:
            time.sleep(30)  # a resolver that hangs, whatever the time-out

    monkeypatch.setattr(base, "HfApi", HangingApi)
    monkeypatch.setattr(base, "PROBE_SECONDS", 0.2)
    started = time.monotonic()
    assert ask_hub("gpt2") == "unreachable"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ConnectionError("no route"), "unreachable"),
        (RepositoryNotFoundError.__new__(RepositoryNotFoundError), "missing"),
    ],
)
def test_the_probe_tells_missing_from_unreachable(
    monkeypatch: pytest.MonkeyPatch, error: Exception, answer: str
) -> None:
    class Api:
        def model_info(self, _name: str, timeout: float) -> None:
            raise error

    monkeypatch.setattr(base, "HfApi", Api)
    assert ask_hub("gpt2") == answer


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
