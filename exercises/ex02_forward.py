"""문제 2. LoRALinear.forward (2과, lora/README.md)

LoRA 논문의 식 (3)을 적으세요.

    h = W₀·x + b + (alpha / rank) · B·A·dropout(x)

`layer`에는 이런 것이 있습니다.

    layer.base      얼린 층. layer.base(x)가 W₀·x + b입니다 (nn.Linear든 Conv1D든)
    layer.lora_A    (rank, in), fp32
    layer.lora_B    (out, rank), fp32
    layer.scaling   alpha / rank
    layer.dropout   nn.Dropout
    layer.enabled   False이면 베이스의 값만 돌려줍니다

- 드롭아웃은 A로 가는 x에만 줍니다.
- 출력의 dtype은 베이스의 출력과 같습니다. 베이스와 x가 bf16이어도 A와 B는 fp32입니다.

힌트: 행렬 (out, in)을 x의 마지막 축에 곱하는 함수는 F.linear(x, 행렬)입니다. A를 먼저, B를
나중에 곱하면 가운데가 rank개뿐이라 쌉니다. dtype은 계산하기 전에 A와 B를 x.dtype으로 바꿔
맞춥니다.

확인: make exercise N=2 (python -m exercises 2)
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lora.layer import LoRALinear


def forward(layer: LoRALinear, x: Tensor) -> Tensor:
    """모양 (..., in)인 x를 받아 (..., out)을 돌려줍니다."""
    raise NotImplementedError
