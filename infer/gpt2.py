"""One new token through GPT-2, written out: what a decode step computes, and nothing else.

transformers' forward first chooses masks, caches, attention kernels and outputs. For one token of
a small model that takes longer than the arithmetic (BENCHMARKS.md).

Language Models are Unsupervised Multitask Learners, Radford et al. 2019, section 2.3
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2LMHeadModel

from infer.cache import PreallocatedCache


def decode_gpt2(
    model: GPT2LMHeadModel,
    token: Tensor,
    position: Tensor,
    visible: Tensor | None,
    cache: PreallocatedCache,
) -> Tensor:
    """Logits (B, V) of the token after `token`, whose keys and values are appended to `cache`.

    It calls the model's own layers, which may have been replaced by LoRA, 4-bit or 8-bit layers.

    Shapes:
        token, position (B,); visible (B, S), False on padding, where S counts the new token too
    """
    transformer: Any = model.transformer
    mask = None if visible is None else visible[:, None, None]  # (B, heads, queries, keys)
    x = transformer.wte(token) + transformer.wpe(position)  # (B, C)
    for block, layer in zip(transformer.h, cache.layers, strict=True):
        attn, mlp = block.attn, block.mlp
        q, k, v = (
            part.view(len(x), attn.num_heads, 1, attn.head_dim)
            for part in attn.c_attn(block.ln_1(x)).chunk(3, dim=-1)
        )
        keys, values = layer.update(k, v)  # (B, heads, S, head_dim)
        h = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=attn.scaling)
        x = x + attn.c_proj(h.reshape(x.shape))
        x = x + mlp.c_proj(mlp.act(mlp.c_fc(block.ln_2(x))))
    return model.lm_head(transformer.ln_f(x))
