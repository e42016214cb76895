"""Models of the hub: what its local cache holds, whether it answers, and the download."""

import threading
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import enable_progress_bars

from common.console import UserError, first_line
from common.files import read_json

PROBE_SECONDS = 5.0
TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model")
SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"


def weights_in(folder: Path) -> str | None:
    """The weights that transformers would open in `folder`, if they are there with all shards."""
    for name in (SAFETENSORS, PICKLE):
        if (folder / name).is_file():
            return name
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = read_json(index).get("weight_map", {}).values()
            if shards and all((folder / shard).is_file() for shard in shards):
                return name
    return None


def cached_folders(name: str) -> tuple[Path, Path] | None:
    """The folder of a cached model and that of its weights, if no needed file is missing.

    The two differ where a repository has a pickle only. transformers then fetches the weights from
    the branch of the pull request in which the hub has converted them (`refs/pr/N`), and the cache
    keeps each branch in a folder of its own.
    """
    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # a path, not a name
        return None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    if not any((folder / file).is_file() for file in TOKENIZERS):
        return None
    cache = folder.parent.parent
    commits = [ref.read_text().strip() for ref in sorted((cache / "refs/refs/pr").glob("*"))]
    candidates = [folder, *(cache / "snapshots" / commit for commit in commits)]
    weights = next((candidate for candidate in candidates if weights_in(candidate)), None)
    return None if weights is None else (folder, weights)


def ask_hub(name: str) -> str:
    """Ask whether the hub has a model: "found", "missing", or "unreachable" after `PROBE_SECONDS`.

    `from_pretrained` retries for 48 s without a network, and the time-out of a request does not
    cover the look-up of the host's name, which may hang. A thread therefore asks, and this
    function stops waiting for it.
    """
    answer = ["unreachable"]

    def probe() -> None:
        try:
            HfApi().model_info(name, timeout=PROBE_SECONDS)
            answer[0] = "found"
        except (RepositoryNotFoundError, HFValidationError):
            answer[0] = "missing"
        except Exception:  # every other error of the network means that the hub is unreachable
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0]


def download(name: str) -> Path:
    """Download a model into the cache and return its folder, which the next run opens offline."""
    enable_progress_bars()  # `common.console.run` has disabled them
    try:
        files = [file.rfilename for file in HfApi().model_info(name).siblings or []]
        safe = any(file.startswith("model") and file.endswith(".safetensors") for file in files)
        weights = "model*.safetensors" if safe else "pytorch_model*.bin"
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", weights]))
    except Exception as error:  # of the network, of the hub's access rules, of the disk
        raise UserError(
            f"베이스 모델 {name}을(를) 내려받지 못했습니다 ({first_line(error)}). 연결과 허브의 "
            "접근 권한을 확인하고 같은 명령을 다시 실행하면 이어서 받습니다."
        ) from error
