"""문제 8. KV 캐시로 하는 어텐션 (5과, infer/README.md)

새 토큰 *하나*의 어텐션을 계산하세요. 앞선 토큰들의 key와 value는 캐시에 있습니다.

    q, k, v = 새 토큰의 것 (attn.c_attn이 셋을 이어서 냄)
    캐시에 k, v를 덧붙이고, 지금까지의 keys, values를 받음
    출력 = attn.c_proj(softmax(q·keysᵀ / √head_dim) · values)

`attn`은 transformers의 GPT2Attention입니다.

    attn.c_attn(x)       (B, C) -> (B, 3C): q, k, v의 순서
    attn.c_proj(h)       (B, C) -> (B, C)
    attn.num_heads, attn.head_dim    C = num_heads · head_dim
    cache.update(k, v)   (B, heads, 1, head_dim) 둘을 덧붙이고, (B, heads, S, head_dim) 둘을 돌려줌

- visible은 None이거나 (B, S)인 bool입니다. False인 자리는 채움이니 보지 않습니다. S는 새
  토큰까지 셉니다.
- 새 토큰은 마지막이므로 앞을 가리는 마스크(causal)는 필요 없습니다.

힌트: (B, C)를 (B, heads, 1, head_dim)으로 바꾸는 것은 view 하나입니다.
F.scaled_dot_product_attention의 attn_mask는 True인 자리만 보고, (B, heads, 1, S)로 늘어날 수
있는 모양이면 됩니다. is_causal=True는 쿼리가 하나일 때 무엇을 볼까요?

확인: make exercise N=8 (python -m exercises 8)
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from infer.cache import PreallocatedLayer


def attend(
    attn: GPT2Attention, x: Tensor, cache: PreallocatedLayer, visible: Tensor | None
) -> Tensor:
    """새 토큰의 x (B, C)를 받아 어텐션의 출력 (B, C)를 돌려줍니다."""
    raise NotImplementedError
