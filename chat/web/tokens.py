"""What the model reads, token by token: why Korean is dear, and what did not fit."""

import re
from pathlib import Path

import jinja2

from data.prompts import build_prompt, split_prompt
from data.text import clean_text
from infer.summarize import Summarizer

TEMPLATE = Path(__file__).with_name("tokens.html")
HANGUL = re.compile("[가-힣]")
PARTS = {"template": "틀", "question": "질문", "answer": "답변"}


def pieces(summarizer: Summarizer, question: str, answer: str) -> list[tuple[str, str, int]]:
    """The prompt as (part, text, tokens): one or more tokens that make up whole characters.

    A byte-level token may be a third of a Hangul syllable: such tokens come as one piece.

    Raises:
        ValueError: the question leaves no room inside the model's context.
    """
    question, answer = clean_text(question), clean_text(answer)
    _, kept = summarizer.prompt(question, answer)
    prompt = build_prompt(question, kept)
    encoding = summarizer.tokenizer(prompt, return_offsets_mapping=True, split_special_tokens=True)
    # Tokens of one character all have its place, (start, end).
    spans: list[list[int]] = []
    for start, end in encoding["offset_mapping"]:
        if spans and start < spans[-1][1]:
            spans[-1][1] = max(end, spans[-1][1])
            spans[-1][2] += 1
        else:
            spans.append([start, end, 1])
    asked = split_prompt("\0")[0].index("\0")  # where the question begins
    told = len(split_prompt(question)[0])  # and the answer

    def part(end: int) -> str:
        if asked < end <= asked + len(question):
            return "question"
        return "answer" if told < end <= told + len(kept) else "template"

    return [(part(end), prompt[start:end], tokens) for start, end, tokens in spans]


def token_view(summarizer: Summarizer, question: str, answer: str) -> str:
    """The prompt's tokens as HTML, coloured by part, under a line that counts them.

    Raises:
        ValueError: the question leaves no room inside the model's context.
    """
    shown = pieces(summarizer, question, answer)
    korean = [(text, tokens) for _, text, tokens in shown if HANGUL.search(text)]
    kept = "".join(text for part, text, _ in shown if part == "answer")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        pieces=shown,
        parts=PARTS,
        counts={name: sum(n for part, _, n in shown if part == name) for name in PARTS},
        total=sum(tokens for _, _, tokens in shown),
        syllables=sum(len(HANGUL.findall(text)) for text, _ in korean),
        korean=sum(tokens for _, tokens in korean),
        context=summarizer.context,
        kept_free=summarizer.settings.max_new_tokens,
        unread=clean_text(answer)[len(kept.strip()) :],
    )
