"""Find a base model: in the cache, on the hub, or the one that is part of this repository."""

import hashlib
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import enable_progress_bars
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.activations import GELUTanh, NewGELUActivation

from common.console import UserError, box, first_line

DEFAULT_BASE = "gpt2"
REPOSITORY = Path(__file__).resolve().parent.parent
EMBEDDED = Path("checkpoints/ko-gpt2-mini")
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Base:
    """A model in eval mode, its tokenizer (with a padding token) and the name of both."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str

    @property
    def context(self) -> int:
        """The most tokens that the model can attend to."""
        return int(self.model.config.max_position_embeddings)


@dataclass(frozen=True)
class BaseSource:
    """The decision which base to load and from where."""

    name: str  # the name that an adapter records
    folder: Path | None  # None if the model has to be downloaded from the hub
    notice: str = ""  # what the person at the terminal should know about the decision


def load_base(
    source: BaseSource | str, dtype: torch.dtype | Literal["auto"] = torch.float32
) -> Base:
    """Load a base and prepare it for training; "auto" is the dtype of its file.

    A name is looked up by `find_base`, whose notice then goes to stderr.
    """
    if isinstance(source, str):
        source = find_base(source)
        if source.notice:
            print(source.notice, file=sys.stderr)
    if source.folder is None:
        enable_progress_bars()  # of the download; `common.console.run` has disabled them
    path = str(source.folder or source.name)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"베이스 모델 {source.name}을(를) 열 수 없습니다 ({first_line(error)}). "
            "safetensors 형식의 GPT-2 계열 모델인지 확인하세요."
        ) from error
    prepare(model)
    return Base(model.eval(), with_padding(tokenizer), source.name)


def prepare(model: PreTrainedModel) -> None:
    """Make a base faster to train, in place. In eval mode it computes the same function."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            # LoRA has a dropout of its own. A dropout inside attention would rule out the fused
            # kernel on a CPU. The config keeps its rates for later training of the saved model.
            module.p = 0.0
        if isinstance(getattr(module, "act", None), NewGELUActivation):
            # The same function in one kernel. transformers writes it out as eight passes over the
            # widest activations, four of which are kept for the backward pass.
            module.act = GELUTanh()
            model.config.activation_function = "gelu_pytorch_tanh"


def with_padding(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Make EOS the padding token of a tokenizer that, like GPT-2's, does not have one."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def find_base(name: str | None) -> BaseSource:
    """Decide which base to load and from where. The hub is asked for at most `PROBE_SECONDS`.

    None stands for `gpt2`, or for the embedded base where `gpt2` cannot be reached. A base that
    the user has named is never replaced by another one.
    """
    wanted = name or DEFAULT_BASE
    if wanted == EMBEDDED.name:
        return embedded_base()
    # A cached model is opened as a folder: given its name, transformers would ask the hub for a
    # newer version, and retry for 48 s where there is no network.
    if folder := local_folder(wanted) or cached_folder(wanted):
        return BaseSource(wanted, folder)
    answer = ask_hub(wanted)
    if answer == "found":
        return BaseSource(wanted, None, f"모델 허브에서 {wanted}을(를) 내려받습니다.")
    if name is None:
        return embedded_base(
            box(
                f"모델 허브에 연결할 수 없어 {DEFAULT_BASE} 대신",
                f"내장 모델 {EMBEDDED.name}을(를) 씁니다.",
                "작은 한국어 GPT-2입니다. 허브에 연결되는 곳에서 같은 명령을 실행하면",
                f"{DEFAULT_BASE}를 내려받아 학습합니다.",
            )
        )
    reason = "허브에 그런 이름이 없습니다" if answer == "missing" else "허브에 연결할 수 없습니다"
    raise UserError(
        f"베이스 모델 {name}: 이 컴퓨터에 없고 {reason}. 이름을 확인하거나, 내려받은 폴더를 "
        f"그 경로로 주거나, 내장 모델 {EMBEDDED.name}을(를) 쓰세요."
    )


def embedded_base(notice: str = "") -> BaseSource:
    """The base of this repository. Its name has forward slashes on Windows, too."""
    name = EMBEDDED.as_posix()
    return BaseSource(name, local_folder(name), notice)


def local_folder(name: str) -> Path | None:
    """The folder of that name in the working directory or in the repository, if there is one."""
    return next((path for path in (Path(name), REPOSITORY / name) if path.is_dir()), None)


def cached_folder(name: str) -> Path | None:
    """The model's folder in the hub's local cache, if it holds every file that is needed."""
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    try:
        files = [try_to_load_from_cache(name, file) for file in wanted]
    except HFValidationError:
        return None
    folders = [Path(file).parent for file in files if isinstance(file, str)]
    return folders[0] if len(folders) == len(wanted) else None


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


def fingerprint(base: Base) -> str:
    """A digest of the tokenizer and of the weights as they are in memory."""
    digest = hashlib.sha256(base.tokenizer.backend_tokenizer.to_str().encode())
    for name, tensor in base.model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
