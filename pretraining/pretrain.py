"""Pretrain the embedded base from scratch. An interrupted run continues from its checkpoint."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from common.files import append_line, atomic_directory, read_log, write_file
from model.precision import Precision
from pretraining.config import PretrainConfig
from pretraining.documents import labelled_documents
from pretraining.muon import MuonAdamW, sinusoids
from pretraining.probe import probe
from pretraining.stream import BLOCK, blocks, packed
from pretraining.text.corpus import Corpus
from pretraining.tokenizer import train_tokenizer


def make_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerBase:
    """Train the tokenizer, or load that of `config.init` or of the run that goes on."""
    folder = config.work / "tokenizer"
    if config.init and not folder.exists():
        with atomic_directory(folder) as draft:
            PreTrainedTokenizerFast.from_pretrained(str(config.init)).save_pretrained(draft)
    if not folder.exists():
        corpus = Corpus.read(config.corpus) if config.corpus else None
        documents = islice(labelled_documents("tokenizer", corpus), config.tokenizer_documents)
        trained = train_tokenizer(
            (text for _, text in documents), config.vocab_size, config.context
        )
        with atomic_directory(folder) as draft:
            trained.save_pretrained(draft)
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def make_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerBase) -> GPT2LMHeadModel:
    """A GPT-2 of the configured shape with fresh weights, or the one in `config.init`."""
    if config.init:
        model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(config.init, dtype=torch.float32)
        return model
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=config.context,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            activation_function="gelu_pytorch_tanh",  # GPT-2's own formula, in one kernel
            # The stream hardly repeats: there is little to overfit.
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(sinusoids(config.context, config.width))
    return model


def pretrain(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainConfig,
    precision: Precision,
) -> None:
    """Train `model` in place for `config.tokens` tokens, logging and saving as it goes."""
    optimizer = MuonAdamW(model, config.learning_rate)
    parameters = list(model.parameters())
    done, seconds = restore(model, optimizer, config.work)
    batches = token_batches(tokenizer, config, done)
    if config.compile:
        for block in model.transformer.h:
            block.compile(dynamic=False)  # the blocks are alike: all share one compiled code
    total_loss = torch.zeros((), device=precision.device)
    logged, started = done, time.monotonic() - seconds

    model.train()
    for step in tqdm(range(done, config.steps), initial=done, total=config.steps, mininterval=30):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        ids = torch.from_numpy(next(batches).astype(np.int64))  # (batch_size, context)
        if step < config.steps * config.short_share:
            ids = ids.view(-1, config.context // 2)
        ids = ids.to(precision.device, non_blocking=True)

        # forward, backward, update
        with precision.autocast():
            loss = next_token_loss(model, ids)
        loss.backward()
        norm = clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total_loss += loss.detach()

        # log and save
        due = (step + 1) % config.save_every == 0 or step + 1 == config.steps
        if due or (step + 1) % 10 == 0:
            record = {
                "step": step + 1,
                "tokens": (step + 1) * config.batch_size * config.context,
                "loss": round(total_loss.item() / (step + 1 - logged), 4),
                "lr": config.rate(step),
                "grad_norm": round(norm.item(), 4),
                "seconds": round(time.monotonic() - started, 1),
            }
            total_loss.zero_()
            logged = step + 1
            if due:
                # Compiled code is for the training lengths: each probe would compile anew.
                with torch.compiler.set_stance("force_eager"):
                    record |= probe(model, tokenizer, precision)
                save(model, optimizer, config.work, step + 1, record["seconds"])
                tqdm.write(json.dumps(record))
            append_line(config.work / "log.jsonl", json.dumps(record))


def next_token_loss(model: GPT2LMHeadModel, ids: Tensor) -> Tensor:
    """Mean cross entropy of every next token, ids (B, T), as a scalar in fp32."""
    hidden = model.transformer(input_ids=ids, use_cache=False).last_hidden_state  # (B, T, C)
    logits = model.lm_head(hidden[:, :-1])  # (B, T - 1, V)
    return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def token_batches(
    tokenizer: PreTrainedTokenizerBase, config: PretrainConfig, done: int
) -> Iterator[NDArray[np.uint16]]:
    """Yield (batch_size, context) token ids, beginning with those of step `done`.

    The stream is cheap to make again, so its position is all that a checkpoint has to know.
    """
    if config.workers:
        folder = config.work / "tokenizer"
        stream = blocks(
            folder,
            config.context,
            config.seed,
            config.corpus,
            config.drills_first,
            config.shares,
            config.workers,
        )
    else:
        corpus = Corpus.read(config.corpus) if config.corpus else None
        stream = packed(
            tokenizer, config.context, config.seed, corpus, config.drills_first, config.shares
        )
    skip = done * config.batch_size
    rows: Iterator[NDArray[np.uint16]] = (
        row for block in islice(stream, skip // BLOCK, None) for row in block
    )
    rows = islice(rows, skip % BLOCK, None)
    while True:
        yield np.stack(list(islice(rows, config.batch_size)))


def save(
    model: GPT2LMHeadModel, optimizer: MuonAdamW, work: Path, step: int, seconds: float
) -> None:
    """Write weights, the optimizer's moments and the position: all that continuing needs."""
    moments: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.moments(parameter).items():
            moments[f"{name}/{key}"] = value.detach().cpu().contiguous()
    with atomic_directory(work / "last") as draft:
        model.save_pretrained(draft)
        save_file(moments, draft / "optimizer.safetensors")
        (draft / "state.json").write_text(json.dumps({"step": step, "seconds": seconds}))


def restore(model: GPT2LMHeadModel, optimizer: MuonAdamW, work: Path) -> tuple[int, float]:
    """Load what `save` wrote, if anything: (steps done, seconds spent)."""
    folder = work / "last"
    if not folder.exists():
        return 0, 0.0
    state = json.loads((folder / "state.json").read_text())
    saved = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    model.load_state_dict(saved.state_dict())
    moments = load_file(folder / "optimizer.safetensors")
    for name, parameter in model.named_parameters():
        own = {
            key.removeprefix(f"{name}/"): value.to(parameter.device)
            for key, value in moments.items()
            if key.startswith(f"{name}/")
        }
        optimizer.set_moments(parameter, own)
    # What the log has of steps after the checkpoint is about to be done again.
    log = work / "log.jsonl"
    kept = [record for record in read_log(log) if record["step"] <= state["step"]]
    write_file(log, "".join(json.dumps(record) + "\n" for record in kept))
    print(f"{state['step']}스텝에서 이어서 학습합니다.")
    return state["step"], state["seconds"]
