"""The repository's functions solve the exercises; wrong answers get the diagnosis they need."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from exercises import __main__ as command
from exercises.judge import EMPTY, EXERCISES, SOLVED, WRONG, Exercise, judge
from tests.exercises import wrong_answers
from tests.exercises.solutions import SOLUTIONS
from tests.test_imports import ROOT, imported_names

GAP = "    raise NotImplementedError\n"
NAMES = [exercise.name for exercise in EXERCISES]
ANSWERS = [
    pytest.param(exercise, body, diagnosis, id=f"{exercise.name}-{i}")
    for exercise in EXERCISES
    for i, (body, diagnosis) in enumerate(wrong_answers.WRONG[exercise.name])
]


def answered(exercise: Exercise, body: str, folder: Path) -> Path:
    """The file of an exercise with the gap filled."""
    text = (ROOT / "exercises" / exercise.path.name).read_text(encoding="utf-8")
    assert text.count(GAP) == 1, f"{exercise.path.name} is not empty: put its gap back"
    path = folder / exercise.path.name
    path.write_text(text.replace(GAP, textwrap.indent(body, "    ") + "\n"), encoding="utf-8")
    return path


@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_the_repositorys_function_solves_it(exercise: Exercise, tmp_path: Path) -> None:
    solution = "from tests.exercises.solutions import SOLUTIONS\n"
    solution += f"{exercise.function} = SOLUTIONS[{exercise.name!r}]\n"
    (tmp_path / "answer.py").write_text(solution, encoding="utf-8")
    verdict = judge(exercise, tmp_path / "answer.py")
    assert (verdict.mark, verdict.message) == (SOLVED, "")
    assert len(verdict.passed) >= 4 and exercise.name in SOLUTIONS


@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_an_empty_file_says_where_to_write(exercise: Exercise) -> None:
    verdict = judge(exercise, exercise.path)
    line = exercise.path.read_text(encoding="utf-8").split(GAP)[0].count("\n") + 1
    assert verdict.mark == EMPTY
    assert f"{exercise.path.name} {line}번째 줄 `raise NotImplementedError`" in verdict.message


@pytest.mark.parametrize(("exercise", "body", "diagnosis"), ANSWERS)
def test_a_wrong_answer_gets_its_diagnosis(
    exercise: Exercise, body: str, diagnosis: str, tmp_path: Path
) -> None:
    verdict = judge(exercise, answered(exercise, body, tmp_path))
    assert verdict.mark == WRONG
    assert diagnosis in verdict.message


def test_every_file_is_listed_and_has_wrong_answers() -> None:
    assert all(len(wrong_answers.WRONG[name]) >= 2 for name in NAMES)
    assert {e.name for e in EXERCISES} == {p.stem for p in (ROOT / "exercises").glob("ex*.py")}


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("x = 1\nreturn x.softmax(-1)", "return x.softmax(-1)", "AttributeError: 'int' object"),
        ("return logits[5]", "return logits[5]", "IndexError: index 5 is out of bounds"),
        ("return (logits", "return (logits", "SyntaxError: '(' was never closed"),
        ("return torch.zeros(2, 3) @ logits", "return torch.zeros(2, 3) @ logits", "RuntimeError"),
        ("raise NotImplementedError('x')", "raise NotImplementedError('x')", "NotImplementedError"),
        ("import numpie", "import numpie", "ModuleNotFoundError: No module named 'numpie'"),
    ],
)
def test_an_exception_is_one_line_with_its_place(
    body: str, line: str, message: str, tmp_path: Path
) -> None:
    exercise = EXERCISES[8]
    path = answered(exercise, body, tmp_path)
    number = path.read_text(encoding="utf-8").split(line)[0].count("\n") + 1
    verdict = judge(exercise, path)
    assert verdict.mark == WRONG and "\n" not in verdict.message
    assert f"{path.name} {number}번째 줄 `{line}`에서 {message}" in verdict.message


def test_a_missing_file_another_name_and_other_arguments_are_told(tmp_path: Path) -> None:
    exercise = EXERCISES[8]
    assert "gone.py이(가) 없습니다" in judge(exercise, tmp_path / "gone.py").message
    text = exercise.path.read_text(encoding="utf-8")
    path = tmp_path / "answer.py"
    path.write_text(text.replace("def keep_nucleus", "def top_p"), encoding="utf-8")
    assert "함수 keep_nucleus이(가) 없습니다" in judge(exercise, path).message
    path.write_text(text.replace(", top_p: float", ""), encoding="utf-8")
    message = judge(exercise, path).message
    assert (
        "문제와 다릅니다" in message and "takes 1 positional argument but 2 were given" in message
    )


@pytest.mark.parametrize("result", ["None", "3", "'a'", "[]", "(1, 2)", "torch.zeros(0)", "print"])
@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_any_result_is_judged_in_one_line(exercise: Exercise, result: str, tmp_path: Path) -> None:
    body = f"import torch\nreturn {result}"
    verdict = judge(exercise, answered(exercise, body, tmp_path))
    assert verdict.mark == WRONG
    assert verdict.message and "\n" not in verdict.message
    assert "문제와 다릅니다 (" not in verdict.message, "a check failed on what it was given"


def test_the_files_import_only_what_requirements_txt_has() -> None:
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    listed = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = {line.split("==")[0].split("[")[0].replace("-", "_") for line in listed if line}
    for path in (ROOT / "exercises").rglob("*.py"):
        tops = {name.split(".")[0] for name in imported_names(path.read_text(encoding="utf-8"))}
        assert tops <= ours | packages | sys.stdlib_module_names, path.name


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exercises", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def test_the_command_says_what_to_do_with_an_empty_file() -> None:
    ran = run("9")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert "아직 비어 있습니다" in ran.stdout and "infer/README.md" in ran.stdout


@pytest.mark.parametrize("given", ["0", "11", "x", "1 2", "-1", "--help"])
def test_a_wrong_number_is_refused_in_one_line(given: str) -> None:
    with pytest.raises(command.UserError, match="1부터 10"):
        command.chosen(given.split())


def test_the_list_and_the_steps_of_a_reader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top_p, tokenizer = EXERCISES[8:]
    body, _ = wrong_answers.WRONG["ex10_tokenizer"][0]
    answered(tokenizer, body, tmp_path)
    answered(top_p, "raise NotImplementedError", tmp_path)
    monkeypatch.setattr("exercises.judge.FOLDER", tmp_path)
    monkeypatch.setattr(command, "EXERCISES", (top_p, tokenizer))
    command.list_all()
    empty, wrong, summary = capsys.readouterr().out.splitlines()
    assert empty.startswith("-  1 top-p") and wrong.startswith("✗  2 ROUGE")
    assert summary.startswith("푼 문제 0/2")

    right = "text = unicodedata.normalize('NFC', text)\n"
    right += "return BLEU(tokenize='ko-mecab').tokenizer(text).split()"
    answered(tokenizer, right, tmp_path)
    assert command.check_one(2, tokenizer)
    *cases, last = capsys.readouterr().out.splitlines()[1:]
    assert len(cases) == 7 and all(case.startswith("✔ ") for case in cases)
    assert last == "풀었습니다."
