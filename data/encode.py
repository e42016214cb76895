"""A row to `input_ids` and `labels`: truncation and masking."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedTokenizerBase

from common.console import UserError
from data.prompts import build_prompt, split_prompt

if TYPE_CHECKING:  # importing datasets takes half a second, which `make infer` can do without
    from datasets import Dataset

IGNORE = -100  # the label that cross entropy skips (torch.nn.CrossEntropyLoss, ignore_index)
ROWS_PER_CALL = 1000  # rows tokenised in one call


@dataclass(frozen=True)
class Example:
    """One training example: `input_ids` and `labels` have the same length T.

    `encode_rows` makes them arrays, of 4 bytes a number. Lists take 20 or more: 2 GB for 84,134
    long answers.
    """

    input_ids: Sequence[int]
    labels: Sequence[int]
    cut: int = 0  # characters cut from the end of the answer

    @property
    def response_tokens(self) -> int:
        """The number of labels that carry loss."""
        return len(self.labels) - self.labels.count(IGNORE)


def encode_rows(
    rows: "Dataset", tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[Example]:
    """Prompt + summary + EOS of each row, in at most `max_length` tokens.

    Prompt and summary are tokenised apart, so that no token crosses the boundary of the mask. The
    prompt is masked by its length, not by token id: EOS is also the padding token, and masking that
    id would hide the one EOS that teaches the model to stop.

    Raises:
        UserError: the question and the summary of a row alone exceed `max_length`.
    """
    examples = []
    for batch in rows.iter(batch_size=ROWS_PER_CALL):
        # One call for many texts lets the tokenizer use all cores.
        pairs = zip(batch["question"], batch["answer"], strict=True)
        texts = [build_prompt(question, answer) for question, answer in pairs]
        prompts = tokenizer(texts, split_special_tokens=True)["input_ids"]
        # Llama's tokenizer puts BOS before a text, which the middle of an example does not want.
        summaries = tokenizer(
            batch["summary"], split_special_tokens=True, add_special_tokens=False
        )["input_ids"]
        for i, (prompt, summary) in enumerate(zip(prompts, summaries, strict=True)):
            response = [*summary, tokenizer.eos_token_id]
            room = max_length - len(response)
            cut = 0
            if len(prompt) > room:
                question, answer = batch["question"][i], batch["answer"][i]
                try:
                    prompt, kept = encode_prompt(tokenizer, question, answer, room)
                except ValueError as error:
                    raise UserError(
                        f"데이터의 {batch['row'][i]}번째 행: 질문과 요약만으로 최대 길이 "
                        f"{max_length}토큰을 넘습니다. 그 행을 줄이거나 --max-length를 늘리세요."
                    ) from error
                cut = len(answer) - len(kept)
            input_ids = array("i", prompt + response)
            labels = array("i", [IGNORE] * len(prompt) + response)
            examples.append(Example(input_ids, labels, cut))
    return examples


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, question: str, answer: str, max_tokens: int
) -> tuple[list[int], str]:
    """The prompt in at most `max_tokens` tokens, and the part of the answer that it contains.

    A prompt that is too long loses the end of its answer, at a character boundary. The instruction,
    the question and the `### Response:` marker always stay.

    Raises:
        ValueError: the prompt is too long even without any answer.
    """
    before, after = split_prompt(question)
    while True:
        text = before + answer + after
        # split_special_tokens: "<|endoftext|>" typed by a user is text, not the end of a text.
        encoding = tokenizer(text, return_offsets_mapping=True, split_special_tokens=True)
        ids: list[int] = encoding["input_ids"]
        excess = len(ids) - max_tokens
        if excess <= 0:
            return ids, answer
        if not answer:
            raise ValueError(f"{len(ids)} tokens without any answer, {max_tokens} allowed")
        # Drop the last `excess` tokens of the answer. Offsets count characters, even where
        # byte-level BPE splits a Hangul syllable in two, so the cut never falls inside a syllable.
        starts = [start for start, _ in encoding["offset_mapping"]]
        answer_end = len(before) + len(answer)
        next_token = next(i for i, start in enumerate(starts) if start >= answer_end)
        cut = starts[max(0, next_token - excess)] - len(before)
        # Remove at least one character: tokens at the new end may differ from those before.
        answer = answer[: max(0, min(cut, len(answer) - 1))].rstrip()


def describe_lengths(rows: "Dataset", examples: Sequence[Example]) -> str:
    """One Korean line: the distribution of lengths in tokens, and how many rows were cut."""
    lengths = [len(example.input_ids) for example in examples]
    p50, p95 = (round(value) for value in np.percentile(lengths, [50, 95]))
    characters = len(rows) * len(build_prompt("", "")) - sum(example.cut for example in examples)
    for column in ("question", "answer", "summary"):
        characters += sum(map(len, rows[column]))
    return (
        f"길이: 중앙값 {p50}, 95% {p95}, 최대 {max(lengths)}토큰 "
        f"(글자당 {sum(lengths) / characters:.2f}토큰), 답변 끝을 자른 행 "
        f"{sum(example.cut > 0 for example in examples):,}/{len(examples):,}개"
    )
