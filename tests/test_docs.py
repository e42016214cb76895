"""The READMEs, the lessons and BENCHMARKS name commands, options, files and lines that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = (ROOT / "README.md", ROOT / "README.en.md")
LESSONS = sorted(ROOT.glob("[a-z]*/README.md"))
TRANSLATIONS = sorted(ROOT.glob("[a-z]*/README.en.md"))
CARD = ROOT / "checkpoints" / "ko-gpt2-mini" / "README.md"
DOCUMENTS = (*READMES, *LESSONS, *TRANSLATIONS, CARD, ROOT / "BENCHMARKS.md")
TOOLS = {"venv", "pip", "pytest"}  # modules after `python -m` that are not ours
OTHER_OPTIONS = {"--help", "--debug"}  # common.console adds them to every command
TORCHRUN_OPTIONS = {
    *("--standalone", "--nnodes", "--nproc-per-node", "--max-restarts"),
    *("--rdzv-backend", "--rdzv-endpoint"),
}
FIGURE = re.compile(r"\s*[\d.,/]+\s*$")
WRITTEN = {"report.html", "comparison.md"}  # by a run, beside its adapter


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def code_of(document: Path) -> str:
    """All that the document shows as code: fenced and indented blocks, and spans in backticks."""
    fenced = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    text = text_of(document)
    rest = fenced.sub("", text)
    indented = re.findall(r"^ {4}\S.*$", rest, re.MULTILINE)
    return "\n".join([*fenced.findall(text), *indented, *re.findall(r"`([^`\n]+)`", rest)])


def modules(document: Path) -> set[str]:
    return set(re.findall(r"python3? -m ([\w.]+)", code_of(document))) - TOOLS


def targets(document: Path) -> set[str]:
    return set(re.findall(r"\bmake (?:--\S+ )*([a-z]+)\b", code_of(document)))


def options(document: Path) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code_of(document)))


def paths(document: Path) -> set[str]:
    """Python files and documents by their paths, and the targets of links to this repository."""
    named = re.findall(r"(?<![\w./<-])[\w./-]+\.(?:py|md|css|html)\b", code_of(document))
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text_of(document))
    return {*named, *links}


def anchors(document: Path) -> set[str]:
    """The headings of a document as GitHub makes them into anchors."""
    headings = re.findall(r"^#+ (.*)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def files_of_the_house() -> Iterator[Path]:
    for path in ROOT.rglob("*.py"):
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            yield path


def known_options() -> set[str]:
    """The fields that are declared with `option`, and the arguments of argparse."""
    names = OTHER_OPTIONS | TORCHRUN_OPTIONS
    for path in files_of_the_house():
        for node in ast.walk(ast.parse(text_of(path))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "option":
                    names.add("--" + node.target.id.replace("_", "-"))
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("add_argument"):
                names |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_exists(document: Path) -> None:
    for module in modules(document):
        place = ROOT / module.replace(".", "/")
        started = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        assert started.is_file() and "__main__" in text_of(started), f"python -m {module}"
    makefile = text_of(ROOT / "Makefile")
    for target in targets(document):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    assert options(document) <= known_options()
    names = {path.name for path in files_of_the_house()}  # `__main__.py` alone is in many rooms
    folders = (ROOT, document.parent)
    missing = {p for p in paths(document) if not any((f / p).exists() for f in folders)}
    assert not {p for p in missing - names if Path(p).name not in WRITTEN}
    for path, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", text_of(document)):
        assert anchor in anchors(document.parent / path if path else document), f"{path}#{anchor}"


def test_the_check_sees_what_does_not_exist(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(
        "Say make believe, `python -m nowhere`, `make nothing`.\n\n"
        "```\nmake train ARGS=--bogus\n```\n"
        "    python -m data --data my.csv\n\n[a](gone.md#part) `lora/gone.py` [b](https://x.org/c.md)",
        encoding="utf-8",
    )
    assert modules(document) == {"nowhere", "data"}
    assert targets(document) == {"nothing", "train"}
    assert options(document) == {"--bogus", "--data"}
    assert paths(document) == {"gone.md", "lora/gone.py"}


def test_both_readmes_name_the_same_things() -> None:
    assert_same_things(*READMES)


def assert_same_things(korean: Path, english: Path) -> None:
    assert modules(korean) == modules(english)
    assert targets(korean) == targets(english)
    assert options(korean) == options(english)
    assert {p.replace(".en.", ".") for p in paths(korean)} == {
        p.replace(".en.", ".") for p in paths(english)
    }
    assert figures(korean) == figures(english)


def test_every_lesson_is_translated() -> None:
    assert {path.parent.name for path in TRANSLATIONS} == {
        *("data", "lora", "training", "evaluation", "quant", "infer", "chat")
    }


@pytest.mark.parametrize("english", TRANSLATIONS, ids=lambda path: path.parent.name)
def test_a_lesson_and_its_translation_name_the_same_things(english: Path) -> None:
    korean = english.with_name("README.md")
    assert_same_things(korean, english)
    assert first_column(korean) == first_column(english)  # the files, in the order to read them
    for level in ("##", "```", "$$", "- "):  # sections, pictures, equations, mistakes
        counts = [count_lines(document, level) for document in (korean, english)]
        assert counts[0] == counts[1], level


def count_lines(document: Path, beginning: str) -> int:
    return sum(line.startswith(beginning) for line in text_of(document).splitlines())


def first_column(document: Path) -> list[str]:
    """What stands in backticks at the beginning of a table's lines."""
    return re.findall(r"^\| (`[^|]*`) \|", text_of(document), re.MULTILINE)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_readmes_say_how_long_each_lesson_takes(readme: Path) -> None:
    lessons = ("data", "lora", "training", "evaluation", "quant", "infer", "chat")
    row = re.search(r"^\| (?:분|minutes) \| ([\d |]+) \|$", text_of(readme), re.MULTILINE)
    assert row
    for lesson, minutes in zip(lessons, row[1].split(" | "), strict=True):
        text = text_of(ROOT / lesson / readme.name)
        total = re.search(r"(?:걸리는 시간\*\*: |about )(\d+)(?:분쯤| minutes)", text)
        code = re.search(r"(?:코드 |code )(\d+)", text)
        assert total and code and total[1] == minutes
        # The code takes what the reading list says, for the lessons that stand in it.
        listed = [row[2] for row in reading_list(readme) if row[0].startswith(f"{lesson}/")]
        if lesson == "training":
            listed += [row[2] for row in reading_list(readme) if row[0] == "model/loss.py"]
        assert not listed or int(code[1]) == sum(listed)


