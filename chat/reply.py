"""One question and answer to one model: the summary as it grows, and what it costs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from chat.models import Models
from common.console import UserError
from data.text import clean_text
from infer.settings import Decoding
from infer.summarize import Summarizer


@dataclass(frozen=True)
class Reply:
    """A summary as far as it is written."""

    kind: str  # of the model: a key of `infer.find.KINDS`
    text: str = ""
    tokens: int = 0  # EOS included
    seconds: float = 0.0  # since the prefill began; opening the model does not count
    unread: int = 0  # characters at the end of the answer that did not fit into the context

    @property
    def tokens_per_second(self) -> float:
        """The speed so far, the prefill included."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def cost(self) -> str:
        """Tokens, seconds and speed, in Korean."""
        return f"{self.tokens}토큰 · {self.seconds:.1f}초 · {self.tokens_per_second:.0f}토큰/초"

    def notice(self) -> str:
        """A Korean sentence if a part of the answer was not read, else an empty string."""
        if not self.unread:
            return ""
        return f"답변이 길어 끝의 {self.unread:,}자는 읽지 못했습니다."


def reply(
    models: Models, kind: str, question: str, answer: str, settings: Decoding
) -> Iterator[Reply]:
    """Yield the summary as it grows: once before its first token, then after each token.

    Raises:
        UserError: a text is empty, the question is too long, or there is no such model.
    """
    question, answer = clean_text(question), clean_text(answer)
    if not question or not answer:
        raise UserError("질문과 답변을 모두 적으세요.")
    summarizer = Summarizer(*models.open(kind), settings)
    _, kept = summarizer.prompt(question, answer)
    now = Reply(kind, unread=len(answer) - len(kept))
    yield now
    begin = time.perf_counter()
    for piece in summarizer.stream(question, answer):
        seconds = time.perf_counter() - begin
        tokens = now.tokens + 1
        if settings.candidates > 1:  # the piece is the whole summary
            tokens = len(summarizer.tokenizer.tokenize(piece)) + 1
        now = replace(now, text=now.text + piece, tokens=tokens, seconds=seconds)
        yield now
