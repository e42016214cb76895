"""Synthetic interviews: the sample CSV, and the pretraining text of the embedded base.

The parts (Korean morphology, word lists, sentence forms) are in `data/synthesis/`.
"""

import csv
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from data.synthesis import drills, forms, natural, realtext, retellings
from data.synthesis.clauses import facts
from data.synthesis.lexicon import jobs, pick, themes, voice
from data.synthesis.realtext import Corpus
from data.synthesis.speech import Speaker, answer, retell
from data.synthesis.world import World

HANDWRITTEN = Path(__file__).parent / "synthesis" / "handwritten.csv"

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
_ROWS, _PRETRAINING = "rows", "pretraining"
_ROW_OPEN_SHARE = 0.25
_SHORTEST_SUMMARY = 25


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


def interview_rows(count: int, seed: int) -> list[dict[str, str]]:
    """`count` rows with question, answer, summary and source ("template" or "handwritten").

    The same rows on every machine for a (count, seed); no two rows are alike. Where
    data/synthesis/handwritten.csv exists and `count` is at least four times its length, its rows
    are among them, at random positions.
    """
    rng = random.Random(f"{_ROWS}-{seed}")
    written = _handwritten_rows()
    if count < 4 * len(written):
        written = []
    rows = _template_rows(count - len(written), rng)
    for row in written:
        rows.insert(int(rng.random() * (len(rows) + 1)), row)
    return rows


def _template_rows(count: int, rng: random.Random) -> list[dict[str, str]]:
    """Every theme equally often, up to one row; no summary twice."""
    rows: list[dict[str, str]] = []
    seen: dict[str, None] = {}
    known, families = themes(), jobs()
    while len(rows) < count:
        theme = known[len(rows) % len(known)]
        world = World(rng, families[int(rng.random() * len(families))], _ROW_OPEN_SHARE)
        found = facts(theme, world, more_details=2 + int(rng.random() * 3))
        question = pick(rng, voice("asks")["lead"]) + world.fill(pick(rng, theme.questions()))
        spoken = answer(found, Speaker.draw(rng), rng)
        # Its frames bring no nouns of their own: all that a summary names is in the answer.
        summary = retell([fact for fact in found if fact.kept], "summary", rng)
        if len(summary) >= _SHORTEST_SUMMARY and summary not in seen:
            seen[summary] = None
            rows.append(
                {"question": question, "answer": spoken, "summary": summary, "source": "template"}
            )
    rng.shuffle(rows)
    return rows


def _handwritten_rows() -> list[dict[str, str]]:
    if not HANDWRITTEN.exists():
        return []
    with open(HANDWRITTEN, encoding="utf-8-sig", newline="") as file:
        return [
            {key: row[key] for key in ("question", "answer", "summary")} | {"source": "handwritten"}
            for row in csv.DictReader(file)
        ]


def write_sample_csv(path: Path, count: int, seed: int) -> None:
    """Write `interview_rows` as CSV: UTF-8, no BOM, \\n line ends, always the same bytes.

    A file that is there is replaced when all rows are written.
    """
    draft = path.with_name(path.name + ".draft")
    with open(draft, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, ["question", "answer", "summary", "source"], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(interview_rows(count, seed))
    draft.replace(path)
