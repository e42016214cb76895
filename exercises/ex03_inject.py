"""문제 3. LoRA를 끼워 넣기 (2과, lora/README.md)

모델의 대상 층을 모두 LoRALinear로 감싸고, 나머지를 얼리세요.

- 대상은 이름이 config.targets의 하나로 *끝나는* 층입니다. 점으로 나눈 마디를 통째로 견줍니다.
  "attn.c_proj"는 "h.0.attn.c_proj"에 맞고 "h.0.xattn.c_proj"에는 맞지 않습니다.
- 그 자리에 LoRALinear(원래 층, config.rank, config.alpha, config.dropout)를 넣습니다. 원래 층을
  복사하지 않습니다.
- 끝나면 학습하는(requires_grad) 파라미터는 lora_A와 lora_B뿐입니다.
- 맞는 층이 하나도 없는 target이 있으면 오류를 냅니다(ValueError). 오타를 조용히 넘기면 아무것도
  배우지 않습니다.
- 모델은 그 자리에서 고치고, 감싼 층의 이름을 리스트로 돌려줍니다(순서는 상관없습니다).

힌트: model.named_modules()는 (이름, 모듈)을 냅니다. 도는 동안 모델을 고치지 말고 이름부터
모으세요. "h.0.attn.c_proj"를 바꾸려면 부모 model.get_submodule("h.0.attn")의 속성 "c_proj"에
setattr를 합니다. 새로 만든 A와 B는 학습하는 파라미터로 태어납니다. 그러니 얼리는 때가
중요합니다.

확인: make exercise N=3 (python -m exercises 3)
"""

from torch import nn

from lora.inject import LoraConfig
from lora.layer import LoRALinear


def inject_lora(model: nn.Module, config: LoraConfig) -> list[str]:
    """감싼 층의 이름을 돌려줍니다. config.targets는 문자열의 튜플입니다."""
    raise NotImplementedError
