"""`python -m exercises 3`: check the reader's answer to exercise 3; without a number, list all."""

import sys

import torch

from common.console import UserError, columns, one_line, run
from exercises.judge import EMPTY, EXERCISES, SOLVED, Exercise, judge


def check_one(number: int, exercise: Exercise) -> bool:
    """Print what is right and what is wrong; whether the exercise is solved."""
    print(f"문제 {number}. {exercise.title}: exercises/{exercise.path.name}")
    verdict = judge(exercise, exercise.path)
    for case in verdict.passed:
        print(f"{SOLVED} {case}")
    if verdict.message:
        print(f"{verdict.mark} {one_line(verdict.message)}")
    elif number < len(EXERCISES):
        print(f"풀었습니다. 다음: make exercise N={number + 1}")
    else:
        print("풀었습니다.")
    if verdict.mark == EMPTY:
        print(f"  문제와 힌트는 그 파일의 맨 위에, 배경은 {exercise.lesson}/README.md에 있습니다.")
    return verdict.mark == SOLVED


def list_all() -> None:
    """Print a line for each exercise: solved (✔), wrong (✗) or empty (-)."""
    marks = []
    width = max(columns(exercise.title) for exercise in EXERCISES)
    for number, exercise in enumerate(EXERCISES, start=1):
        marks.append(judge(exercise, exercise.path).mark)
        title = exercise.title + " " * (width - columns(exercise.title))
        print(f"{marks[-1]} {number:>2} {title}  exercises/{exercise.path.name}", flush=True)
    print(f"푼 문제 {marks.count(SOLVED)}/{len(marks)}. 하나를 자세히: make exercise N=3")


def chosen(arguments: list[str]) -> int | None:
    """The number of the exercise, from 1; None without arguments.

    Raises:
        UserError: there is no exercise of that number.
    """
    if not arguments:
        return None
    given = " ".join(arguments)
    if given not in map(str, range(1, len(EXERCISES) + 1)):
        raise UserError(
            f"문제 {given}: 1부터 {len(EXERCISES)}까지의 번호 하나를 적으세요 "
            "(make exercise N=3, python -m exercises 3). 번호가 없으면 목록을 보입니다."
        )
    return int(given)


def main() -> None:
    torch.set_num_threads(1)  # the tensors are small: more threads mostly wait for each other
    number = chosen(sys.argv[1:])
    if number is None:
        list_all()
    elif not check_one(number, EXERCISES[number - 1]):
        sys.exit(1)


if __name__ == "__main__":
    run(main)