def figures(document: Path) -> list[list[str]]:
    """The cells of the tables that are a figure, line by line."""
    rows = [line.split("|") for line in text_of(document).splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in row if FIGURE.match(cell)] for row in rows]
    return [row for row in found if row]


def reading_list(document: Path) -> list[tuple[str, int, int]]:
    """The files to read, with the lines and the minutes that the table gives."""
    rows = re.findall(r"^\|.*\| `([\w/]+\.py)` \|.*\| (\d+) \| (\d+) \|$", text_of(document), re.M)
    return [(path, int(lines), int(minutes)) for path, lines, minutes in rows]


@pytest.mark.parametrize("document", READMES, ids=lambda path: path.name)
def test_the_reading_list_is_short_and_its_figures_are_true(document: Path) -> None:
    rows = reading_list(document)
    assert len(rows) == 13
    true = {path: len(text_of(ROOT / path).splitlines()) for path, _, _ in rows}
    assert sum(true.values()) <= 1500
    for path, lines, minutes in rows:
        assert abs(lines - true[path]) <= max(5, 0.2 * true[path]), f"{path}: {true[path]} lines"
        assert minutes == max(1, round(lines * 4 / 60))
    total, minutes = sum(row[1] for row in rows), sum(row[2] for row in rows)
    assert f"{total:,}" in text_of(document) and str(minutes) in text_of(document)


@pytest.mark.parametrize("document", READMES, ids=lambda path: path.name)
def test_the_lines_to_look_for_stand_in_their_files(document: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| `([\w/]+\.py)` \| `([^`]+)` \|$", text_of(document), re.M)
    assert len(rows) >= 6
    for path, line in rows:
        assert text_of(ROOT / path).count(line) == 1, f"{path}: {line}"


def test_the_log_is_newest_first_with_the_verdict_in_the_title() -> None:
    titles = re.findall(r"^## (.*)$", text_of(ROOT / "LOG.md"), re.MULTILINE)
    found = [re.fullmatch(r"(\d{4}-\d\d-\d\d): .+ \((kept|negative|neutral)\)", t) for t in titles]
    assert titles and all(found)
    dates = [match[1] for match in found if match]
    assert dates == sorted(dates, reverse=True)
