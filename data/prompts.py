"""The prompt, in the Alpaca format. No other file knows `### Response:`."""

INSTRUCTION = "다음 면접 질문과 답변을 읽고 한국어로 간결하게 요약하세요."

# https://github.com/tatsu-lab/stanford_alpaca, without its preamble. The summary follows the last
# newline, and EOS follows the summary.
TEMPLATE = """\
### Instruction:
{instruction}

### Input:
질문: {question}
답변: {answer}

### Response:
""".replace("{instruction}", INSTRUCTION)

# Split instead of str.format, which would fail on braces that a user has typed.
BEFORE_QUESTION, _rest = TEMPLATE.split("{question}")
BEFORE_ANSWER, AFTER_ANSWER = _rest.split("{answer}")


def build_prompt(question: str, answer: str) -> str:
    """The text that the model continues with a summary."""
    before, after = split_prompt(question)
    return before + answer + after


def split_prompt(question: str) -> tuple[str, str]:
    """The prompt before and after the answer. Truncation may only shorten the answer."""
    return BEFORE_QUESTION + question + BEFORE_ANSWER, AFTER_ANSWER
