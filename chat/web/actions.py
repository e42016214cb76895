"""What the page's buttons do. Only the worker's thread touches the models."""

import html
import shutil
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from chat.models import Models
from chat.reply import Reply, reply
from chat.web.tokens import token_view
from chat.web.worker import Worker
from common.console import UserError, explain, one_line
from data.text import clean_text
from infer.find import KINDS
from infer.settings import MEMORY_ADVICE, Decoding
from infer.sheet import read_sheet, summarize_sheet
from infer.summarize import Summarizer

QUESTION_LIMIT, ANSWER_LIMIT = 1_000, 10_000  # characters
ROWS_LIMIT = 1_000
BATCH_ROWS = 16  # rows of a CSV that are summarised before others get their turn

Settings = Mapping[str, Any]  # values of `Decoding` by name; those left out keep their default


def as_gradio_error(error: Exception, upload: str | None = None) -> gr.Error:
    """Turn an error into one Korean line for the page. A bug of ours also prints its traceback.

    `upload` is the path of an uploaded file, which the line gives by its name alone.
    """
    explained = explain(error, MEMORY_ADVICE)
    if explained is None:
        traceback.print_exception(error)
        explained = UserError("예상하지 못한 오류입니다. 페이지를 연 터미널의 기록을 보세요.")
    text = str(explained)
    if upload:
        text = text.replace(upload, Path(upload).name)
    return gr.Error(html.escape(one_line(text), quote=False), print_exception=False)


def cleaned(question: str, answer: str) -> tuple[str, str]:
    """Both texts as a model reads them.

    Raises:
        UserError: a text is longer than its limit.
    """
    question, answer = clean_text(question), clean_text(answer)
    for what, text, limit in (
        ("질문", question, QUESTION_LIMIT),
        ("답변", answer, ANSWER_LIMIT),
    ):
        if len(text) > limit:
            raise UserError(f"{what}이 {len(text):,}자입니다. {limit:,}자까지로 줄이세요.")
    return question, answer


def decoding_of(settings: Settings) -> Decoding:
    """The default settings, changed by those that the sliders or a program gave.

    Raises:
        UserError: there is no such setting, or its value breaks the rule.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"settings {settings}: {{이름: 값}}으로 적으세요.")
    decoding = Decoding()
    for name, value in settings.items():
        decoding = decoding.changed(name, value)
    return decoding


class Actions:
    """Each action yields what the page shows next. All errors are a `gr.Error` of one line."""

    def __init__(self, models: Models, worker: Worker) -> None:
        self.models = models
        self.worker = worker

    def replies(self, kind: str, question: str, answer: str, settings: Settings) -> Iterator[Reply]:
        """`chat.reply.reply`, run by the worker."""
        try:
            question, answer = cleaned(question, answer)
            decoding = decoding_of(settings)
            yield from self.worker.stream(
                lambda: reply(self.models, kind, question, answer, decoding)
            )
        except Exception as error:
            raise as_gradio_error(error) from None

    def summarize(
        self, kind: str, question: str, answer: str, settings: Settings
    ) -> Iterator[tuple[str, str]]:
        """Yield the summary so far, and what it costs."""
        for now in self.replies(kind, question, answer, settings):
            yield now.text, f"{KINDS[kind]} · {now.cost()}  \n{now.notice()}"

    def compare(self, question: str, answer: str, settings: Settings) -> Iterator[list[Any]]:
        """Yield one text box for each model, which are asked one after the other."""
        boxes = {kind: gr.Textbox("", label=KINDS[kind]) for kind in self.models.found}
        yield list(boxes.values())
        for kind in boxes:
            try:
                self.worker.call(partial(self.models.open, kind))
            except UserError as error:  # the other models can still be compared
                boxes[kind] = gr.Textbox(one_line(str(error)), label=f"{KINDS[kind]} · 오류")
                yield list(boxes.values())
                continue
            for now in self.replies(kind, question, answer, settings):
                boxes[kind] = gr.Textbox(now.text, label=f"{KINDS[kind]} · {now.cost()}")
                yield list(boxes.values())

    def tokens(self, kind: str, question: str, answer: str, settings: Settings) -> str:
        """The prompt as the tokenizer of this model splits it, in HTML."""
        try:
            question, answer = cleaned(question, answer)
            decoding = decoding_of(settings)
            return self.worker.call(
                lambda: token_view(Summarizer(*self.models.open(kind), decoding), question, answer)
            )
        except Exception as error:
            raise as_gradio_error(error) from None

    def summarize_file(
        self, kind: str, upload: str | None, settings: Settings, progress: gr.Progress
    ) -> Iterator[tuple[str, str | None]]:
        """Yield how many rows are done; at the end also the path of the result."""
        try:
            if upload is None:
                raise UserError("CSV 파일을 먼저 올리세요.")
            sheet = read_sheet(Path(upload))
            if len(sheet.rows) > ROWS_LIMIT:
                raise UserError(
                    f"{len(sheet.rows):,}행입니다. 여기서는 {ROWS_LIMIT:,}행까지이니 "
                    "make infer DATA=파일로 요약하세요."
                )
            decoding = decoding_of(settings)
            summarizer = self.worker.call(lambda: Summarizer(*self.models.open(kind), decoding))
            folder = Path(tempfile.mkdtemp(dir=gr.utils.get_upload_folder()))
            target = folder / f"{Path(upload).stem}-summary.csv"
            try:
                batches = summarize_sheet(summarizer, sheet, target, BATCH_ROWS)
                done, rows = 0, len(sheet.usable)
                while (count := self.worker.call(lambda: next(batches, None))) is not None:
                    done += count
                    progress((done, rows), desc="요약", unit="행")
                    yield f"{done:,}/{rows:,}행", None
                yield f"{rows:,}행을 요약했습니다.", str(target)
            finally:
                if not target.exists():  # stopped: the rows written so far are personal data
                    shutil.rmtree(folder, ignore_errors=True)
        except Exception as error:
            raise as_gradio_error(error, upload) from None
