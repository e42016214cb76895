"""문제 6. AMP 한 스텝 (3과, training/README.md)

fp16으로 학습하는 한 스텝을 순서대로 적으세요. 마이크로배치의 손실은 아래의 losses(model,
micro_batches, precision)가 하나씩 계산해 주고, 이미 배치 전체의 토큰 수로 나누었으니 더하기만
하면 됩니다.

1. 손실마다 배율을 곱해 역전파합니다.
2. 그래디언트에서 배율을 도로 나눕니다.
3. 노름이 max_grad_norm을 넘으면 자릅니다. 자르기는 배율이 없는 진짜 그래디언트를 봐야 합니다.
4. 가중치를 고칩니다. 그래디언트에 inf나 nan이 있으면 고치지 않고 건너뜁니다.
5. 배율을 새로 정합니다. 건너뛰었으면 반으로 줄어듭니다.
6. 다음 스텝에 남지 않게 그래디언트를 비웁니다.

돌려주는 것은 셋입니다: 배치의 손실(float), 자르기 *전의* 노름(float), 건너뛰었는지(bool).

힌트: 옵티마이저는 state.optimizer, torch.amp.GradScaler는 state.scaler입니다. 스케일러의 메서드
scale, unscale_, step, update를 한 번씩(scale은 손실마다) 부릅니다. clip_grad_norm_(파라미터,
최대)은 자르기 전의 노름을 돌려줍니다. scaler.step은 inf가 있으면 스스로 건너뛰지만 그렇게
했다고 알려 주지는 않습니다. 노름을 보면 알 수 있습니다.

확인: make exercise N=6 (python -m exercises 6)
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedModel

from model.loss import count_targets, response_loss
from model.precision import Precision
from training.loop import TrainingState


def losses(
    model: PreTrainedModel, micro_batches: list[dict[str, Tensor]], precision: Precision
) -> Iterator[Tensor]:
    """마이크로배치마다의 손실. 모두 더하면 배치의 손실입니다. (고칠 것 없음)"""
    response_tokens = sum(count_targets(batch["labels"]) for batch in micro_batches)
    for batch in micro_batches:
        with precision.autocast():
            loss = response_loss(model, batch["input_ids"], batch["labels"]) / response_tokens
        yield loss


def train_step(
    model: PreTrainedModel,
    micro_batches: list[dict[str, Tensor]],
    state: TrainingState,
    precision: Precision,
    max_grad_norm: float,
) -> tuple[float, float, bool]:
    """(손실, 자르기 전의 노름, 건너뛰었는지)를 돌려줍니다."""
    raise NotImplementedError
