"""문제 5. 배치 전체의 손실 (3과, training/README.md)

배치 하나를 마이크로배치 여럿으로 나눠 계산하되, 그래디언트는 나누지 않은 것과 같게 하세요.

    손실 = (배치 전체의 응답 토큰의 교차 엔트로피를 모두 더한 것) / (배치 전체의 응답 토큰 수)

- micro_batches는 dict의 리스트입니다. batch["input_ids"]와 batch["labels"]의 모양은 (B, T)이고,
  B와 T는 마이크로배치마다 다를 수 있습니다. 응답 토큰은 labels가 -100이 아닌 자리입니다.
- 로짓 model(input_ids).logits의 모양은 (B, T, V)이고, 자리 t의 로짓은 토큰 t + 1을 맞힙니다.
  labels는 밀려 있지 않습니다.
- 마이크로배치마다 backward()를 불러 p.grad에 쌓습니다. 그래야 메모리는 마이크로배치 하나만큼만
  씁니다.
- p.grad는 비어 있는 채로 옵니다. 지우거나 가중치를 고치지 마세요.

힌트: 마이크로배치마다 평균하면 왜 안 될까요? 응답이 2토큰인 것과 20토큰인 것이 하나씩 있다고 해
보세요. 무엇으로 나눌지는 첫 backward() 앞에 알아야 합니다. F.cross_entropy(로짓 (N, V), 정답
(N,), reduction="sum")은 ignore_index인 -100을 건너뜁니다.

확인: make exercise N=5 (python -m exercises 5)
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel


def accumulate(model: PreTrainedModel, micro_batches: list[dict[str, Tensor]]) -> float:
    """그래디언트를 p.grad에 쌓고, 배치의 손실(수 하나)을 돌려줍니다."""
    raise NotImplementedError
