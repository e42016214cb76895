"""Find a base model: the cache, then the hub, then the one that is part of this repository."""

import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import enable_progress_bars
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from common.console import UserError, box, first_line

DEFAULT_BASE = "gpt2"
REPOSITORY = Path(__file__).resolve().parent.parent
EMBEDDED = Path("checkpoints/ko-gpt2-mini")
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Base:
    """A model in eval mode, its tokenizer (with a padding token) and the name they came by."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str

    @property
    def context(self) -> int:
        """The most tokens the model can attend to."""
        return int(self.model.config.max_position_embeddings)


def load_base(name: str | None = None, dtype: torch.dtype = torch.float32) -> Base:
    """Load a base by hub name or local folder; None is `gpt2`, or what is embedded.

    A name that the user gave is never replaced by another model.

    Raises:
        UserError: the named base is neither here nor to be had.
    """
    chosen = find_base(name)
    # A cached model is opened as the folder it is: by its name transformers would ask the hub for
    # news, and retry for 48 s where there is no network.
    source = str(local_folder(chosen) or cached_folder(chosen) or chosen)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if getattr(config, "activation_function", None) == "gelu_new":
            # The same function in one kernel: written out as in transformers, it is eight passes
            # over the widest activations, four of which are kept for the backward pass.
            config.activation_function = "gelu_pytorch_tanh"
        model = AutoModelForCausalLM.from_pretrained(
            source, config=config, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"베이스 모델 {chosen}을(를) 열 수 없습니다 ({first_line(error)}). "
            "safetensors 형식의 GPT-2 계열 모델인지 확인하세요."
        ) from error
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            # LoRA brings its own, and with this one attention has no fused kernel on a CPU. The
            # config keeps it, for whoever trains what is written.
            module.p = 0.0
    return Base(model.eval(), with_padding(tokenizer), chosen)


def with_padding(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Give the tokenizer a padding token where it has none, as GPT-2's has not: EOS."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def find_base(name: str | None) -> str:
    """Decide which base to load, asking the hub for at most `PROBE_SECONDS`.

    Raises:
        UserError: the user named a base that is not here, and the hub cannot give it.
    """
    wanted = name or DEFAULT_BASE
    if wanted == EMBEDDED.name:
        return EMBEDDED.as_posix()
    if local_folder(wanted) or cached_folder(wanted):
        return wanted
    answer = ask_hub(wanted)
    if answer == "found":
        print(f"모델 허브에서 {wanted}을(를) 내려받습니다.")
        enable_progress_bars()
        return wanted
    if name is not None:
        reason = (
            "허브에 그런 이름이 없습니다" if answer == "missing" else "허브에 연결할 수 없습니다"
        )
        raise UserError(
            f"베이스 모델 {name}: 이 컴퓨터에 없고 {reason}. 이름을 확인하거나, 내려받은 폴더를 "
            f"그 경로로 주거나, 내장 모델 {EMBEDDED.name}을(를) 쓰세요."
        )
    print(
        box(
            f"모델 허브에 연결할 수 없어 {DEFAULT_BASE} 대신",
            f"내장 모델 {EMBEDDED.name}을(를) 씁니다.",
            "작은 한국어 GPT-2입니다. 허브에 연결되는 곳에서 같은 명령을 실행하면",
            f"{DEFAULT_BASE}를 내려받아 학습합니다.",
        )
    )
    return EMBEDDED.as_posix()  # an adapter made on Windows names its base for all


def local_folder(name: str) -> Path | None:
    """The folder of that name, from here or from the repository's root, if there is one."""
    return next((path for path in (Path(name), REPOSITORY / name) if path.is_dir()), None)


def cached_folder(name: str) -> Path | None:
    """The model's folder in the hub's local cache, if it holds all that is needed."""
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    try:
        files = [try_to_load_from_cache(name, file) for file in wanted]
    except HFValidationError:
        return None
    folders = [Path(file).parent for file in files if isinstance(file, str)]
    return folders[0] if len(folders) == len(wanted) else None


def ask_hub(name: str) -> str:
    """ "found", "missing" or "unreachable", within `PROBE_SECONDS`.

    `from_pretrained` without a network retries for 48 s. Neither can a time-out on the request be
    trusted: looking up the host's name may hang outside of it. So a thread asks and we stop
    waiting.
    """
    answer = ["unreachable"]

    def probe() -> None:
        try:
            HfApi().model_info(name, timeout=PROBE_SECONDS)
            answer[0] = "found"
        except (RepositoryNotFoundError, HFValidationError):
            answer[0] = "missing"
        except Exception:  # whatever the network throws means the same here
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0]
