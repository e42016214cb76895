"""문제 1. 토큰과 labels (1과, data/README.md)

행마다 프롬프트와 요약의 토큰 번호가 있습니다. 모든 행을 한 배치로 묶으세요.

    input_ids   프롬프트 …   요약 …  EOS   채움 …
    labels      -100 …       요약 …  EOS   -100 …

- 요약 뒤에 EOS를 하나 붙입니다. 모델은 이것으로 멈추는 법을 배웁니다.
- 가장 긴 행의 길이 T까지 모든 행의 *오른쪽*을 EOS로 채웁니다. GPT-2에는 채움 토큰이 따로
  없습니다.
- labels를 한 칸 밀지 않습니다. 그 일은 손실을 재는 쪽이 합니다.

예: prompts [[5, 6], [7]], summaries [[8], [9]], eos 0이면

    input_ids   [[   5,    6, 8, 0], [   7, 9, 0,    0]]
    labels      [[-100, -100, 8, 0], [-100, 9, 0, -100]]

힌트: 채움과 요약 끝의 EOS는 번호가 같습니다. 번호를 보지 않고 무엇으로 둘을 가릴 수 있을까요?
torch.full로 두 텐서를 채움으로 가득 만든 뒤, 행마다 앞부분을 덮어쓰면 짧습니다.

확인: make exercise N=1 (python -m exercises 1)
"""

import torch
from torch import Tensor

IGNORE = -100  # 교차 엔트로피가 건너뛰는 표시


def make_batch(
    prompts: list[list[int]], summaries: list[list[int]], eos: int
) -> tuple[Tensor, Tensor]:
    """(input_ids, labels)를 돌려줍니다. 둘 다 모양 (B, T), dtype torch.int64입니다."""
    raise NotImplementedError
