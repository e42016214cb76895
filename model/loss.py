"""The loss on the response alone, without ever computing the logits of the prompt."""

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.encode import IGNORE


def response_loss(model: PreTrainedModel, input_ids: Tensor, labels: Tensor) -> Tensor:
    """Summed cross entropy of the labels that are not -100, as a scalar in fp32.

    The head turns the C numbers of a position into V logits. For GPT-2 that is 768 into 50,257,
    which costs more than all of a short text's attention and makes the largest tensor of the step.
    The loss needs logits at the positions of the response only, so only those rows of the hidden
    states go through the head.

    The result is a sum and not a mean, because only the caller knows how many response tokens the
    whole batch has. No attention mask is needed: padding is on the right, where causal attention
    never looks.

    The model runs as a whole, and a hook cuts what its head is given. Some families cap their
    logits (Gemma 2) or scale them (Granite, Cohere) after the head, so head(hidden) alone would be
    the loss of another model.

    Shapes:
        input_ids, labels: (B, T)
    """
    # Position t predicts token t + 1.
    targets = labels[:, 1:]  # (B, T - 1)
    is_response = targets != IGNORE  # (B, T - 1), True at N positions
    head: nn.Module = model.get_output_embeddings()

    def response_rows(_head: nn.Module, hidden: tuple[Tensor]) -> Tensor:
        return hidden[0][:, :-1][is_response]  # (B, T, C) -> (N, C)

    with head.register_forward_pre_hook(response_rows):
        logits = model(input_ids=input_ids, use_cache=False).logits  # (N, V)
    return F.cross_entropy(logits.float(), targets[is_response], reduction="sum")


def count_targets(labels: Tensor) -> int:
    """How many terms `response_loss` sums: N."""
    return int((labels[:, 1:] != IGNORE).sum())
