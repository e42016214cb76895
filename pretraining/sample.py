"""`python -m pretraining.sample`: the synthetic interviews of data/sample_interview.csv."""

import csv
import io
import random
from dataclasses import dataclass
from pathlib import Path

from common.console import UserError, option, parse_options, run
from common.files import write_file
from data.interviews import SAMPLE_CSV
from pretraining.text.clauses import facts
from pretraining.text.lexicon import jobs, pick, themes, voice
from pretraining.text.speech import Speaker, answer, retell
from pretraining.text.world import World

HANDWRITTEN = Path(__file__).parent / "text" / "handwritten.csv"


# Sample rows and pretraining text never share a stream of random numbers.
_ROWS = "rows"
_ROW_OPEN_SHARE = 0.25
_SHORTEST_SUMMARY = 25


def interview_rows(count: int, seed: int) -> list[dict[str, str]]:
    """`count` rows with question, answer, summary and source ("template" or "handwritten").

    The same rows on every machine for a (count, seed); no two rows are alike. Where
    pretraining/text/handwritten.csv holds fewer rows than `count`, they are among them, at random
    positions.
    """
    rng = random.Random(f"{_ROWS}-{seed}")
    written = _handwritten_rows()
    if count <= len(written):
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
    """Write `interview_rows` as CSV: UTF-8 without BOM, \\n line ends, always the same bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["question", "answer", "summary", "source"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(interview_rows(count, seed))
    write_file(path, text.getvalue())


@dataclass
class SampleOptions:
    """Options of the command. The defaults write the file that the repository ships."""

    rows: int = option(4100, "행 수")
    seed: int = option(0, "난수 시드")
    out: Path = option(SAMPLE_CSV, "쓸 파일")

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UserError(f"--rows {self.rows}: 1 이상이어야 합니다. 값을 바꿔 다시 실행하세요.")


def main() -> None:
    options = parse_options(
        SampleOptions, "python -m pretraining.sample", "예제 면접 데이터를 씁니다."
    )
    write_sample_csv(options.out, options.rows, options.seed)
    print(f"{options.out}: {options.rows:,}행")


if __name__ == "__main__":
    run(main)
