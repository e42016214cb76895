"""Folders of bases as the hub has them: random weights, and tokenizers trained on the sample."""

import csv
import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Cohere2Config,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    HyperCLOVAXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from data.interviews import SAMPLE_CSV
from data.prompts import build_prompt
from model.base import attention_of

# KoGPT2's first tokens, by id.
SPECIAL = ("<s>", "</s>", "<usr>", "<pad>", "<sys>", "<unk>", "<mask>")
VOCABULARY = 2000

GPT2 = {"vocab_size": 384, "n_positions": 256, "n_embd": 64, "n_layer": 2, "n_head": 4}
BLOCKS: dict[str, Any] = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
GROUPED = BLOCKS | {"num_key_value_heads": 2}
GEMMA = GROUPED | {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16}
# Values far from 1, so that a loss without them is another one.
FAMILIES: dict[str, PreTrainedConfig] = {
    "gpt2": GPT2Config(**GPT2),
    "llama": LlamaConfig(**GROUPED),
    "mistral": MistralConfig(**GROUPED, sliding_window=16),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=16),
    "gpt_neox": GPTNeoXConfig(**BLOCKS),
    "opt": OPTConfig(**BLOCKS, ffn_dim=128, word_embed_proj_dim=64),
    "gemma2": Gemma2Config(**GEMMA, final_logit_softcapping=3.0, attn_logit_softcapping=2.0),
    "gemma3_text": Gemma3TextConfig(**GEMMA),
    "granite": GraniteConfig(**GROUPED, logits_scaling=8.0),
    "cohere": CohereConfig(**GROUPED, logit_scale=0.25),
    "cohere2": Cohere2Config(**GROUPED, logit_scale=0.25, sliding_window=16),
    "hyperclovax": HyperCLOVAXConfig(**GROUPED, logits_scaling=0.25),
}


def family_model(name: str) -> PreTrainedModel:
    """A tiny model of a family with random weights, in eval mode."""
    torch.manual_seed(0)
    config = deepcopy(FAMILIES[name])  # a model that is saved writes its dtype into its config
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention_of(config))
    for parameter in model.parameters():
        if parameter.dim() == 2:  # their own start is so small that all tokens are alike
            torch.nn.init.normal_(parameter, std=0.1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.eval()


@cache
def sample_texts() -> list[str]:
    with Path(SAMPLE_CSV).open(encoding="utf-8", newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(300), strict=False)]
    return [row[column] for row in rows for column in ("question", "answer", "summary")]


@cache
def metaspace(newline: bool = True) -> str:
    """The JSON of a tokenizer like KoGPT2's: BPE over characters, blanks written as ▁.

    The pre-tokenizer is written as tokenizers wrote it when KoGPT2 was published.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    letters = build_prompt("", "") if newline else build_prompt("", "").replace("\n", "")
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(set(letters)),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample_texts(), trainer)
    content = json.loads(tokenizer.to_str())
    old = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    return json.dumps(content | {"pre_tokenizer": old, "decoder": old})


def write_base(
    folder: Path, tokenizer: str | None = None, family: str = "gpt2", **config: Any
) -> Path:
    """KoGPT2's folder: no tokenizer_config.json, and the ids of special tokens in config.json."""
    torch.manual_seed(0)
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3}
    shape = {"vocab_size": VOCABULARY, "max_position_embeddings": 1024} | ids | config
    settings = FAMILIES[family]
    model = AutoModelForCausalLM.from_config(settings.from_dict(settings.to_dict(), **shape))
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer or metaspace(), encoding="utf-8")
    return folder


def as_pickle(folder: Path) -> Path:
    """The same folder with its weights as `pytorch_model.bin`, and a buffer of old GPT-2 files."""
    weights = load_file(folder / "model.safetensors")
    weights |= {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def as_shards(folder: Path) -> Path:
    """The same folder with its weights in two files and an index."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    index = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, folder / file, {"format": "pt"})
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index})
    )
    (folder / "model.safetensors").unlink()
    return folder
