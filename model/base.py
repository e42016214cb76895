"""Open a base model: from the cache, from the hub, or the one that is part of this repository."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.activations import GELUTanh, NewGELUActivation
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from common.console import UserError, box, first_line
from model.hub import PICKLE, SAFETENSORS, ask_hub, cached_folders, download, weights_in
from model.tokenizer import check_tokenizer, load_tokenizer

DEFAULT_BASE = "gpt2"
REPOSITORY = Path(__file__).resolve().parent.parent
EMBEDDED = Path("checkpoints/ko-gpt2-mini")


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
    weights: Path | None = None  # where the cache holds the weights, if not in `folder`


def load_base(
    source: BaseSource | str, dtype: torch.dtype | Literal["auto"] = torch.float32
) -> Base:
    """Load a base and prepare it for training; "auto" is the dtype of its file.

    A name is looked up by `find_base`. What the person at the terminal should know goes to stderr.

    Raises:
        UserError: there is no such base, or it cannot be trained on Korean text.
    """
    if isinstance(source, str):
        source = find_base(source)
        note(source.notice)
    folder = source.folder or download(source.name)
    weights = source.weights or folder
    try:
        model = open_model(folder, weights, dtype)
        tokenizer = load_tokenizer(folder)
        notice = check_tokenizer(tokenizer, int(model.config.vocab_size))
    except UserError as error:
        raise UserError(f"베이스 모델 {source.name}: {error}") from error
    except Exception as error:  # a damaged folder makes transformers fail in many ways
        raise UserError(
            f"베이스 모델 {source.name}을(를) 열 수 없습니다 ({first_line(error)}). config.json, "
            f"tokenizer.json, {SAFETENSORS}가 온전한 언어 모델인지 확인하세요."
        ) from error
    if weights_in(weights) == PICKLE:
        note(
            f"알림: {source.name}의 가중치는 {PICKLE}입니다. 피클이지만 수만 읽고, 그 속의 코드는 "
            "실행하지 않습니다(weights_only=True)."
        )
    note(notice)
    # Training teaches this EOS, so whoever opens what is written later has to stop at it.
    model.config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    prepare(model)
    return Base(model.eval(), tokenizer, source.name)


def open_model(
    folder: Path, weights: Path, dtype: torch.dtype | Literal["auto"]
) -> PreTrainedModel:
    """Open a language model whose `config.json` is in `folder` and whose weights are in `weights`.

    Raises:
        UserError: the model is of another kind, or its weights are not all there.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:  # BERT: every position sees all
        raise UserError(
            f"왼쪽부터 쓰는 모델이 아닙니다({config.model_type}). GPT나 Llama를 쓰세요."
        )
    if not hasattr(config, "max_position_embeddings"):
        raise UserError(
            f"문맥의 길이를 알 수 없습니다({config.model_type}의 config.json에 "
            "max_position_embeddings가 없음). 다른 베이스를 쓰세요."
        )
    if weights_in(weights) is None:
        raise UserError(f"{weights}에 {SAFETENSORS}도 {PICKLE}도 없습니다. 다시 내려받으세요.")
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            weights,
            config=config,
            dtype=dtype,
            attn_implementation=attention_of(config),
            # Decoding settings are ours, and transformers would look for them beside the weights.
            generation_config=GenerationConfig.from_model_config(config),
            weights_only=True,  # of a pickle read numbers, and run nothing
            trust_remote_code=False,
            output_loading_info=True,
        )
    except UnpicklingError as error:
        raise UserError(
            f"{weights / PICKLE}에 가중치가 아닌 것이 있어 열지 않았습니다. 그 속의 코드는 "
            "실행되지 않았습니다. safetensors를 쓰세요."
        ) from error
    model, info = loaded
    if missing := info["missing_keys"]:  # transformers would fill them with random numbers
        raise UserError(f"가중치 {min(missing)}이(가) 파일에 없습니다. 다시 내려받으세요.")
    return model


def attention_of(config: PreTrainedConfig) -> str | None:
    """The implementation of attention that a model needs; None if it may be any.

    Gemma 2 caps the logits of its attention, which PyTorch's fused kernel cannot.
    """
    return "eager" if getattr(config, "attn_logit_softcapping", None) else None


def note(text: str) -> None:
    """Print a line for the person at the terminal, if there is any, beside what stdout is for."""
    if text:
        print(text, file=sys.stderr)


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
    if folder := local_folder(wanted):
        return BaseSource(wanted, folder)
    if cached := cached_folders(wanted):
        return BaseSource(wanted, cached[0], weights=cached[1])
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


def fingerprint(base: Base) -> str:
    """A digest of the tokenizer and of the weights as they are in memory."""
    digest = hashlib.sha256(base.tokenizer.backend_tokenizer.to_str().encode())
    for name, tensor in base.model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
