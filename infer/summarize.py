"""Question and answer in, summary out. What the command line and the evaluation call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.encode import encode_prompt
from data.text import clean_text
from infer.generate import Sampling, generate

MAX_NEW_TOKENS = 120
# No phrase of two or more tokens comes three times: the third would repeat four (BENCHMARKS.md).
NO_REPEAT_NGRAM = 4
DEFAULT = Sampling(no_repeat_ngram=NO_REPEAT_NGRAM)


@dataclass
class Summarizer:
    """A model with its tokenizer, and how it decodes."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int = MAX_NEW_TOKENS
    sampling: Sampling = DEFAULT

    @property
    def context(self) -> int:
        """The most tokens the model can attend to."""
        return int(self.model.config.max_position_embeddings)

    def stream(self, question: str, answer: str) -> Iterator[str]:
        """Yield the summary as it is written, a piece for each token.

        A piece is empty where the token is the first part of a character, or ends the text.

        Raises:
            ValueError: the question leaves no room inside the model's context.
        """
        shown = ""
        ids: list[int] = []
        for token in self._generate([self.prompt(question, answer)[0]]):
            ids.append(int(token[0]))
            text = self._text(ids)
            yield text[len(shown) :]
            shown = text

    def summarize(self, questions: Sequence[str], answers: Sequence[str]) -> list[str]:
        """Summaries of a batch; decoded greedily, each is what the same row gives alone.

        Raises:
            ValueError: a question leaves no room inside the model's context.
        """
        prompts = [self.prompt(q, a)[0] for q, a in zip(questions, answers, strict=True)]
        tokens = torch.stack(list(self._generate(prompts)), dim=1)  # (B, new tokens)
        return [self._text(row) for row in tokens.tolist()]

    def fits(self, question: str) -> bool:
        """Whether a question leaves room inside the context, if need be for no answer at all."""
        try:
            self.prompt(question, "")
        except ValueError:
            return False
        return True

    def prompt(self, question: str, answer: str) -> tuple[list[int], str]:
        """The prompt's token ids, and the part of the answer that found room in it.

        Raises:
            ValueError: the question leaves no room inside the model's context.
        """
        room = self.context - self.max_new_tokens
        return encode_prompt(self.tokenizer, clean_text(question), clean_text(answer), room)

    def _generate(self, prompts: list[list[int]]) -> Iterator[Tensor]:
        ids, mask = pad_left(prompts, int(self.tokenizer.pad_token_id))
        device = self.model.device
        return generate(
            self.model,
            ids.to(device),
            mask.to(device),
            int(self.tokenizer.eos_token_id),
            self.max_new_tokens,
            self.sampling,
        )

    def _text(self, ids: list[int]) -> str:
        """Text of the tokens before EOS.

        A byte-level token may hold a part of a character; until the rest comes it decodes to
        U+FFFD. Without those, the text of a longer list always continues that of a shorter one.
        """
        eos = self.tokenizer.eos_token_id
        ids = ids[: ids.index(eos)] if eos in ids else ids
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True))
        return text.replace("\ufffd", "").lstrip()  # a first token may begin with a blank


def pad_left(prompts: Sequence[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """`input_ids` and `attention_mask`, both (B, T): the prompts' ends stand in the last column."""
    length = max(map(len, prompts))
    ids = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, length - len(prompt) :] = torch.tensor(prompt)
        mask[i, length - len(prompt) :] = 1
    return ids, mask
