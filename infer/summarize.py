"""Question and answer in, summary out: what the commands, the chat and the evaluation call."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from common.console import UserError
from data.encode import encode_prompt
from data.text import clean_text
from infer.candidates import draw_candidates
from infer.generate import generate
from infer.settings import Decoding


@dataclass
class Summarizer:
    """A model, its tokenizer, and how to decode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    settings: Decoding = field(default_factory=Decoding)

    @property
    def context(self) -> int:
        """The most tokens that the model can attend to."""
        return int(self.model.config.max_position_embeddings)

    def stream(self, question: str, answer: str) -> Iterator[str]:
        """Yield the summary as it is written, one piece of text for each token.

        A piece is empty if its token is an incomplete character, or EOS. Where several candidates
        are asked for, the summary is one piece: it is known when all of them have ended.
        """
        if self.settings.candidates > 1:
            yield self.choose(question, answer)
            return
        written = shown = ""
        tokens = self._generate([self.prompt(question, answer)[0]])
        for piece in whole_characters(self.tokenizer, (int(token[0]) for token in tokens)):
            written += piece
            text = one_paragraph(written)
            yield text[len(shown) :]
            shown = text

    def summarize(self, questions: Sequence[str], answers: Sequence[str]) -> list[str]:
        """Summarise a batch. Under greedy decoding a row's summary is what the row gives alone.

        Candidates are a batch of their own, so with several of them the rows come one by one.
        """
        if self.settings.candidates > 1:
            return [self.choose(q, a) for q, a in zip(questions, answers, strict=True)]
        prompts = [self.prompt(q, a)[0] for q, a in zip(questions, answers, strict=True)]
        if not prompts:
            return []
        tokens = torch.stack(list(self._generate(prompts)), dim=1)  # (B, new tokens)
        return [self._text(row) for row in tokens.tolist()]

    def choose(self, question: str, answer: str) -> str:
        """Draw several summaries and choose the one with the best score."""
        prompt, read = self.prompt(question, answer)
        ids, mask = (tensor.to(self.model.device) for tensor in pad_left([prompt], 0))
        eos = int(self.tokenizer.eos_token_id)
        found = draw_candidates(self.model, ids, mask, eos, self.settings)
        texts = [self._text(candidate.ids) for candidate in found]
        source = f"{clean_text(question)} {read}"
        scores = [c.score(text, source) for c, text in zip(found, texts, strict=True)]
        return texts[scores.index(max(scores))]

    def prompt(self, question: str, answer: str) -> tuple[list[int], str]:
        """The token ids of the prompt, and the part of the answer that fits into it.

        Raises:
            UserError: the question leaves no room for a summary, even with an empty answer.
        """
        room = self.context - self.settings.max_new_tokens
        try:
            return encode_prompt(self.tokenizer, clean_text(question), clean_text(answer), room)
        except ValueError as error:
            raise UserError(
                f"질문과 요약이 모델의 문맥 {self.context:,}토큰에 들어가지 않습니다. "
                "질문이나 요약의 최대 토큰 수(max_new_tokens)를 줄이세요."
            ) from error

    def check(self, question: str, where: str) -> None:
        """Raise the error of `prompt`, preceded by `where`, if it does not accept the question."""
        try:
            self.prompt(question, "")
        except UserError as error:
            raise UserError(f"{where}: {error}") from error

    def fits(self, question: str) -> bool:
        """Whether `prompt` accepts the question."""
        try:
            self.prompt(question, "")
        except UserError:
            return False
        return True

    def _generate(self, prompts: list[list[int]]) -> Iterator[Tensor]:
        ids, mask = pad_left(prompts, int(self.tokenizer.pad_token_id))
        device, eos = self.model.device, int(self.tokenizer.eos_token_id)
        return generate(self.model, ids.to(device), mask.to(device), eos, self.settings)

    def _text(self, ids: list[int]) -> str:
        """The text of the tokens before EOS, which is what `stream` yields of them."""
        eos = self.tokenizer.eos_token_id
        ids = ids[: ids.index(eos)] if eos in ids else ids
        return one_paragraph("".join(whole_characters(self.tokenizer, ids)))


def whole_characters(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> Iterator[str]:
    """For each token the characters that it completes, which may be none.

    A token may be a byte of a character, which decodes to U+FFFD until the rest arrives. Where
    bytes are the fallback for rare characters, those before an incomplete one then decode to U+FFFD
    as well, so what has been yielded is not decoded again, but for one piece of context: a blank at
    the beginning of a piece is part of it, and at the beginning of a text it is not.
    """
    window: list[int] = []  # the tokens of the last piece, then those that have come since
    last = 0  # how many tokens the last piece has
    for token in ids:
        window.append(token)
        text = str(tokenizer.decode(window, skip_special_tokens=True))
        if text.endswith("\ufffd"):
            yield ""
            continue
        before = str(tokenizer.decode(window[:last], skip_special_tokens=True))
        yield text[len(before) :].replace("\ufffd", "")
        window = window[last:]
        last = len(window)


def one_paragraph(text: str) -> str:
    """`text` in one line. Of a longer text it is a continuation, so `stream` takes nothing back."""
    return re.sub(r"\n\s*", " ", text.lstrip())  # the first token may begin with a space


def pad_left(prompts: Sequence[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """`input_ids` and `attention_mask`, both (B, T); every prompt ends in the last column."""
    length = max(map(len, prompts))
    ids = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, length - len(prompt) :] = torch.tensor(prompt)
        mask[i, length - len(prompt) :] = 1
    return ids, mask
