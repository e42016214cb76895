"""Prompt and summary to `input_ids` and `labels`: masking, truncation, collation."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedTokenizerBase

from common.console import UserError
from data.prompts import build_prompt, split_prompt

if TYPE_CHECKING:  # half a second to import, which `make infer` can do without
    from datasets import Dataset

AT_ONCE = 1000  # rows tokenized in one call
IGNORE = -100  # the label that cross entropy skips (torch.nn.CrossEntropyLoss, ignore_index)


@dataclass(frozen=True)
class Example:
    """One training example: `input_ids` and `labels`, both of length T.

    `encode_rows` makes arrays of 4 bytes a number: a list would take 20 or more, and 84,134 long
    answers 2 GB.
    """

    input_ids: Sequence[int]
    labels: Sequence[int]
    characters: int  # of prompt and summary, for tokens per character
    response_characters: int
    truncated: bool

    @property
    def response_tokens(self) -> int:
        """How many labels carry loss."""
        return len(self.labels) - self.labels.count(IGNORE)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, question: str, answer: str, max_tokens: int
) -> tuple[list[int], str]:
    """The prompt in at most `max_tokens` tokens, and the part of the answer that is in it.

    What does not fit goes from the end of the answer, at a character boundary; the instruction,
    the question and the `### Response:` marker always stay.

    Raises:
        ValueError: even with an empty answer the prompt is longer.
    """
    before, after = split_prompt(question)
    while True:
        prompt = before + answer + after
        # split_special_tokens: "<|endoftext|>" typed by a user is text, not the end of a text.
        encoding = tokenizer(prompt, return_offsets_mapping=True, split_special_tokens=True)
        ids: list[int] = encoding["input_ids"]
        excess = len(ids) - max_tokens
        if excess <= 0:
            return ids, answer
        if not answer:
            raise ValueError(f"{len(ids)} tokens without any answer, {max_tokens} allowed")
        # Drop the answer's last `excess` tokens. A token's offsets are in characters, also where
        # byte-level BPE has cut a Hangul syllable in two, so the cut never falls inside one.
        starts = [start for start, _ in encoding["offset_mapping"]]
        behind_answer = next(i for i, s in enumerate(starts) if s >= len(before) + len(answer))
        cut = starts[max(0, behind_answer - excess)] - len(before)
        # At least one character goes each time: the tokens at the seam may change with the cut.
        answer = answer[: max(0, min(cut, len(answer) - 1))].rstrip()


def encode_example(
    tokenizer: PreTrainedTokenizerBase, question: str, answer: str, summary: str, max_length: int
) -> Example:
    """Prompt + summary + EOS in at most `max_length` tokens; loss on the summary and EOS alone.

    Prompt and summary are encoded apart, so that the mask boundary never falls inside a token.
    Labels are masked by length, not by token id: EOS is also the padding token, and a mask by id
    would hide the one EOS that teaches the model to stop.

    Raises:
        ValueError: the row does not fit even with an empty answer.
    """
    response = tokenizer(summary, split_special_tokens=True)["input_ids"]
    response = [*response, tokenizer.eos_token_id]
    prompt, kept = encode_prompt(tokenizer, question, answer, max_length - len(response))
    text = build_prompt(question, kept)
    return make_example(prompt, response, text, summary, truncated=len(kept) < len(answer))


def make_example(
    prompt: list[int], response: list[int], text: str, summary: str, truncated: bool
) -> Example:
    """The example of a prompt's and a response's token ids, `text` and `summary`."""
    return Example(
        input_ids=array("i", prompt + response),
        labels=array("i", [IGNORE] * len(prompt) + response),
        characters=len(text) + len(summary),
        response_characters=len(summary),
        truncated=truncated,
    )


def encode_rows(
    rows: "Dataset", tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[Example]:
    """`encode_example` of every row.

    Raises:
        UserError: a row whose question and summary alone exceed `max_length`.
    """
    examples = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows.select(range(start, min(start + AT_ONCE, len(rows)))).to_list()
        # Many texts in one call: the tokenizer takes them apart on all cores.
        texts = [build_prompt(row["question"], row["answer"]) for row in part]
        prompts = tokenizer(texts, split_special_tokens=True)["input_ids"]
        summaries = [row["summary"] for row in part]
        responses = tokenizer(summaries, split_special_tokens=True)["input_ids"]
        for row, text, prompt, response in zip(part, texts, prompts, responses, strict=True):
            if len(prompt) + len(response) < max_length:
                response.append(tokenizer.eos_token_id)
                examples.append(
                    make_example(prompt, response, text, row["summary"], truncated=False)
                )
            else:
                examples.append(cut_row(row, tokenizer, max_length))
    return examples


def cut_row(row: dict[str, str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> Example:
    """`encode_example` of a row that is too long.

    Raises:
        UserError: its question and summary alone exceed `max_length`.
    """
    try:
        return encode_example(tokenizer, row["question"], row["answer"], row["summary"], max_length)
    except ValueError as error:
        raise UserError(
            f"데이터의 {row['row']}번째 행: 질문과 요약만으로 최대 길이 {max_length}토큰을 "
            "넘습니다. 그 행을 줄이거나 --max-length를 늘리세요."
        ) from error


def describe_lengths(examples: Sequence[Example]) -> str:
    """One Korean line: the distribution of lengths in tokens, and how many rows were cut."""
    lengths = [len(example.input_ids) for example in examples]
    p50, p95 = (round(value) for value in np.percentile(lengths, [50, 95]))
    density = sum(lengths) / sum(example.characters for example in examples)
    truncated = sum(example.truncated for example in examples)
    return (
        f"길이: 중앙값 {p50}, 95% {p95}, 최대 {max(lengths)}토큰 (글자당 {density:.2f}토큰), "
        f"답변 끝을 자른 행 {truncated:,}/{len(examples):,}개"
    )
