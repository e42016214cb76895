"""The loss on the response alone, without ever computing the other logits."""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.encode import IGNORE


def response_loss(model: PreTrainedModel, input_ids: Tensor, labels: Tensor) -> Tensor:
    """Summed cross entropy of the labels that are not -100, as a scalar in fp32.

    The head turns C numbers a position into V logits: for GPT-2, 768 into 50,257, more work than
    all of a short text's attention and the largest tensor of the whole step. Loss needs them at
    the response's positions only, so only those rows of the hidden states go through the head.

    A sum and not a mean: only the caller knows how many tokens the whole window has.

    No attention mask: padding is on the right, where causal attention never looks.

    Shapes:
        input_ids, labels (B, T); hidden states (B, T, C); logits (N, V) for N labels that count
    """
    # Position t predicts token t + 1.
    targets = labels[:, 1:]
    counts = targets != IGNORE
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
    head: nn.Module = model.get_output_embeddings()
    logits = head(hidden[:, :-1][counts])
    return F.cross_entropy(logits.float(), targets[counts], reduction="sum")


def count_targets(labels: Tensor) -> int:
    """How many terms `response_loss` sums."""
    return int((labels[:, 1:] != IGNORE).sum())
