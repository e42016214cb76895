"""Exercise 10: mecab-ko's morphemes are the truth, and rouge_score counts them."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer, Tokenizer

from evaluation.metrics import KoreanTokenizer
from exercises.checking import Wrong, expect, kind_of

Tokenize = Callable[[str], Any]
SENTENCE = "편의점에서 8개월 동안 재고를 관리했다."


def check(tokenize: Tokenize) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "짧은 문장"
    try_text(tokenize, "재고를 줄였다.")
    yield "숫자와 문장 부호가 있는 문장"
    try_text(tokenize, SENTENCE)
    yield "영어가 섞인 두 문장"
    try_text(tokenize, "LoRA를 배웠습니다.  Python도 3년 썼어요!")
    yield "빈 글"
    try_text(tokenize, "")
    yield "NFD로 적힌 같은 문장"
    try_decomposed(tokenize)
    yield "똑같은 문장의 ROUGE-L은 100점"
    expect(rouge(tokenize, SENTENCE, SENTENCE) == 100, "똑같은 문장이 100점이 아닙니다")
    yield "조사 하나가 다르면 조금만 깎인다"
    score = rouge(tokenize, SENTENCE, SENTENCE.replace("재고를", "재고도"))
    expect(85 < score < 100, f"85점과 100점 사이여야 하는데 {score:.1f}점입니다")


def try_text(tokenize: Tokenize, text: str) -> None:
    """Compare the tokens of a text with its morphemes, and with common mistakes."""
    got = tokenize(text)
    if not isinstance(got, list):
        more = ". .split()으로 나누세요" if isinstance(got, str) else ""
        raise Wrong(f"리스트여야 하는데 {kind_of(got)}{more}")
    morphemes = KoreanTokenizer().tokenize(text)
    mistakes = {
        "빈 토큰이 섞였습니다. .split(' ')이 아니라 .split()": " ".join(morphemes).split(" "),
        "형태소가 아니라 어절(빈칸)로 나누었습니다. 조사 하나에 낱말 전체가 틀립니다": text.split(),
        "형태소가 아니라 글자로 나누었습니다": list(text.replace(" ", "")),
        "형태소가 아니라 글자로, 빈칸까지 나누었습니다": list(text),
        "나누지 않고 통째로 담았습니다": [text],
        "형태소를 나누지 않고 빈칸으로 이은 채 담았습니다": [" ".join(morphemes)],
        "빈칸으로 이은 글을 글자로 풀었습니다. list()가 아니라 .split()": list(" ".join(morphemes)),
        "rouge_score의 토크나이저처럼 한글을 버렸습니다": DefaultTokenizer(False).tokenize(text),
        "소문자로 바꾸었습니다. 글을 그대로 두세요": [m.lower() for m in morphemes],
    }
    if got == morphemes:
        return
    named = [diagnosis for diagnosis, wrong in mistakes.items() if got == wrong]
    raise Wrong(named[0] if named else f"정답 {morphemes}, 낸 값 {got}")


def try_decomposed(tokenize: Tokenize) -> None:
    """Text that looks the same must give the same tokens."""
    composed, decomposed = tokenize(SENTENCE), tokenize(unicodedata.normalize("NFD", SENTENCE))
    expect(
        composed == decomposed,
        "눈에 같은 글인데 토큰이 다릅니다. 나누기 전에 unicodedata.normalize('NFC', 글)로 모으세요",
    )


def rouge(tokenize: Tokenize, reference: str, prediction: str) -> float:
    """The F1 of ROUGE-L in percent, with the reader's tokenizer."""

    class Reader(Tokenizer):
        def tokenize(self, text: str) -> list[str]:
            tokens: list[str] = tokenize(text)
            return tokens

    score = RougeScorer(["rougeL"], tokenizer=Reader()).score(reference, prediction)
    return float(100 * score["rougeL"].fmeasure)
