"""The model card of an adapter, `best/README.md`: what it is, how good it is, how to open it.

https://huggingface.co/docs/hub/model-cards
"""

from pathlib import Path
from typing import Any

import jinja2

from common.folders import BEST
from data.aihub import DO_NOT_PUBLISH
from data.interviews import SAMPLE_CSV
from data.prompts import build_prompt
from evaluation.evaluate import HeldOutLoss, summarize_rows
from evaluation.results import Result
from evaluation.validation import Validation
from infer.__main__ import EXAMPLE_ANSWER, EXAMPLE_QUESTION
from lora.inject import lora_layers, names_in_block
from model.base import EMBEDDED, local_folder
from training.run import Run

TEMPLATE = Path(__file__).with_name("card.md")

# By the cards of the bases that the README names, in the hub's notation.
LICENSES = {
    EMBEDDED.as_posix(): "cc-by-sa-4.0",
    "gpt2": "mit",
    "gpt2-medium": "mit",
    "skt/kogpt2-base-v2": "cc-by-nc-sa-4.0",
    "EleutherAI/polyglot-ko-1.3b": "apache-2.0",
    "Qwen/Qwen3-0.6B-Base": "apache-2.0",
}
SCORES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
}


def model_card(run: Run, validation: Validation, loss: HeldOutLoss, result: Result) -> str:
    """The card of the adapter as it is now, in Korean. Equal runs have equal cards.

    The sample is one that we have written and not a row, so that no card publishes the data.
    """
    config, data = run.config, run.identity["data"]
    rate = config.peak_learning_rate(run.base.model.config.hidden_size)
    targets = config.targets or names_in_block(lora_layers(run.base.model))
    resolved = {"learning_rate": rate, "targets": targets}
    settings: dict[str, Any] = run.identity["settings"] | resolved
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        base=run.base.name,
        on_hub=local_folder(run.base.name) is None,
        license=LICENSES.get(run.base.name),
        data=Path(data["path"]).name,
        sha256=data["sha256"],
        is_sample=Path(data["path"]) == SAMPLE_CSV.resolve(),
        do_not_publish=DO_NOT_PUBLISH,
        training_rows=run.rows,
        validation_rows=len(validation.examples),
        settings={name: value for name, value in settings.items() if value is not None},
        machine=run.identity["machine"],
        torch=run.identity["torch"],
        loss=loss,
        compared=len(validation.samples),
        scores=SCORES,
        before=run.results.get("base"),
        result=result,
        question=EXAMPLE_QUESTION,
        answer=EXAMPLE_ANSWER,
        summary=sample_summary(validation),
        prompt=build_prompt(EXAMPLE_QUESTION, EXAMPLE_ANSWER),
        best=BEST,
    )


def sample_summary(validation: Validation) -> str:
    """What the model writes of the example; empty if its context has no room for the question."""
    if not validation.summarizer.fits(EXAMPLE_QUESTION):
        return ""
    row = {"question": EXAMPLE_QUESTION, "answer": EXAMPLE_ANSWER}
    return summarize_rows(validation.summarizer, [row], validation.precision)[0]
