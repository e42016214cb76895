"""문제 4. 병합, Conv1D도 (2과, lora/README.md)

배운 것을 베이스의 가중치에 더하고 LoRA를 걷어내세요. 병합한 모델은 베이스보다 느리지 않습니다.

    W = W₀ + (alpha / rank) · B·A

모델의 모든 LoRALinear에 이렇게 합니다.

1. layer.base.weight.data를 W로 바꿉니다. 합은 fp32로 계산하고, 끝에 한 번만 원래의 dtype으로
   바꿉니다.
2. 모델의 그 자리에 layer.base를 되돌려 놓습니다. 그러지 않으면 배운 것이 두 번 더해집니다.

layer.lora_A는 (rank, in), layer.lora_B는 (out, rank), layer.scaling은 alpha / rank입니다. 층의
가중치 layer.base.weight는 nn.Linear라면 (out, in)이고, GPT-2의 Conv1D라면 (in, out)입니다.

힌트: B @ A의 모양은 (out, in)입니다. 정사각형인 층에서는 뒤집는 것을 잊어도 오류가 나지 않으니
조심하세요. lora_layers(model)은 이름을 키로 하는 LoRALinear의 dict이고, replace_module(model,
이름, 모듈)은 그 자리를 바꿉니다. @torch.no_grad()가 붙어 있어 계산 그래프는 남지 않습니다.
layer.delta_weight() 없이 풀어 보세요.

확인: make exercise N=4 (python -m exercises 4)
"""

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from lora.inject import lora_layers, replace_module


@torch.no_grad()
def merge_lora(model: nn.Module) -> None:
    """모델을 그 자리에서 고칩니다. 돌려주는 것은 없습니다."""
    raise NotImplementedError
