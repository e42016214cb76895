"""A claim of a lesson, and the two numbers that prove it.

The claims of a lesson stand beside its code, in its `claims.py`; `python -m verify` proves them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """Two numbers, each under its Korean name, and whether they prove the claim."""

    numbers: Mapping[str, float]
    holds: bool


@dataclass(frozen=True)
class Claim:
    """A sentence of a lesson, in Korean, and the function that proves it."""

    text: str
    prove: Callable[[], Proof]
    needs: str  # a package of requirements-dev.txt without which the proof is left out, or empty


def claim(text: str, needs: str = "") -> Callable[[Callable[[], Proof]], Claim]:
    """Make a function without arguments the proof of a claim."""
    return lambda prove: Claim(text, prove, needs)
