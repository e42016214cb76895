"""The prompt, in Alpaca form. The one place that knows `### Response:`."""

INSTRUCTION = "다음 면접 질문과 답변을 읽고 한국어로 간결하게 요약하세요."


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
