"""문제 7. NF4 양자화 (4과, quant/README.md)

가중치를 4비트로 적으세요. bitsandbytes와 같은 바이트가 나와야 합니다.

    가중치를 한 줄로 펴서 64개씩 ─ 블록마다 가장 큰 절댓값 absmax ─ absmax로 나눠 [-1, 1]로
        ─ LEVELS의 16개 값 가운데 가장 가까운 것의 번호(0~15) ─ 두 번호를 한 바이트에

- 한 바이트에서 *앞의* 번호가 높은 4비트입니다: (앞 << 4) | 뒤.
- 가중치의 수 n이 64의 배수가 아니면 끝에 0을 채워 계산합니다. 바이트는 앞의
  ceil(n/2)개만 돌려줍니다.
- 모두 0인 블록의 번호는 0이라는 값의 번호(7)입니다. 0으로 나누어 nan을 만들지 마세요.

예: 블록의 absmax가 2이면 가중치 -2, 0, 0.6, 2는 -1, 0, 0.3, 1이 되고, 번호는 0, 7, 11, 15입니다
(LEVELS[11]은 0.338). 바이트로는 0x07, 0xBF입니다.

힌트: F.pad(한 줄, (0, 채울 수)).view(-1, 64). 가장 가까운 값은 16개와의 거리 가운데 가장 작은
것(argmin)이거나, 이웃한 두 값의 가운데를 경계로 한 torch.bucketize입니다. 번호는 홀수째와
짝수째로 나눠 합칩니다: [::2], [1::2].

확인: make exercise N=7 (python -m exercises 7)
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.nf4 import LEVELS  # (16,), 작은 것부터


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(packed, absmax): torch.uint8 (ceil(n / 2),)과 torch.float32 (ceil(n / 64),)를 돌려줍니다."""
    raise NotImplementedError
