import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from data.encode import encode_rows
from evaluation.evaluate import held_out_loss
from lora.inject import inject_lora
from model.base import EMBEDDED, REPOSITORY, load_base
from model.precision import Precision
from pretraining import pretrain as module
from pretraining.config import PretrainConfig
from pretraining.pretrain import (
    make_model,
    make_tokenizer,
    next_token_loss,
    pretrain,
)
from pretraining.rows import interview_rows
from training.config import TrainConfig
from training.loop import initial_state, train

FP32 = Precision("fp32", torch.device("cpu"))


def run(tokenizer: PreTrainedTokenizerFast, config: PretrainConfig) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    model = make_model(config, tokenizer)
    pretrain(model, tokenizer, config, FP32)
    return model


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_continues_to_the_same_bits(
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "probe", lambda *_: {})  # answers do not fit into 64 tokens
    config = PretrainConfig(
        work=tmp_path / "a", tokens=8 * 128, context=64, batch_size=2, warmup_steps=2,
        save_every=3, layers=1, width=32, heads=2, workers=workers,
    )  # fmt: skip
    for name in "ab":
        (tmp_path / name).mkdir()
        tokenizer.save_pretrained(tmp_path / name / "tokenizer")
    whole = run(tokenizer, config)

    config = replace(config, work=tmp_path / "b")
    calls = iter(range(5))
    real = module.next_token_loss

    def dies(*args: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "next_token_loss", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tokenizer, config)
    monkeypatch.setattr(module, "next_token_loss", real)
    resumed = run(tokenizer, config)
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in "ab"]
    steps = [[json.loads(line)["step"] for line in log] for log in logs]
    assert steps[0] == steps[1] == [3, 6, 8]


def test_a_second_stage_starts_from_the_weights_of_the_first(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    shape = PretrainConfig(work=tmp_path / "a", layers=1, width=32, heads=2, context=64)
    first = make_model(shape, tokenizer)
    first.half().save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    config = replace(shape, init=tmp_path / "base", work=tmp_path / "b")
    known = make_tokenizer(config)
    assert known.get_vocab() == tokenizer.get_vocab()
    second = make_model(config, known)
    assert second.dtype == torch.float32
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(p.float(), q)
    assert config.shares != shape.shares


def test_the_rate_warms_up_stays_and_decays() -> None:
    config = PretrainConfig(tokens=100 * 64 * 1024, warmup_steps=10, decay_share=0.2)
    rates = [config.rate(step) / config.learning_rate for step in range(config.steps)]
    assert rates[0] == pytest.approx(0.1) and rates[9:80] == [1.0] * 71
    assert rates[90] == pytest.approx(0.5) and rates[99] == pytest.approx(0.05)


def test_the_loss_is_the_models_own(tokenizer: PreTrainedTokenizerFast) -> None:
    model = make_model(PretrainConfig(layers=1, width=32, heads=2, context=64), tokenizer)
    ids = torch.randint(0, len(tokenizer), (3, 40))
    expected = model(input_ids=ids, labels=ids).loss
    assert torch.allclose(next_token_loss(model, ids), expected, atol=1e-6)


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
    steps = [record["step"] for record in log]
    assert steps == sorted(set(steps))
    assert log[-1]["loss"] < log[0]["loss"] / 2
