import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from data.encode import encode_rows
from evaluation.evaluate import held_out_loss
from lora.inject import inject_lora
from model.base import EMBEDDED, REPOSITORY, load_base
from model.precision import Precision
from pretraining import pretrain as module
from pretraining.pretrain import PretrainConfig, pack, pretrain
from pretraining.sample import interview_rows
from training.config import TrainConfig
from training.loop import initial_state, train

FP32 = Precision("fp32", torch.device("cpu"))


def run(tokenizer: PreTrainedTokenizerFast, config: PretrainConfig) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=1, n_head=2,
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        )
    )  # fmt: skip
    pretrain(model, tokenizer, config, FP32)
    return model


def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, byte_tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PretrainConfig(
        work=tmp_path / "a", tokens=8 * 128, context=64, batch_size=2, warmup_steps=2, save_every=3
    )
    config.work.mkdir()
    whole = run(byte_tokenizer, config)

    config = replace(config, work=tmp_path / "b")
    config.work.mkdir()
    calls = iter(range(5))
    real = module.train_step

    def dies(*args: object, **kwargs: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "train_step", dies)
    with pytest.raises(KeyboardInterrupt):
        run(byte_tokenizer, config)
    monkeypatch.setattr(module, "train_step", real)
    resumed = run(byte_tokenizer, config)
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in "ab"]
    steps = [[json.loads(line)["step"] for line in log] for log in logs]
    assert steps[0] == steps[1] == list(range(1, 9))


def test_packing_loses_nothing(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    texts = [f"{i}번째 글입니다." for i in range(600)]

    def endless() -> Iterator[str]:
        while True:
            yield from texts

    packed = list(islice(pack(endless(), byte_tokenizer, 50), 40))
    assert all(len(sequence) == 50 for sequence in packed)
    joined = byte_tokenizer.decode([i for sequence in packed for i in sequence])
    assert "<|endoftext|>".join(texts).startswith(joined)


def test_a_few_lora_steps_on_the_embedded_base_lower_the_validation_loss() -> None:
    base = load_base(EMBEDDED.name)
    rows = Dataset.from_list(interview_rows(80, seed=11))
    rows = rows.add_column("row", list(range(len(rows))))
    examples = encode_rows(rows, base.tokenizer, base.context)
    torch.manual_seed(0)
    inject_lora(base.model, TrainConfig().lora)
    before = held_out_loss(base.model, examples[64:], rows["summary"][64:], FP32)
    config = TrainConfig(epochs=2, batch_size=8, gradient_accumulation_steps=2)
    state = initial_state(base.model, config, FP32)
    assert sum(not step.skipped for step in train(base.model, examples[:64], config, FP32, state))
    after = held_out_loss(base.model, examples[64:], rows["summary"][64:], FP32)
    assert after.per_token < 0.85 * before.per_token


def test_the_embedded_base_comes_with_its_card_and_log() -> None:
    folder = REPOSITORY / EMBEDDED
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ko-gpt2-mini")
    log = [json.loads(line) for line in (folder / "pretrain.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log] == list(range(1, len(log) + 1))
    assert log[-1]["loss"] < log[0]["loss"] / 2
