"""`python -m pretraining.prepare --corpus DIR`: from text files to what documents are made of.

Reads DIR/*.txt.gz (a paragraph a line, or two halves of a pair with a tab between them) and
DIR/chatbot_qa.csv. The model card names the sources. Needs kiwipiepy (requirements-dev.txt); about
half an hour on two cores for 100 million characters.
"""

import csv
import gzip
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.console import UserError, option, parse_options, run
from common.files import atomic_directory
from pretraining.text.corpus import SLOTTED, TABLE, TEMPLATES, TEXTS, WEIGHTS
from pretraining.text.lexicon import words
from pretraining.text.natural import NATURAL, passages
from pretraining.text.templates import conjugation_table, paragraphs_to_templates

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

REVIEWS, CHATS = "nsmc_reviews", "chatbot_qa.csv"
# Pairs by what the second half is: the file, and the longest pair in characters.
PAIRS = {
    "phrase": ("sae4k_directives_pairs", 700),
    "title of an article": ("wiki_ko_lead_title_pairs", 420),
    "title of a news text": ("wikinews_body_title_pairs", 700),
    "answer of an assembly": ("assembly_question_answer_pairs", 700),
    "answer of a manual": ("hgtods_manual_qa_pairs", 700),
    "answer of an agent": ("hgtods_dialogues", 700),
    "paraphrase of a request": ("parakqc_paraphrases", 700),
    "paraphrase of a caption": ("korsts_pairs", 700),
    "paraphrase of a question": ("question_pair", 700),
}
# Lines that are read as they are, and how many characters of each file.
LINES = {
    "3i4k_spoken_utterances": 400_000, "stylekqc_utterances": 300_000, "kochat_requests": 150_000,
    "kommongen_captions": 60_000, "park_news_jhe_ko": 260_000, "react_docs_ko": 250_000,
    "rust_book_ko": 250_000, "kubernetes_docs_ko": 200_000, "opensource_guide_ko": 70_000,
    "dev_guides_ko": 250_000, "tensorflow_docs_ko": 200_000,
}  # fmt: skip
OWN = "interview_answers"
_PART = 2_000_000  # characters that a process analyses at a time
_MOST_TITLES, _MOST_REVIEWS, _REVIEWS_FOR_NOUNS = 9_000, 45_000, 60_000
_NOUN = re.compile(r"[가-힣]{2,5}(?=(?:을|를|은|는|이|가|의|에서|으로|와|과|도)(?:\s|$))")


@dataclass
class PrepareOptions:
    """Options of the command."""

    corpus: Path = option(Path("corpus"), "실제 한국어 텍스트 폴더 (*.txt.gz, chatbot_qa.csv)")
    out: Path = option(Path("checkpoints/corpus"), "준비한 글을 쓸 폴더")
    characters: int = option(50_000_000, "한 파일에서 읽을 글자 수의 상한")
    processes: int = option(2, "함께 일할 프로세스 수")


def main() -> None:
    options = parse_options(
        PrepareOptions, "python -m pretraining.prepare", "말뭉치를 되말하기용으로 분석합니다."
    )
    needed = [name for name in WEIGHTS if name != OWN]
    missing = [name for name in needed if not _path(options.corpus, name).exists()]
    if missing:
        raise UserError(f"{options.corpus}: {', '.join(missing)}.txt.gz이(가) 없습니다. 넣으세요.")
    with atomic_directory(options.out) as draft:
        prepare(options, draft)
    print(f"준비한 글: {options.out}")


def prepare(options: PrepareOptions, draft: Path) -> None:
    """Write templates, the conjugation table and the texts that need no analysis."""
    _write_json(draft / TEXTS, _texts(options.corpus))
    written = [(p.question, p.text, p.retelling, p.slots) for p in passages()]
    _write_json(draft / SLOTTED, written)
    table: dict[str, dict[str, str]] = {}
    (draft / TEMPLATES).mkdir()
    with ProcessPoolExecutor(options.processes) as pool:
        for name in WEIGHTS:
            read = _lines(options.corpus, name, options.characters)
            parts = _parts(_own_answers() if name == OWN else read)
            with gzip.open(draft / TEMPLATES / f"{name}.txt.gz", "wt", encoding="utf-8") as file:
                for paragraphs, forms in pool.map(_analyse, parts):
                    file.writelines(f"{paragraph}\n" for paragraph in paragraphs)
                    for key, row in forms.items():
                        table.setdefault(key, {}).update(row)
            print(f"{name}: 활용표 {len(table):,}개", flush=True)
    _write_json(draft / TABLE, table)


