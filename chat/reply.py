"""One question and answer to one model: the summary as it grows, and what it takes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from common.console import UserError
from data.text import clean_text
from infer.models import Models
from infer.settings import Decoding


@dataclass(frozen=True)
class Reply:
    """A summary as far as it is written."""

    model: str  # its name in `infer.find.NAMES`
    text: str = ""
    tokens: int = 0  # the one that ends the text included
    seconds: float = 0.0  # since the prompt went in; opening the model is not counted
    unread: int = 0  # characters at the answer's end that found no room in the context

    def cost(self) -> str:
        """What it took, in Korean."""
        speed = self.tokens / self.seconds if self.seconds else 0.0
        return f"{self.tokens}토큰 · {self.seconds:.1f}초 · {speed:.0f}토큰/초"

    def notice(self) -> str:
        """What a reader of the summary must know, in Korean; empty where there is nothing."""
        if not self.unread:
            return ""
        return f"답변이 길어 끝의 {self.unread:,}자는 읽지 못했습니다."


def reply(
    models: Models, name: str, question: str, answer: str, decoding: Decoding
) -> Iterator[Reply]:
    """Yield the summary as it grows: once before its first token and again after each.

    Raises:
        UserError: an empty text, a question that is too long, no such model.
    """
    question, answer = clean_text(question), clean_text(answer)
    if not question or not answer:
        raise UserError("질문과 답변을 모두 적으세요.")
    summarizer = decoding.summarizer(*models.open(name))
    if not summarizer.fits(question):
        raise UserError(
            f"질문과 요약이 모델의 문맥 {summarizer.context}토큰에 들어가지 않습니다. "
            "질문이나 요약의 최대 토큰 수를 줄이세요."
        )
    _, kept = summarizer.prompt(question, answer)
    now = Reply(name, unread=len(answer) - len(kept))
    yield now
    begin = time.perf_counter()
    for piece in summarizer.stream(question, answer):
        seconds = time.perf_counter() - begin
        now = replace(now, text=now.text + piece, tokens=now.tokens + 1, seconds=seconds)
        yield now
