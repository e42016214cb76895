import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError
from transformers import GPT2LMHeadModel

from common.console import UserError
from model import hub
from model.base import REPOSITORY, Base, find_base, fingerprint, load_base
from model.hub import ask_hub, cached_folders, weights_in
from tests.bases import as_pickle, as_shards, write_base

NAME, COMMIT, NOWHERE = "someone/tiny", "a" * 40, "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a network without a hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", NOWHERE)
    return tmp_path / "cache"


def opened(name: str = NAME) -> Base:
    base = load_base(find_base(name))
    assert (base.name, base.context, base.tokenizer.eos_token) == (name, 1024, "</s>")
    return base


@contextmanager
def hub_of(folder: Path) -> Iterator[None]:
    """A server with the hub's API and one model, inside the `with` block."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = self.path.rpartition("/")[2]
            if self.path.startswith(f"/api/models/{NAME}/tree/"):
                tree = [{"type": "file", "path": n, "size": len(files[n]), "oid": n} for n in files]
                self.answer(json.dumps(tree).encode())
            elif self.path.startswith(f"/api/models/{NAME}"):
                siblings = [{"rfilename": name} for name in [*files, "flax_model.msgpack"]]
                self.answer(json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode())
            elif self.path == f"/{NAME}/resolve/{COMMIT}/{file}":
                self.answer(files[file])
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def answer(self, content: bytes) -> None:
            self.send_response(200)
            for name, value in {"X-Repo-Commit": COMMIT, "ETag": f'"{hash(content):x}"'}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        address = f"http://127.0.0.1:{server.server_port}"
        patch.setattr(constants, "ENDPOINT", address)
        files_at = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files_at)
        yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("stored", [lambda folder: folder, as_pickle, as_shards])
def test_the_first_run_downloads_and_the_second_needs_no_network(
    tmp_path: Path, cache: Path, stored: Any
) -> None:
    with hub_of(stored(write_base(tmp_path / "base"))):
        assert "내려받습니다" in find_base(NAME).notice
        first = opened()
    assert not list(cache.rglob("*.msgpack"))  # another format of the same weights
    assert find_base(NAME).notice == ""
    assert fingerprint(opened()) == fingerprint(first)


def test_a_download_that_fails_is_one_line(tmp_path: Path) -> None:
    with hub_of(write_base(tmp_path / "base")):
        source = find_base(NAME)
    with pytest.raises(UserError, match=f"{NAME}.*내려받지 못했습니다") as caught:
        load_base(source)
    assert "\n" not in str(caught.value)


def cached(cache: Path, folder: Path, name: str = NAME) -> Path:
    """A folder as the cache keeps the main branch; returns the repository's folder there."""
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return repository


def test_a_cached_base_is_opened_without_the_hub(tmp_path: Path, cache: Path) -> None:
    """In a process of its own, which a look-up of the hub would keep for a minute."""
    cached(cache, write_base(tmp_path / "base"), "gpt2")
    environment = {"HF_HUB_OFFLINE": "0", "HF_HUB_CACHE": str(cache), "HF_ENDPOINT": NOWHERE}
    script = (
        "from model.base import find_base, load_base\n"
        "print(load_base(find_base(None)).name, load_base('gpt2').context)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=os.environ | environment,
        capture_output=True, text=True, timeout=40,
    )  # fmt: skip
    assert result.stdout == "gpt2 1024\n", result.stderr


def test_weights_of_the_conversion_branch_are_found(tmp_path: Path, cache: Path) -> None:
    """What transformers' from_pretrained leaves of a repository that has only a pickle."""
    repository = cached(cache, write_base(tmp_path / "base"))
    main, converted = (repository / "snapshots" / commit for commit in (COMMIT, "b" * 40))
    (main / "generation_config.json").unlink()
    converted.mkdir()
    (main / "model.safetensors").rename(converted / "model.safetensors")
    with pytest.raises(UserError, match="연결할 수 없습니다"):
        find_base(NAME)  # a folder that no branch names may be of any age
    (repository / "refs" / "refs" / "pr").mkdir(parents=True)
    (repository / "refs" / "refs" / "pr" / "3").write_text("b" * 40)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "base")
    assert torch.equal(opened().model.lm_head.weight, theirs.lm_head.weight)


def test_a_cache_without_weights_or_tokenizer_is_no_model(tmp_path: Path, cache: Path) -> None:
    main = cached(cache, write_base(tmp_path / "base")) / "snapshots" / COMMIT
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (main / name).rename(tmp_path / name)
        assert cached_folders(NAME) is None
        (tmp_path / name).rename(main / name)
    assert cached_folders(NAME) == (main, main)
    assert cached_folders("./not/a/name") is None


def test_weights_are_there_only_with_all_their_shards(tmp_path: Path) -> None:
    assert weights_in(tmp_path) is None
    folder = write_base(tmp_path)
    assert weights_in(folder) == "model.safetensors"
    assert weights_in(as_shards(folder)) == "model.safetensors"
    next(folder.glob("model-00001*")).unlink()
    assert weights_in(folder) is None
    (folder / "pytorch_model.bin").touch()
    assert weights_in(folder) == "pytorch_model.bin"


def test_the_probe_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class HangingApi:
        def model_info(self, _name: str, timeout: float) -> None:
            time.sleep(30)  # a resolver that hangs, whatever the time-out

    monkeypatch.setattr(hub, "HfApi", HangingApi)
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.2)
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

    monkeypatch.setattr(hub, "HfApi", Api)
    assert ask_hub("gpt2") == answer
