"""The page: what stands where, and which function a button calls."""

import html
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from chat.reply import Reply, reply
from chat.tokens import token_view
from chat.worker import Worker
from console import UserError, explain, one_line
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from infer.batch import read_sheet, summarize_sheet
from infer.models import NAMES, Models
from infer.settings import RULES, Decoding
from infer.summarize import MAX_NEW_TOKENS, Summarizer
from lora.base import EMBEDDED

QUESTION_LIMIT, ANSWER_LIMIT = 1_000, 10_000  # characters
ROWS_LIMIT, FILE_LIMIT = 1_000, "10mb"
BATCH = 16  # rows of a CSV between which others get their turn
WAITING = 100  # clients

PROGRESS = gr.Progress()  # marks the argument that gradio fills

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


def told(error: Exception, path: str | None = None) -> gr.Error:
    """An error as one Korean line for the page; a mistake of ours is also printed here.

    `path` is where an upload lies on this machine, of which its reader knows the name alone.
    """
    explained = explain(error)
    if explained is None:
        traceback.print_exception(error)
        explained = UserError("예상하지 못한 오류입니다. 페이지를 연 터미널의 기록을 보세요.")
    text = str(explained)
    if path:
        text = text.replace(path, Path(path).name)
    return gr.Error(html.escape(one_line(text)), print_exception=False)


def check_lengths(question: str, answer: str) -> None:
    """Refuse what nobody says in an interview.

    Raises:
        UserError: a text that is too long.
    """
    for what, text, limit in (
        ("질문", question, QUESTION_LIMIT),
        ("답변", answer, ANSWER_LIMIT),
    ):
        if len(text) > limit:
            raise UserError(f"{what}이 {len(text):,}자입니다. {limit:,}자까지로 줄이세요.")


def decoding_of(*values: float) -> Decoding:
    """Settings from what sliders or a program gave, in the order of `Decoding`; the rest default.

    Raises:
        UserError: no number, or one that breaks its rule.
    """
    decoding = Decoding()
    for name, value in zip(RULES, values, strict=False):
        decoding = decoding.changed(name, value)
    return decoding


class Page:
    """The functions behind the page. The models are touched in the worker's thread alone."""

    def __init__(self, models: Models, worker: Worker) -> None:
        self.models = models
        self.worker = worker

    def replies(self, name: str, question: str, answer: str, *values: float) -> Iterator[Reply]:
        """`reply`, from the worker; `values` are the settings as `decoding_of` takes them.

        Raises:
            gr.Error: whatever goes wrong, in one line.
        """
        try:
            check_lengths(question, answer)
            decoding = decoding_of(*values)
            yield from self.worker.stream(
                lambda: reply(self.models, name, question, answer, decoding)
            )
        except Exception as error:
            raise told(error) from None

    def summarize(
        self, question: str, answer: str, name: str, *values: Any
    ) -> Iterator[tuple[str, str]]:
        """The summary so far, and what it took."""
        for now in self.replies(name, question, answer, *values):
            yield now.text, f"{NAMES[name]} · {now.cost()}  \n{now.notice()}"

    def compare(self, question: str, answer: str, *values: Any) -> Iterator[list[Any]]:
        """One text a model, one after the other."""
        boxes = {name: gr.Textbox("", label=NAMES[name]) for name in self.models.found}
        yield list(boxes.values())
        for name in boxes:
            for now in self.replies(name, question, answer, *values):
                boxes[name] = gr.Textbox(now.text, label=f"{NAMES[name]} · {now.cost()}")
                yield list(boxes.values())

    def tokens(self, question: str, answer: str, name: str) -> str:
        """The prompt as this model's tokenizer cuts it."""
        try:
            check_lengths(question, answer)
            return self.worker.call(lambda: token_view(self.summarizer(name), question, answer))
        except ValueError:
            raise told(UserError("질문이 모델의 문맥보다 깁니다. 질문을 줄이세요.")) from None
        except Exception as error:
            raise told(error) from None

    def summarizer(self, name: str, decoding: Decoding | None = None) -> Summarizer:
        """For the worker's thread."""
        decoding = decoding or Decoding()
        return Summarizer(*self.models.open(name), decoding.max_new_tokens, decoding.sampling)

    def summarize_file(
        self, path: str | None, name: str, *values: Any, progress: gr.Progress = PROGRESS
    ) -> Iterator[tuple[str, str | None]]:
        """How far it is, and at the end the file."""
        try:
            if path is None:
                raise UserError("CSV 파일을 먼저 올리세요.")
            sheet = read_sheet(Path(path))
            if len(sheet.rows) > ROWS_LIMIT:
                raise UserError(
                    f"{len(sheet.rows):,}행입니다. 여기서는 {ROWS_LIMIT:,}행까지이니 "
                    "make infer DATA=파일로 요약하세요."
                )
            target = Path(tempfile.mkdtemp(dir=gr.utils.get_upload_folder()))
            target = target / f"{Path(path).stem}-summary.csv"
            decoding = decoding_of(*values)
            summarizer = self.worker.call(lambda: self.summarizer(name, decoding))
            steps = summarize_sheet(summarizer, sheet, target, BATCH)
            done, rows = 0, len(sheet.usable)
            while (step := self.worker.call(lambda: next(steps, None))) is not None:
                done += step
                progress((done, rows), desc="요약", unit="행")
                yield f"{done:,}/{rows:,}행", None
            yield f"{rows:,}행을 요약했습니다.", str(target)
        except Exception as error:
            raise told(error, path) from None


def examples() -> list[list[str]]:
    """Questions and answers of the sample data that no run on it was trained on."""
    if not SAMPLE_CSV.is_file():
        return []
    rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[1]
    unlike = {row["question"]: [row["question"], row["answer"]] for row in rows}
    return list(unlike.values())[:5]


def build(models: Models, worker: Worker, report: bool) -> gr.Blocks:
    """The page, its buttons wired."""
    page = Page(models, worker)
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
                with gr.Tab("비교"):
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
            for now in page.replies(model, question, answer, max_new_tokens, temperature):
                yield now.text

        gr.api(summarize, api_name="summarize", **one)

        run = start.click(
            page.summarize,
            [question, answer, model, *sliders],
            [summary, cost],
            show_progress_on=summary,
            **one,
            **private,
        )
        run_all = start_all.click(
            page.compare, [question, answer, *sliders], boxes, **one, **private
        )
        look.click(page.tokens, [question, answer, model], view, **private)
        run_file = start_file.click(
            page.summarize_file,
            [upload, model, *sliders],
            [state, result],
            show_progress_on=result,
            **private,
        )
        for button, event in ((stop, run), (stop_all, run_all), (stop_file, run_file)):
            button.click(None, cancels=[event], **private)
    blocks.queue(max_size=WAITING)
    return blocks
