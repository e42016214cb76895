"""The page: each tab with its components, its button, and the action that the button calls."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from chat.models import Models
from chat.web.actions import ROWS_LIMIT, Actions, Settings
from chat.web.worker import Worker
from data.aihub import DO_NOT_PUBLISH
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from infer.find import KINDS
from infer.settings import Decoding
from model.base import EMBEDDED

FILE_LIMIT = "10mb"  # of an upload
WAITING = 100  # clients in the queue

# The lowest value, the highest value and the step of the slider for each decoding setting.
SLIDERS = {
    "max_new_tokens": (10, 200, 1),
    "temperature": (0, 2, 0.05),
    "top_k": (0, 200, 1),
    "top_p": (0.05, 1, 0.05),
    "repetition_penalty": (1, 2, 0.05),
    "no_repeat_ngram": (0, 10, 1),
    "copy_bias": (0, 3, 0.25),
    "candidates": (1, 32, 1),
    "seed": (0, 9999, 1),
}

# One summary at a time, however many wait for one. A CSV takes turns with them.
ONE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
# Not offered to programs, which have an endpoint of their own.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
PROGRESS = gr.Progress()  # marks the argument that gradio fills

Values = dict[Any, Any]  # what gradio passes for a set of inputs: the value of each component


@dataclass(frozen=True)
class Inputs:
    """What the actions of several tabs need."""

    question: gr.Textbox
    answer: gr.Textbox
    kind: gr.Radio
    sliders: dict[str, gr.Slider]  # by the name of the setting

    @property
    def texts(self) -> set[Any]:
        """The components of question, answer and settings."""
        return {self.question, self.answer, *self.sliders.values()}

    def settings(self, values: Values) -> Settings:
        """The values of the sliders by name."""
        return {name: values[slider] for name, slider in self.sliders.items()}


def build(models: Models, worker: Worker, report: bool) -> gr.Blocks:
    """The whole page. `report` says whether there is a training report to link to."""
    actions = Actions(models, worker)
    kinds = [(label, kind) for kind, label in KINDS.items() if kind in models.found]
    with gr.Blocks(
        title="면접 요약기", analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        endpoint(actions, models.default)  # first: gradio would number a name used before
        lines = ["면접 질문과 답변을 적으면 짧게 요약합니다."]
        if report:
            lines.append("[마지막 학습의 보고서](/report)")
        if models.found.get("base") == EMBEDDED.as_posix():
            lines.append("베이스가 작은 본보기라 자유롭게 쓴 답변은 자주 틀립니다.")
        gr.Markdown("# 면접 요약기\n" + " · ".join(lines))
        with gr.Row():
            with gr.Column(min_width=320):
                question, answer = question_and_answer()
            with gr.Column(min_width=320):
                kind = gr.Radio(kinds, value=models.default, label="모델")
                inputs = Inputs(question, answer, kind, decoding_sliders())
                summary_tab(inputs, actions)
                comparison_tab(inputs, actions, [label for label, _ in kinds])
                token_tab(inputs, actions)
                csv_tab(inputs, actions)
    blocks.queue(max_size=WAITING, api_open=False)  # no request can bypass the queue
    return blocks


def question_and_answer() -> tuple[gr.Textbox, gr.Textbox]:
    """The two text boxes, and examples that fill them."""
    question = gr.Textbox(label="질문", lines=2, placeholder="예: 동료와 의견이 달랐던 경험은?")
    answer = gr.Textbox(label="답변", lines=8, max_lines=16, placeholder="지원자의 답변을 그대로")
    if rows := examples():
        gr.Examples(
            rows,
            [question, answer],
            label="예제 (학습에 쓰지 않은 행)",
            example_labels=[row[0] for row in rows],
        )
    return question, answer


def examples() -> list[list[str]]:
    """Five questions and answers from the validation rows of the sample data."""
    if not SAMPLE_CSV.is_file():
        return []
    rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[1]
    by_question = {row["question"]: [row["question"], row["answer"]] for row in rows}
    return list(by_question.values())[:5]


def decoding_sliders() -> dict[str, gr.Slider]:
    """A slider for each decoding setting, by its name."""
    sliders = {}
    default = Decoding()
    with gr.Accordion("디코딩 설정", open=False):
        for field in fields(Decoding):
            low, high, step = SLIDERS[field.name]
            sliders[field.name] = gr.Slider(
                low,
                high,
                getattr(default, field.name),
                step=step,
                label=field.metadata["help"],
                info=field.name,
            )
    return sliders


def summary_tab(inputs: Inputs, actions: Actions) -> None:
    """One model, one summary."""
    with gr.Tab("요약"):
        start, stop = start_and_stop("요약하기")
        summary = gr.Textbox(label="요약", lines=5, buttons=["copy"], elem_id="summary")
        cost = gr.Markdown()

    def summarize(values: Values) -> Iterator[tuple[str, str]]:
        texts = values[inputs.question], values[inputs.answer]
        yield from actions.summarize(values[inputs.kind], *texts, inputs.settings(values))

    event = start.click(
        summarize,
        inputs.texts | {inputs.kind},
        [summary, cost],
        show_progress_on=summary,
        **ONE,
        **PRIVATE,
    )
    stop.click(None, cancels=[event], **PRIVATE)


def comparison_tab(inputs: Inputs, actions: Actions, labels: list[str]) -> None:
    """All models side by side."""
    with gr.Tab("비교", visible=len(labels) > 1):
        start, stop = start_and_stop("모두에게 묻기")
        with gr.Row():
            boxes = [gr.Textbox(label=label, lines=4, min_width=240) for label in labels]

    def compare(values: Values) -> Iterator[list[Any]]:
        texts = values[inputs.question], values[inputs.answer]
        yield from actions.compare(*texts, inputs.settings(values))

    event = start.click(compare, inputs.texts, boxes, **ONE, **PRIVATE)
    stop.click(None, cancels=[event], **PRIVATE)


def token_tab(inputs: Inputs, actions: Actions) -> None:
    """The prompt, token by token."""
    with gr.Tab("토큰"):
        start = gr.Button("토큰으로 나누기", variant="primary", min_width=80)
        view = gr.HTML()

    def tokens(values: Values) -> str:
        texts = values[inputs.question], values[inputs.answer]
        return actions.tokens(values[inputs.kind], *texts, inputs.settings(values))

    start.click(tokens, inputs.texts | {inputs.kind}, view, **PRIVATE)


def csv_tab(inputs: Inputs, actions: Actions) -> None:
    """A CSV in, the same CSV with summaries out."""
    with gr.Tab("CSV"):
        gr.Markdown(
            "`question`, `answer` 열이 있는 CSV를 올리면 `summary` 열을 붙여 "
            f"돌려줍니다 ({ROWS_LIMIT:,}행까지). {DO_NOT_PUBLISH}"
        )
        upload = gr.File(label="CSV 파일", file_types=[".csv"], height=120)
        start, stop = start_and_stop("모든 행 요약하기")
        state = gr.Markdown()
        result = gr.File(label="결과", interactive=False, height=120)

    def summarize_file(
        values: Values, progress: gr.Progress = PROGRESS
    ) -> Iterator[tuple[str, str | None]]:
        settings = inputs.settings(values)
        yield from actions.summarize_file(values[inputs.kind], values[upload], settings, progress)

    event = start.click(
        summarize_file,
        {inputs.kind, *inputs.sliders.values(), upload},
        [state, result],
        show_progress_on=result,
        concurrency_limit=8,  # they take turns batch by batch
        **PRIVATE,
    )
    stop.click(None, cancels=[event], **PRIVATE)


def start_and_stop(label: str) -> tuple[gr.Button, gr.Button]:
    """The two buttons of an action that takes a while."""
    with gr.Row():
        return gr.Button(label, variant="primary", min_width=80), gr.Button("멈추기", min_width=80)


def endpoint(actions: Actions, default: str) -> None:
    """The one function for programs, which give its arguments by name and may leave some out."""

    def summarize(
        question: str, answer: str, model: str = default, settings: dict[str, float] | None = None
    ) -> Iterator[str]:
        """The summary of an interview's question and answer, as it grows."""
        for now in actions.replies(model, question, answer, settings or {}):
            yield now.text

    gr.api(summarize, api_name="summarize", **ONE)
