"""`python -m verify`: prove the claims of the lessons, on this machine and with this code.

One line for each claim: whether it holds, the claim, and the two numbers that prove it.
"""

import importlib
import importlib.util
import sys
from dataclasses import dataclass

import torch

from common.claims import Claim
from common.console import columns, first_line, one_line, option, parse_options, run, validate

LESSONS = ("data", "lora", "training", "quant", "infer", "evaluation")
TRUE, FALSE, SKIPPED = "✔", "✗", "-"


@dataclass
class VerifyOptions:
    """Options of the command."""

    lesson: str | None = option(
        None,
        f"한 과만: {', '.join(LESSONS)}. 안 주면 모두",
        (lambda name: name in LESSONS, f"{', '.join(LESSONS)} 가운데 하나여야 합니다"),
    )


def claims_of(lesson: str) -> list[Claim]:
    """The claims in the lesson's `claims.py`, in the order in which they stand there."""
    module = importlib.import_module(f"{lesson}.claims")
    return [value for value in vars(module).values() if isinstance(value, Claim)]


def verdict(claim: Claim) -> tuple[str, str]:
    """Whether the claim holds (✔, ✗, or - where it was skipped), and the reason in Korean."""
    if claim.needs and importlib.util.find_spec(claim.needs) is None:
        return SKIPPED, f"건너뜀: {claim.needs}이(가) 없음 (requirements-dev.txt)"
    try:
        proof = claim.prove()
    except Exception as error:  # code that a reader has changed may fail in any way
        return FALSE, f"오류: {type(error).__name__}: {one_line(first_line(error))}"
    numbers = (f"{name} {shown(number)}" for name, number in proof.numbers.items())
    return TRUE if proof.holds else FALSE, ", ".join(numbers)


def shown(number: float) -> str:
    """An integer with commas between thousands, any other number in four digits."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"


def main() -> None:
    options = parse_options(VerifyOptions, "python -m verify", "과마다의 주장을 여기서 증명합니다.")
    validate(options)
    torch.set_num_threads(1)  # the models are small: more threads mostly wait for each other
    marks = []
    for lesson in [options.lesson] if options.lesson else LESSONS:
        claims = claims_of(lesson)
        width = max(columns(claim.text) for claim in claims)
        print(f"{lesson}/claims.py")
        for claim in claims:
            mark, reason = verdict(claim)
            marks.append(mark)
            print(f"{mark} {claim.text}{' ' * (width - columns(claim.text))}  {reason}", flush=True)
    counts = f"참 {marks.count(TRUE)}, 거짓 {marks.count(FALSE)}, 건너뜀 {marks.count(SKIPPED)}"
    print(f"주장 {len(marks)}개: {counts}")
    sys.exit(1 if FALSE in marks else 0)


if __name__ == "__main__":
    run(main)
