"""The page: what stands where, and which action a button calls."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from chat.web.actions import ROWS_LIMIT, Actions
from chat.web.worker import Worker
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from infer.find import NAMES
from infer.models import Models
from infer.settings import Decoding
from infer.summarize import MAX_NEW_TOKENS
from model.base import EMBEDDED

FILE_LIMIT = "10mb"  # of an upload
WAITING = 100  # clients

# Label, lowest, highest, step.
SLIDERS = {
    "max_new_tokens": ("요약의 최대 토큰 수", 10, 200, 1),
    "temperature": ("temperature: 크면 다양하게", 0, 2, 0.05),
    "top_k": ("top-k (0: 제한 없음)", 0, 200, 1),
    "top_p": ("top-p (1: 제한 없음)", 0.05, 1, 0.05),
    "repetition_penalty": ("반복 벌점 (1: 없음)", 1, 2, 0.05),
    "no_repeat_ngram": ("되풀이를 막는 토큰 수 (0: 막지 않음)", 0, 10, 1),
    "seed": ("난수 시드", 0, 9999, 1),
}


def examples() -> list[list[str]]:
    """Questions and answers of the sample data that no run on it was trained on."""
    if not SAMPLE_CSV.is_file():
        return []
    rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[1]
    unlike = {row["question"]: [row["question"], row["answer"]] for row in rows}
    return list(unlike.values())[:5]


def build(models: Models, worker: Worker, report: bool) -> gr.Blocks:
    """The page, its buttons wired."""
    actions = Actions(models, worker)
    names = [(label, name) for name, label in NAMES.items() if name in models.found]
    with gr.Blocks(
        title="면접 요약기", analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        lines = ["면접 질문과 답변을 적으면 짧게 요약합니다."]
        if report:
            lines.append("[마지막 학습의 보고서](/report)")
        if models.found.get("base") == EMBEDDED.as_posix():
            lines.append("베이스가 작은 본보기라 자유롭게 쓴 답변은 자주 틀립니다.")
        gr.Markdown("# 면접 요약기\n" + " · ".join(lines))
        with gr.Row():
            with gr.Column(min_width=320):
                question = gr.Textbox(
                    label="질문", lines=2, placeholder="예: 동료와 의견이 달랐던 경험은?"
                )
                answer = gr.Textbox(
                    label="답변", lines=8, max_lines=16, placeholder="지원자의 답변을 그대로"
                )
                if rows := examples():
                    gr.Examples(
                        rows,
                        [question, answer],
                        label="예제 (학습에 쓰지 않은 행)",
                        example_labels=[row[0] for row in rows],
                    )
            with gr.Column(min_width=320):
                model = gr.Radio(names, value=models.best, label="모델")
                with gr.Accordion("디코딩 설정", open=False):
                    sliders = [
                        gr.Slider(low, high, getattr(Decoding(), name), step=step, label=label)
                        for name, (label, low, high, step) in SLIDERS.items()
                    ]
                with gr.Tab("요약"):
                    with gr.Row():
                        start = gr.Button("요약하기", variant="primary", min_width=80)
                        stop = gr.Button("멈추기", min_width=80)
                    summary = gr.Textbox(label="요약", lines=5, buttons=["copy"], elem_id="summary")
                    cost = gr.Markdown()
                with gr.Tab("비교", visible=len(names) > 1):
                    with gr.Row():
                        start_all = gr.Button("모두에게 묻기", variant="primary", min_width=80)
                        stop_all = gr.Button("멈추기", min_width=80)
                    with gr.Row():
                        boxes = [
                            gr.Textbox(label=label, lines=4, min_width=240) for label, _ in names
                        ]
                with gr.Tab("토큰"):
                    look = gr.Button("토큰으로 나누기", variant="primary", min_width=80)
                    view = gr.HTML()
                with gr.Tab("CSV"):
                    gr.Markdown(
                        "`question`, `answer` 열이 있는 CSV를 올리면 `summary` 열을 붙여 "
                        f"돌려줍니다 ({ROWS_LIMIT:,}행까지)."
                    )
                    upload = gr.File(label="CSV 파일", file_types=[".csv"], height=120)
                    with gr.Row():
                        start_file = gr.Button("모든 행 요약하기", variant="primary", min_width=80)
                        stop_file = gr.Button("멈추기", min_width=80)
                    state = gr.Markdown()
                    result = gr.File(label="결과", interactive=False, height=120)

        # One at a time on the models, however many wait; a CSV takes turns with them.
        one: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
        private: dict[str, Any] = {"api_visibility": "private"}

        def summarize(
            question: str,
            answer: str,
            model: str = models.best,
            temperature: float = 0.0,
            max_new_tokens: int = MAX_NEW_TOKENS,
        ) -> Iterator[str]:
            """The summary of an interview's question and answer, as it grows."""
            for now in actions.replies(model, question, answer, max_new_tokens, temperature):
                yield now.text

        gr.api(summarize, api_name="summarize", **one)

        run = start.click(
            actions.summarize,
            [question, answer, model, *sliders],
            [summary, cost],
            show_progress_on=summary,
            **one,
            **private,
        )
        run_all = start_all.click(
            actions.compare, [question, answer, *sliders], boxes, **one, **private
        )
        look.click(actions.tokens, [question, answer, model, *sliders], view, **private)
        run_file = start_file.click(
            actions.summarize_file,
            [upload, model, *sliders],
            [state, result],
            show_progress_on=result,
            concurrency_limit=8,  # they take turns batch by batch
            **private,
        )
        for button, event in ((stop, run), (stop_all, run_all), (stop_file, run_file)):
            button.click(None, cancels=[event], **private)
    blocks.queue(max_size=WAITING, api_open=False)  # no way past the queue
    return blocks
