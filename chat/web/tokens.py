"""What the model reads, token by token: what Korean costs, and what did not fit."""

import re
from pathlib import Path

import jinja2

from data.prompts import BEFORE_ANSWER, BEFORE_QUESTION, build_prompt
from data.text import clean_text
from data.tokens import characters
from infer.summarize import Summarizer

TEMPLATE = Path(__file__).with_name("tokens.html")
HANGUL = re.compile("[가-힣]")
PARTS = {"template": "틀", "question": "질문", "answer": "답변"}


def pieces(summarizer: Summarizer, question: str, answer: str) -> list[tuple[str, str, int]]:
    """The prompt as (part, text, tokens): whole characters, and the tokens that make them up.

    Raises:
        UserError: the question leaves no room inside the model's context.
    """
    question, answer = clean_text(question), clean_text(answer)
    _, kept = summarizer.prompt(question, answer)
    question_start = len(BEFORE_QUESTION)
    answer_start = question_start + len(question) + len(BEFORE_ANSWER)
    found, end = [], 0
    for text, tokens in characters(summarizer.tokenizer, build_prompt(question, kept)):
        # A piece belongs to the part that its last character is in.
        end += len(text)
        if question_start < end <= question_start + len(question):
            part = "question"
        elif answer_start < end <= answer_start + len(kept):
            part = "answer"
        else:
            part = "template"
        found.append((part, text, tokens))
    return found


def token_view(summarizer: Summarizer, question: str, answer: str) -> str:
    """The prompt's tokens as HTML, coloured by part, under a line that counts them.

    Raises:
        UserError: the question leaves no room inside the model's context.
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