def _analyse(lines: list[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The lines as paragraphs of templates, and the conjugations of their predicates."""
    kiwi = _kiwi()
    paragraphs = [
        [sentence.replace("\t", " ") for sentence in sentences]
        for sentences in paragraphs_to_templates(kiwi, lines)
        if sentences
    ]
    table = conjugation_table(kiwi, (s for p in paragraphs for s in p if s[0] != "!"))
    return ["\t".join(paragraph) for paragraph in paragraphs], table


def _own_answers() -> Iterator[str]:
    """The answers of this repository that pretraining may read: retold like any other text."""
    with open(NATURAL, encoding="utf-8", newline="") as file:
        yield from (" ".join(row["answer"].split()) for row in csv.DictReader(file))


@cache
def _kiwi() -> "Kiwi":
    from kiwipiepy import Kiwi  # a build-time dependency, which training does without

    return Kiwi(num_workers=1)


def _texts(corpus: Path) -> dict[str, Any]:
    """The fields of `Corpus` that need no analysis, by name."""
    pairs = {}
    for kind, (name, longest) in PAIRS.items():
        rows = [line.split("\t")[:2] for line in _lines(corpus, name, None, "\t")]
        pairs[kind] = [row for row in rows if len(row[0]) + len(row[1]) < longest][:30_000]
    pairs["title of an article"] = pairs["title of an article"][:_MOST_TITLES]
    with open(corpus / CHATS, encoding="utf-8", newline="") as file:
        chats = [[_clean(row["Q"]), _clean(row["A"])] for row in csv.DictReader(file)]
    pairs["answer of a friend"] = chats
    reviews = [text for text in _lines(corpus, REVIEWS) if _usable(text)]
    nouns = _nouns(reviews[:_REVIEWS_FOR_NOUNS])
    random.Random(0).shuffle(reviews)
    lines = [line for name, size in LINES.items() for line in _lines(corpus, name, size)]
    return {
        "pairs": {kind: rows for kind, rows in pairs.items() if rows},
        "lines": lines,
        "reviews": reviews[:_MOST_REVIEWS],
        "chats": chats,
        "nouns": nouns,
    }


def _path(corpus: Path, name: str) -> Path:
    return corpus / f"{name}.txt.gz"


def _lines(corpus: Path, name: str, characters: int | None = None, mark: str = "") -> Iterator[str]:
    """Lines of a file with `mark` in them; without one, those that are no pair."""
    with gzip.open(_path(corpus, name), "rt", encoding="utf-8") as file:
        read = 0
        for line in file:
            read += len(line)
            if characters is not None and read > characters:
                return
            if line.strip() and ("\t" in line) == bool(mark):
                yield unicodedata.normalize("NFC", line.strip())


def _parts(lines: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size > _PART:
            yield part
            part, size = [], 0
    if part:
        yield part


def _usable(text: str) -> bool:
    # The site cuts a review at 140 characters: one that long without a final mark breaks off.
    cut = len(text) >= 136 and text[-1] not in ".!?~다요음임함"
    return not cut and not any(word in text for word in words("blocked"))


def _clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _nouns(lines: list[str]) -> list[str]:
    """Words seen before more than three particles, most of them nouns, in alphabetical order."""
    after: dict[str, set[str]] = {}
    count: Counter[str] = Counter()
    for line in lines:
        for match in _NOUN.finditer(line):
            word = match.group()
            count[word] += 1
            after.setdefault(word, set()).add(line[match.end() : match.end() + 1])
    return sorted(word for word, found in after.items() if len(found) > 3 and count[word] > 5)


def _write_json(path: Path, value: object) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    run(main)
