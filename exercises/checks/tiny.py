"""A small GPT-2 and batches of uneven rows, for the exercises about the training loop."""

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from data.batches import collate
from data.encode import IGNORE, Example


def tiny_gpt2() -> GPT2LMHeadModel:
    """One narrow layer with random weights and no dropout; the same at every call."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=40, n_positions=32, n_embd=16, n_layer=1, n_head=2,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    for parameter in model.parameters():
        if parameter.dim() == 2:  # transformers' weights are so small that every text is as likely
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def batch(*lengths: tuple[int, int]) -> dict[str, Tensor]:
    """A micro-batch of rows with so many tokens of (prompt, response), padded on the right."""
    generator = torch.Generator().manual_seed(sum(map(sum, lengths)))
    rows = []
    for prompt, response in lengths:
        ids = torch.randint(1, 40, (prompt + response,), generator=generator).tolist()
        rows.append(Example(ids, [IGNORE] * prompt + ids[prompt:]))
    return collate(rows, pad_id=0)


def gradient(model: torch.nn.Module) -> Tensor:
    """The gradients of all parameters in one row; zeros for a parameter without one."""
    return torch.cat([
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()
    ])  # fmt: skip
