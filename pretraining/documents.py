"""The pretraining text of the embedded base: an endless stream of documents.

The parts (Korean morphology, word lists, sentence forms) are in `pretraining/text/`.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from pretraining.text import drills, forms, natural, realtext, retellings
from pretraining.text.realtext import Corpus

Maker = Callable[[random.Random, Corpus | None], str]
MAKERS: dict[str, Maker] = {
    "interview": forms.document,
    "natural": natural.document,
    "retelling": retellings.document,
    "drill": drills.document,
    "real": realtext.document,
}
# Shares of the pretraining documents. Without a corpus, real text's is shared out to the others.
SHARES = {"interview": 0.21, "natural": 0.13, "retelling": 0.2, "drill": 0.18, "real": 0.28}
# Copying is learnt late and suddenly (induction heads, https://arxiv.org/abs/2209.11895), and much
# sooner where most of the text can be copied: the first documents may be drills for the most part.
DRILLS_FIRST = {"interview": 0.08, "natural": 0.08, "retelling": 0.1, "drill": 0.64, "real": 0.1}

# Documents outside these lengths (characters) are drawn again.
SHORTEST, LONGEST = 40, 1500
# Left to finetuning: a base that has seen the prompt would hide a broken LoRA.
FORBIDDEN = ("###", "질문:", "답변:", "다음 면접 질문과 답변을 읽고")

# How often a short document is followed by another of its kind.
_DOUBLED = {"interview": 0.25, "natural": 0.2, "retelling": 0.65, "drill": 0.65, "real": 0.0}

# Sample rows and pretraining text never share a stream of random numbers.
_PRETRAINING = "pretraining"


def pretraining_documents(
    seed: int, corpus: Path | None = None, drills_first: int = 0
) -> Iterator[str]:
    """An endless stream of NFC documents of `SHORTEST` to `LONGEST` characters.

    Deterministic for its arguments. `corpus` is the folder with nsmc_reviews.txt.gz and
    chatbot_qa.csv (see the model card); without it the text is synthetic throughout. The first
    `drills_first` documents are copying drills for the most part.

    Raises:
        FileNotFoundError: `corpus` lacks one of the two files.
    """
    return (text for _, text in labelled_documents(seed, corpus, drills_first))


def labelled_documents(
    seed: int, corpus: Path | None = None, drills_first: int = 0
) -> Iterator[tuple[str, str]]:
    """The same stream as (kind, text), kind one of `MAKERS`."""
    real = Corpus.read(corpus) if corpus else None
    rng = random.Random(f"{_PRETRAINING}-{seed}")
    kinds = [kind for kind in MAKERS if kind != "real" or real]
    written = 0
    while True:
        shares = DRILLS_FIRST if written < drills_first else SHARES
        kind = rng.choices(kinds, [shares[kind] for kind in kinds])[0]
        text = MAKERS[kind](rng, real)
        if rng.random() < _DOUBLED[kind]:
            text += "\n\n" + MAKERS[kind](rng, real)
        text = text.strip()
        if SHORTEST <= len(text) <= LONGEST and not any(mark in text for mark in FORBIDDEN):
            written += 1
            yield kind, text
