"""문제 10. ROUGE의 토크나이저 (evaluation/README.md)

rouge_score의 토크나이저는 라틴 문자와 숫자가 아니면 버립니다. 그래서 똑같은 한국어 문장이
0점입니다. 한국어 글을 *형태소*의 리스트로 나누는 토크나이저를 적으세요.

예: "재고를 줄였다." -> ["재고", "를", "줄였", "다", "."]

- 어절로 나누면 조사 하나만 달라도 낱말 전체가 틀린 것이 됩니다. 형태소로 나누면 "재고"는
  맞습니다.
- macOS는 "가"를 ㄱ과 ㅏ로 나눠 적습니다(NFD). 눈에 같은 글이면 같은 토큰이 나와야 합니다.

힌트: 형태소 분석기는 새로 만들지 않아도 됩니다. sacrebleu의
BLEU(tokenize="ko-mecab").tokenizer는 글을 받아 형태소를 빈칸으로 이은 글을 줍니다. 부를 때마다
새로 만들면 느리고 수천 번째에는 실패하니, 파일에서 한 번만 만들어 두세요. 글자를 한 모양으로
모으는 것은 표준 라이브러리의 unicodedata.normalize("NFC", 글)입니다.

확인: make exercise N=10 (python -m exercises 10)
"""

import unicodedata

from sacrebleu.metrics import BLEU


def tokenize(text: str) -> list[str]:
    """글을 받아 형태소의 리스트를 돌려줍니다."""
    raise NotImplementedError
