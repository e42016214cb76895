"""문제 9. top-p (5과, infer/README.md)

행마다 확률이 큰 토큰부터 모아 확률의 합이 top_p에 *이르는* 가장 작은 모둠만 남기고, 나머지
로짓을 -inf로 바꾸세요.

예: 확률이 [0.1, 0.6, 0.3]이고 top_p가 0.7이면 0.6만으로는 모자라므로 0.6과 0.3이 남습니다.

- 남은 로짓의 값과 자리는 그대로입니다. 확률이 아니라 로짓을 돌려줍니다.
- 가장 그럴듯한 토큰은 언제나 남습니다. top_p가 1이면 모두 남습니다.
- 받은 logits을 고치지 마세요.

힌트: 정렬(sort)은 값과 함께 원래의 자리(order)도 줍니다. 정렬한 순서에서 정한 것을 원래의
자리로 되돌리려면 mask.scatter(1, order, mask)를 씁니다. 확률이 .5, .3, .1, .1이고 top_p가 0.8일
때까지 맞는지 보세요. float에서는 큰 것부터 더한 합이 0.8에 조금 못 미칠 수 있습니다. 작은
것부터 더해 1 - top_p와 견주면 반올림이 작습니다.

확인: make exercise N=9 (python -m exercises 9)
"""

import torch
from torch import Tensor


def keep_nucleus(logits: Tensor, top_p: float) -> Tensor:
    """모양 (B, V)인 로짓을 받아 같은 모양을 돌려줍니다. 0 < top_p <= 1."""
    raise NotImplementedError
