"""Models and tokenizers that the tests share: small, random, made anew for each test."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # no test waits for a network
os.environ["TQDM_DISABLE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # tiny models: more threads only wait for each other

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from data.encode import Example, encode_rows
from lora.adapter import save_adapter
from lora.inject import LoraConfig, inject_lora, lora_layers
from model.base import EMBEDDED, load_base
from quant.build import merge, quantize
from quant.swap import EightBit, FourBit
from tests.chat.web.site import Site, serving

EOS = "<|endoftext|>"


def make_model(
    seed: int = 0, dropout: float = 0.0, std: float = 0.1, **config: int
) -> GPT2LMHeadModel:
    """A GPT-2 of two small layers with random weights, in eval mode."""
    torch.manual_seed(seed)
    shape = {"vocab_size": 384, "n_positions": 256, "n_embd": 64, "n_layer": 2, "n_head": 4}
    model = GPT2LMHeadModel(
        GPT2Config(
            **{**shape, **config},
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    # transformers starts with tiny weights, under which every model says nearly the same.
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=std)
    return model.eval()


@pytest.fixture
def model() -> GPT2LMHeadModel:
    return make_model()


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE that, like GPT-2's on Korean, spends two or three tokens on a syllable."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["### Instruction: 질문 답변 요약 하였습니다 있는 것"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, pad_token=EOS)


def encode_row(
    tokenizer: PreTrainedTokenizerFast, question: str, answer: str, summary: str, max_length: int
) -> Example:
    """The example of a single row."""
    row = {"question": question, "answer": answer, "summary": summary, "row": 1}
    return encode_rows(Dataset.from_list([row]), tokenizer, max_length)[0]


@pytest.fixture(scope="session")
def byte_tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run on the embedded base leaves, but of an adapter that was drawn, not trained."""
    folder = tmp_path_factory.mktemp("checkpoints")
    name, config = EMBEDDED.name, LoraConfig()
    best = folder / f"{name}-lora" / "best"
    best.mkdir(parents=True)
    (best.parent / "report.html").write_text("<p>보고서</p>", encoding="utf-8")
    base = load_base(name)
    torch.manual_seed(0)
    inject_lora(base.model, config)
    for layer in lora_layers(base.model).values():
        torch.nn.init.normal_(layer.lora_B, std=0.003)
    save_adapter(base.model, config, base.name, best)
    for kind, scheme in (("8bit", EightBit()), ("4bit", FourBit())):
        base = load_base(name)
        merge(base, best, folder / f"{name}-merged")
        quantize(base, scheme, torch.device("cpu"), folder / f"{name}-bnb-{kind}")
    return folder


@pytest.fixture(scope="session")
def site(checkpoints: Path) -> Iterator[Site]:
    pytest.importorskip("gradio", reason="needs requirements-web.txt")
    with serving(checkpoints) as site:
        yield site
