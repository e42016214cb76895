"""The prompt, in Alpaca form. The one place that knows `### Response:`."""

import re
import unicodedata

INSTRUCTION = "다음 면접 질문과 답변을 읽고 한국어로 간결하게 요약하세요."

# Control characters but tab and newlines, soft hyphen, zero-width space, non-joiner, byte order
# mark, marks and overrides of direction, lone surrogates.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f"
    r"\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

# https://github.com/tatsu-lab/stanford_alpaca, without the preamble. The summary follows the last
# newline, and the EOS token follows the summary.
TEMPLATE = """\
### Instruction:
{instruction}

### Input:
질문: {question}
답변: {answer}

### Response:
"""


def build_prompt(question: str, answer: str) -> str:
    """The text that the model continues with a summary."""
    before, after = split_prompt(question)
    return before + answer + after


def split_prompt(question: str) -> tuple[str, str]:
    """What stands before and after the answer text: truncation may only touch what is between."""
    # Not str.format on user text: a question may well contain braces.
    before, after = TEMPLATE.split("{answer}")
    before = before.replace("{instruction}", INSTRUCTION).replace("{question}", question)
    return before, after


def clean_text(value: object) -> str:
    """NFC, stripped, without what cannot be seen; a missing cell is empty.

    macOS writes NFD: the same word in other tokens. So does a zero-width space within a word; and
    marks of writing direction or control characters steer a terminal. Emoji keep their joiners.
    """
    if value is None:
        return ""
    return unicodedata.normalize("NFC", INVISIBLE.sub("", str(value))).strip()
