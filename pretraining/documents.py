"""The pretraining text of the embedded base: an endless stream of documents.

The parts (real passages and their retellings, Korean morphology, word lists, sentence forms) are in
`pretraining/text/`.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from pretraining.text import corpus as real
from pretraining.text import drills, forms, natural, stories
from pretraining.text.corpus import Corpus
from pretraining.text.sentences import Unsayable

Maker = Callable[[random.Random, Corpus | None], str]
MAKERS: dict[str, Maker] = {
    "interview": forms.document,
    "natural": natural.document,
    "story": stories.document,
    "drill": drills.document,
}
# These need a corpus.
REAL_MAKERS: dict[str, Callable[[random.Random, Corpus], str]] = {
    "passage": real.retold_passage,
    "text": real.plain_text,
    "pair": real.pairs,
}
# Shares of the documents. Hand-written pairs and templates are few, so they are read seldom: a
# first run with 8% and 5% of them knew them by heart, and wrote what it knew, not what it read
# (LOG.md). Without a corpus, those of real text are shared out.
SHARES = {
    "passage": 0.62, "text": 0.13, "natural": 0.012, "interview": 0.02, "story": 0.03,
    "drill": 0.14, "pair": 0.048,
}  # fmt: skip
# Copying is learnt late and suddenly (induction heads, https://arxiv.org/abs/2209.11895), and much
# sooner where most of the text can be copied: the first documents may be drills for the most part.
DRILLS_FIRST = {
    "passage": 0.3, "text": 0.05, "natural": 0.01, "interview": 0.02, "story": 0.06,
    "drill": 0.52, "pair": 0.04,
}  # fmt: skip
# A second stage, from the weights of a first (`--init`): the text nearest to the task, at a falling
# rate, with enough of the rest that nothing is forgotten. A hand-written pair is read a few times.
ANNEALING = {
    "passage": 0.22, "text": 0.03, "natural": 0.62, "interview": 0.01, "story": 0.01,
    "drill": 0.09, "pair": 0.02,
}  # fmt: skip

# Documents outside these lengths (characters) are drawn again.
SHORTEST, LONGEST = 40, 2200
# A document shorter than this is followed by another of its kind with this probability.
SHORT, DOUBLED = 450, 0.4
# Left to finetuning: a base that has seen the prompt would hide a broken LoRA.
FORBIDDEN = ("###", "질문:", "답변:", "다음 면접 질문과 답변을 읽고")


def labelled_documents(
    seed: int | str,
    corpus: Corpus | None = None,
    drills_first: int = 0,
    shares: Mapping[str, float] = SHARES,
) -> Iterator[tuple[str, str]]:
    """An endless stream of (kind, document), documents of `SHORTEST` to `LONGEST` characters.

    Deterministic for its arguments. Without a `corpus` the text is synthetic throughout. The first
    `drills_first` documents are copying drills for the most part.
    """
    rng = random.Random(f"pretraining-{seed}")
    kinds = [kind for kind in shares if kind in MAKERS or corpus]
    written = 0
    while True:
        now = DRILLS_FIRST if written < drills_first else shares
        kind = rng.choices(kinds, [now[kind] for kind in kinds])[0]
        try:
            text = _make(kind, rng, corpus)
            if len(text) < SHORT and rng.random() < DOUBLED:
                text += "\n\n" + _make(kind, rng, corpus)
        except Unsayable:
            continue
        text = text.strip()
        if SHORTEST <= len(text) <= LONGEST and not any(mark in text for mark in FORBIDDEN):
            written += 1
            yield kind, text


def _make(kind: str, rng: random.Random, corpus: Corpus | None) -> str:
    if kind in MAKERS:
        return MAKERS[kind](rng, corpus)
    assert corpus is not None
    return REAL_MAKERS[kind](rng, corpus)
