"""Pretrain the embedded base from scratch: the same step as `loop.py`, on all parameters."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    get_wsd_schedule,
)

from common.console import option, refuse
from common.files import append_line, atomic_directory, read_log, write_file
from common.locks import exclusive
from model.base import EMBEDDED
from model.device import pick_device, place
from model.loss import response_loss
from model.precision import Precision, pick_precision
from pretraining.curves import draw_pretraining
from pretraining.documents import pretraining_documents
from pretraining.muon import MuonAdamW, sinusoids
from pretraining.tokenizer import train_tokenizer
from training.loop import TrainingState, train_step


@dataclass
class PretrainConfig:
    """Settings of the embedded base and of the run that makes it."""

    corpus: Path | None = option(
        None, "실제 한국어 텍스트 폴더 (nsmc_reviews.txt.gz, chatbot_qa.csv)"
    )
    output: Path = option(EMBEDDED, "완성된 베이스를 쓸 폴더")
    work: Path = option(Path("checkpoints/pretrain"), "중간 체크포인트와 기록의 폴더")
    tokens: int = option(22_000_000, "학습할 토큰 수")
    vocab_size: int = option(4_096, "어휘 크기")
    tokenizer_documents: int = option(40_000, "토크나이저를 학습할 문서 수")
    layers: int = option(6, "층 수")
    width: int = option(256, "은닉 차원")
    heads: int = option(4, "어텐션 헤드 수")
    context: int = option(1024, "문맥 길이")
    batch_size: int = option(4, "한 스텝의 시퀀스 수 (문맥 길이로 셈)")
    learning_rate: float = option(4e-3, "최고 학습률")
    warmup_steps: int = option(100, "학습률을 올리는 스텝 수")
    drills_first: int = option(20_000, "처음 이만큼의 문서는 대부분 베끼기 연습")
    short_share: float = option(
        0.8, "처음 이만큼은 문맥의 절반 길이로 학습 (어텐션이 싸서 더 빠름)"
    )
    compile: bool = option(False, "torch.compile로 층들을 합침 (C++ 컴파일러 필요)")
    save_every: int = option(500, "저장하고 검증하는 스텝 간격")
    precision: str = option("auto", "auto, fp16, bf16, fp32")
    device: str = option("auto", "auto, cuda, mps, cpu")
    seed: int = option(0, "난수 시드")

    def __post_init__(self) -> None:
        """Refuse values that make no model.

        Raises:
            UserError: the first such option.
        """
        for name in (
            *("tokens", "tokenizer_documents", "layers", "width", "heads", "batch_size"),
            *("learning_rate", "save_every"),
        ):
            if not 0 < getattr(self, name) < math.inf:
                refuse(name, getattr(self, name), "0보다 큰 수여야 합니다")
        if self.width % self.heads:
            refuse("heads", self.heads, f"--width {self.width}의 약수여야 합니다")
        if self.context < 2 or self.context % 2:
            refuse("context", self.context, "짝수여야 합니다")


def make_base(config: PretrainConfig) -> None:
    """Train tokenizer and model, and write them to `config.output`."""
    torch.manual_seed(config.seed)
    precision = pick_precision(config.precision, pick_device(config.device))
    tokenizer = prepare_tokenizer(config)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=config.context,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            activation_function="gelu_pytorch_tanh",  # GPT-2's own formula, in one kernel
            # One pass over a stream that hardly repeats: there is little to overfit.
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(sinusoids(config.context, config.width))
    place(model, precision.device)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M 파라미터, {precision.name}")
    if precision.device.type == "cpu":
        model.set_attn_implementation("eager")  # faster there at these lengths (BENCHMARKS.md)
    if config.compile:
        model.transformer.compile(dynamic=False)
    pretrain(model, tokenizer, config, precision)
    inside = config.output.resolve().parent == config.work.resolve()  # whose lock is held
    with (
        nullcontext() if inside else exclusive(config.output.parent),
        atomic_directory(config.output) as draft,
    ):
        model.half().save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        readme = config.output / "README.md"  # the model card is written by hand
        if readme.exists():
            (draft / "README.md").write_bytes(readme.read_bytes())
        (draft / "pretrain.jsonl").write_bytes((config.work / "log.jsonl").read_bytes())
        draw_pretraining(config.work / "log.jsonl", draft / "pretrain.png")
    print(f"완성: {config.output}")


def prepare_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerBase:
    """Train the tokenizer, or load the one an interrupted run has trained."""
    folder = config.work / "tokenizer"
    if not folder.exists():
        documents = islice(
            pretraining_documents(config.seed, config.corpus), config.tokenizer_documents
        )
        trained = train_tokenizer(documents, config.vocab_size, config.context)
        with atomic_directory(folder) as draft:
            trained.save_pretrained(draft)
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def pack(
    documents: Iterator[str], tokenizer: PreTrainedTokenizerBase, length: int
) -> Iterator[list[int]]:
    """Documents with EOS between them, cut into sequences of `length` tokens without padding."""
    buffer: list[int] = []
    while True:
        texts = list(islice(documents, 256))
        for ids in tokenizer(texts)["input_ids"]:
            buffer += [*ids, tokenizer.eos_token_id]
        while len(buffer) >= length:
            yield buffer[:length]
            buffer = buffer[length:]


def pretrain(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainConfig,
    precision: Precision,
) -> None:
    """Train `model` in place for `config.tokens` tokens, logging and saving as it goes."""
    total = math.ceil(config.tokens / (config.batch_size * config.context))
    optimizer = MuonAdamW(model, config.learning_rate)
    # Warm up, stay, decay (arXiv:2404.06395): an interrupted run may go on with other --tokens,
    # since the rate does not depend on the total until the decay begins.
    decay = total // 5
    scheduler = get_wsd_schedule(optimizer, config.warmup_steps, decay, num_training_steps=total)
    state = TrainingState(optimizer, precision.grad_scaler())
    held_out = pretraining_documents(config.seed + 1, config.corpus)
    validation = list(islice(pack(held_out, tokenizer, config.context), 16))
    done, seconds = restore(model, optimizer, scheduler, config.work)
    documents = pretraining_documents(config.seed + 2, config.corpus, config.drills_first)
    sequences = pack(documents, tokenizer, config.context)
    # The stream is cheap to make again, so its position is all that a checkpoint has to know.
    sequences = islice(sequences, done * config.batch_size, None)
    started = time.monotonic() - seconds

    model.train()
    for step in tqdm(range(done + 1, total + 1), initial=done, total=total, mininterval=30):
        ids = torch.tensor(list(islice(sequences, config.batch_size)))
        if step < total * config.short_share:
            ids = ids.view(-1, config.context // 2)
        batch = {"input_ids": ids, "labels": ids}
        lr = float(scheduler.get_last_lr()[0])
        loss, norm, skipped = train_step(model, [batch], state, precision, max_grad_norm=1.0)
        if not skipped:
            scheduler.step()
        record = {"step": step, "tokens": step * ids.numel(), "loss": loss, "lr": lr}
        record |= {
            "grad_norm": norm,
            "skipped": skipped,
            "seconds": round(time.monotonic() - started, 1),
        }
        if step % config.save_every == 0 or step == total:
            record["validation_loss"] = validation_loss(model, validation, precision)
            save(model, optimizer, scheduler, config.work, step, record["seconds"])
            print(json.dumps(record), flush=True)
        append_line(config.work / "log.jsonl", json.dumps(record))


@torch.no_grad()
def validation_loss(
    model: GPT2LMHeadModel, sequences: list[list[int]], precision: Precision
) -> float:
    """Mean cross entropy in nats per token over packed sequences."""
    total = 0.0
    for sequence in sequences:
        ids = torch.tensor([sequence], device=precision.device)
        with precision.autocast():
            total += response_loss(model, ids, ids).item()
    return total / sum(len(sequence) - 1 for sequence in sequences)


def save(
    model: GPT2LMHeadModel,
    optimizer: MuonAdamW,
    scheduler: LRScheduler,
    work: Path,
    step: int,
    seconds: float,
) -> None:
    """Write weights, the optimizer's moments and the position: all that going on needs."""
    moments: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.moments(parameter).items():
            moments[f"{name}/{key}"] = value.detach().cpu()
    with atomic_directory(work / "last") as draft:
        model.save_pretrained(draft)
        save_file(moments, draft / "optimizer.safetensors")
        state = {"step": step, "seconds": seconds, "scheduler": scheduler.state_dict()}
        (draft / "state.json").write_text(json.dumps(state, indent=2))


def restore(
    model: GPT2LMHeadModel,
    optimizer: MuonAdamW,
    scheduler: LRScheduler,
    work: Path,
) -> tuple[int, float]:
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
    scheduler.load_state_dict(state["scheduler"])
    for group, lr in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = lr
    # What the log has of steps behind the checkpoint is about to be done again.
    log = work / "log.jsonl"
    kept = [record for record in read_log(log) if record["step"] <= state["step"]]
    write_file(log, "".join(json.dumps(record) + "\n" for record in kept))
    print(f"{state['step']}스텝에서 이어서 학습합니다.")
    return state["step"], state["seconds"]
