import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel

from data.encode import IGNORE
from model.loss import count_targets, response_loss
from tests.bases import FAMILIES, family_model
from tests.conftest import make_model


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Three rows of uneven lengths: prompt, response, padding. 0 is EOS and padding."""
    ids = torch.zeros(3, 20, dtype=torch.long)
    labels = torch.full_like(ids, IGNORE)
    torch.manual_seed(3)
    for row, (prompt, response) in enumerate([(5, 4), (12, 8), (3, 1)]):
        end = prompt + response
        ids[row, : end - 1] = torch.randint(1, 384, (end - 1,))  # the last one is EOS
        labels[row, prompt:end] = ids[row, prompt:end]
    return ids, labels


def full_head_loss(model: GPT2LMHeadModel, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Every position through the head, as everyone else does it."""
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :-1]
    return F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), reduction="sum"
    )


def test_equals_the_full_head_in_loss_and_gradients() -> None:
    ids, labels = batch()
    ours, theirs = make_model(), make_model()
    loss, expected = response_loss(ours, ids, labels), full_head_loss(theirs, ids, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    loss.backward()
    expected.backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_loss_of_transformers_in_every_family(family: str) -> None:
    ids, labels = batch()
    ours, theirs = family_model(family), family_model(family)
    loss = response_loss(ours, ids, labels)
    expected = theirs(input_ids=ids, labels=labels).loss * count_targets(labels)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    loss.backward()
    expected.backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("family", ["gemma2", "granite", "cohere", "cohere2", "hyperclovax"])
def test_a_head_alone_would_be_another_loss(family: str) -> None:
    """The control: these families do change their logits after the head."""
    ids, labels = batch()
    model = family_model(family)
    hidden = model.base_model(input_ids=ids).last_hidden_state
    logits = model.get_output_embeddings()(hidden)[:, :-1].flatten(0, 1)
    plain = F.cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum")
    assert (plain / response_loss(model, ids, labels) - 1).abs() > 1e-3


def test_equals_a_float64_sum_of_log_probabilities() -> None:
    ids, labels = batch()
    model = make_model()
    loss = response_loss(model, ids, labels)
    total = 0.0
    with torch.no_grad():
        for row, wanted in zip(ids, labels, strict=True):
            logits = model.double()(input_ids=row[None]).logits[0].log_softmax(-1)
            total -= sum(logits[t - 1, wanted[t]].item() for t in range(20) if wanted[t] != IGNORE)
    assert abs(loss.item() - total) < 1e-4


def test_the_head_sees_response_rows_only() -> None:
    ids, labels = batch()
    model = make_model()
    seen: list[torch.Size] = []
    model.lm_head.register_forward_hook(lambda _module, args, _output: seen.append(args[0].shape))
    response_loss(model, ids, labels)
    assert seen == [torch.Size([4 + 8 + 1, 64])] and count_targets(labels) == 13


def test_padding_changes_nothing() -> None:
    ids, labels = batch()
    model = make_model()
    alone = sum(
        response_loss(model, ids[i : i + 1, :n], labels[i : i + 1, :n])
        for i, n in enumerate((9, 20, 4))
    )
    torch.testing.assert_close(alone, response_loss(model, ids, labels), rtol=1e-6, atol=0)


def test_eos_is_a_target_although_it_is_padding() -> None:
    ids, labels = batch()
    model = make_model()
    before = response_loss(model, ids, labels)
    without_eos = labels.masked_fill(ids == 0, IGNORE)
    assert count_targets(labels) - count_targets(without_eos) == 3
    assert response_loss(model, ids, without_eos) < before
