"""Run a reader's file against the checks of its exercise."""

import importlib
import runpy
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.console import first_line
from exercises.checking import Wrong

FOLDER = Path(__file__).parent
SOLVED, WRONG, EMPTY = "✔", "✗", "-"


@dataclass(frozen=True)
class Exercise:
    """A file of this folder with one gap. The module of that name in `checks` checks it."""

    name: str
    function: str  # what the reader fills in
    title: str
    lesson: str  # the folder of the lesson it belongs to

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"


EXERCISES = (
    Exercise("ex01_labels", "make_batch", "토큰과 labels", "data"),
    Exercise("ex02_forward", "forward", "LoRALinear.forward", "lora"),
    Exercise("ex03_inject", "inject_lora", "LoRA를 끼워 넣기", "lora"),
    Exercise("ex04_merge", "merge_lora", "병합, Conv1D도", "lora"),
    Exercise("ex05_loss", "accumulate", "배치 전체의 손실", "training"),
    Exercise("ex06_step", "train_step", "AMP 한 스텝", "training"),
    Exercise("ex07_nf4", "quantize", "NF4 양자화", "quant"),
    Exercise("ex08_attention", "attend", "KV 캐시로 하는 어텐션", "infer"),
    Exercise("ex09_top_p", "keep_nucleus", "top-p", "infer"),
    Exercise("ex10_tokenizer", "tokenize", "ROUGE의 토크나이저", "evaluation"),
)


@dataclass(frozen=True)
class Verdict:
    """What the checks say of a file."""

    mark: str
    passed: list[str]  # the cases that are right
    message: str = ""  # the case that is not, and why


def judge(exercise: Exercise, path: Path) -> Verdict:
    """Check the function in the file at `path`, case by case, up to the first that is wrong."""
    cases: list[str] = []
    try:
        function = load(path, exercise.function)
        check = importlib.import_module(f"exercises.checks.{exercise.name}").check
        # A check yields the name of each case before it tries the case.
        for case in check(function):
            cases.append(case)
    except Exception as error:
        place = line_of(error, path)
        if "`raise NotImplementedError`" in place:
            return Verdict(EMPTY, [], f"아직 비어 있습니다. {place}을 지우고 그 자리를 채우세요.")
        reason = str(error) if isinstance(error, Wrong) else describe(error, place)
        return Verdict(WRONG, cases[:-1], ": ".join([*cases[-1:], reason]))
    return Verdict(SOLVED, cases)


def load(path: Path, name: str) -> Callable[..., Any]:
    """The function of that name in the reader's file.

    Raises:
        Wrong: there is no such file, or it defines no such function.
    """
    if not path.is_file():
        raise Wrong(f"{path.name}이(가) 없습니다. git checkout exercises로 되살리세요.")
    function = runpy.run_path(str(path)).get(name)
    if not callable(function):
        raise Wrong(f"{path.name}에 함수 {name}이(가) 없습니다. 이름을 문제대로 되돌리세요.")
    return function


def line_of(error: Exception, path: Path) -> str:
    """The last line of the reader's file that the error went through, or an empty text."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name} {error.lineno}번째 줄 `{(error.text or '').strip()}`"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path.name} {frames[-1].lineno}번째 줄 `{frames[-1].line}`" if frames else ""


def describe(error: Exception, place: str) -> str:
    """An exception in one line, with its place in the reader's file."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    if place:
        return f"{place}에서 {reason}"
    return f"함수의 인수나 돌려준 값이 문제와 다릅니다 ({reason})"
