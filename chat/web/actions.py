"""What the page's buttons do. The models are touched in the worker's thread alone."""

import html
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from chat.reply import Reply, reply
from chat.web.tokens import token_view
from chat.web.worker import Worker
from common.console import UserError, explain, one_line
from data.text import clean_text
from infer.find import NAMES
from infer.models import Models
from infer.settings import MEMORY_ADVICE, RULES, Decoding
from infer.sheet import read_sheet, summarize_sheet

QUESTION_LIMIT, ANSWER_LIMIT = 1_000, 10_000  # characters
ROWS_LIMIT = 1_000
BATCH = 16  # rows of a CSV between which others get their turn

PROGRESS = gr.Progress()  # marks the argument that gradio fills


def told(error: Exception, path: str | None = None) -> gr.Error:
    """An error as one Korean line for the page; a mistake of ours is also printed here.

    `path` is where an upload lies on this machine, of which its reader knows the name alone.
    """
    explained = explain(error, MEMORY_ADVICE)
    if explained is None:
        traceback.print_exception(error)
        explained = UserError("예상하지 못한 오류입니다. 페이지를 연 터미널의 기록을 보세요.")
    text = str(explained)
    if path:
        text = text.replace(path, Path(path).name)
    return gr.Error(html.escape(one_line(text), quote=False), print_exception=False)


def cleaned(question: str, answer: str) -> tuple[str, str]:
    """Both texts as a model reads them.

    Raises:
        UserError: one is longer than what anybody says in an interview.
    """
    question, answer = clean_text(question), clean_text(answer)
    for what, text, limit in (
        ("질문", question, QUESTION_LIMIT),
        ("답변", answer, ANSWER_LIMIT),
    ):
        if len(text) > limit:
            raise UserError(f"{what}이 {len(text):,}자입니다. {limit:,}자까지로 줄이세요.")
    return question, answer


def decoding_of(*values: float) -> Decoding:
    """Settings from what sliders or a program gave, in the order of `Decoding`; the rest default.

    Raises:
        UserError: no number, or one that breaks its rule.
    """
    decoding = Decoding()
    for name, value in zip(RULES, values, strict=False):
        decoding = decoding.changed(name, value)
    return decoding


class Actions:
    """Generators of what the page shows next. Whatever goes wrong is a `gr.Error` of one line."""

    def __init__(self, models: Models, worker: Worker) -> None:
        self.models = models
        self.worker = worker

    def replies(self, name: str, question: str, answer: str, *values: float) -> Iterator[Reply]:
        """`reply`, from the worker; `values` are the settings as `decoding_of` takes them.

        Raises:
            gr.Error: whatever goes wrong, in one line.
        """
        try:
            question, answer = cleaned(question, answer)
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
            try:
                self.worker.call(partial(self.models.open, name))
            except UserError as error:  # the others can still be compared
                boxes[name] = gr.Textbox(one_line(str(error)), label=f"{NAMES[name]} · 오류")
                yield list(boxes.values())
                continue
            for now in self.replies(name, question, answer, *values):
                boxes[name] = gr.Textbox(now.text, label=f"{NAMES[name]} · {now.cost()}")
                yield list(boxes.values())

    def tokens(self, question: str, answer: str, name: str, *values: Any) -> str:
        """The prompt as this model's tokenizer cuts it."""
        try:
            question, answer = cleaned(question, answer)
            decoding = decoding_of(*values)
            return self.worker.call(
                lambda: token_view(decoding.summarizer(*self.models.open(name)), question, answer)
            )
        except ValueError:
            raise told(UserError("질문이 모델의 문맥보다 깁니다. 질문을 줄이세요.")) from None
        except Exception as error:
            raise told(error) from None

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
            decoding = decoding_of(*values)
            summarizer = self.worker.call(lambda: decoding.summarizer(*self.models.open(name)))
            folder = Path(tempfile.mkdtemp(dir=gr.utils.get_upload_folder()))
            target = folder / f"{Path(path).stem}-summary.csv"
            try:
                steps = summarize_sheet(summarizer, sheet, target, BATCH)
                done, rows = 0, len(sheet.usable)
                while (step := self.worker.call(lambda: next(steps, None))) is not None:
                    done += step
                    progress((done, rows), desc="요약", unit="행")
                    yield f"{done:,}/{rows:,}행", None
                yield f"{rows:,}행을 요약했습니다.", str(target)
            finally:
                if not target.exists():  # stopped: what was written of it is somebody's interview
                    shutil.rmtree(folder, ignore_errors=True)
        except Exception as error:
            raise told(error, path) from None
