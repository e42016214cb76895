"""The probe measures what it says."""

import torch
from transformers import GPT2LMHeadModel

from model.base import EMBEDDED, find_base, load_base
from model.precision import Precision
from pretraining import probe as module

FP32 = Precision("fp32", torch.device("cpu"))


def test_the_embedded_base_copies_unseen_answers(monkeypatch: object) -> None:
    base = load_base(find_base(EMBEDDED.name))
    assert isinstance(base.model, GPT2LMHeadModel)
    module._rows.cache_clear()
    rows = module._rows()[:20]
    module._rows.cache_clear()
    original = module._rows
    module._rows = lambda: rows  # type: ignore[assignment]
    try:
        found = module.probe(base.model, base.tokenizer, FP32)
    finally:
        module._rows = original
    assert found["copied"] > 85
    assert 70 < found["retold"] < found["copied"]
    assert 0.1 < found["retell_loss"] < 0.5


def test_a_model_that_says_anything_copies_nothing() -> None:
    base = load_base(find_base(EMBEDDED.name))
    torch.manual_seed(0)
    for parameter in base.model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    right, words, nats, characters = module._score(
        base.model,
        base.tokenizer,
        FP32,
        module.COPY,
        "저는 두 해 일했습니다.",
        "저는 두 해 일했습니다.",
    )
    assert (right, words, characters) == (0, 4, 13)
    assert nats > 20
