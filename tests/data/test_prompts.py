from data.prompts import build_prompt


def test_prompt_is_alpaca_without_preamble() -> None:
    assert build_prompt("왜?", "그냥.") == (
        "### Instruction:\n다음 면접 질문과 답변을 읽고 한국어로 간결하게 요약하세요.\n\n"
        "### Input:\n질문: 왜?\n답변: 그냥.\n\n### Response:\n"
    )


def test_braces_in_user_text_are_text() -> None:
    assert "질문: {answer}{x}\n답변: {question}\n" in build_prompt("{answer}{x}", "{question}")
