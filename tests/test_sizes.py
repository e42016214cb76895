"""A file is one idea and a function one thought, so both stay short."""

import ast
from pathlib import Path

import pytest

from tests.test_imports import ROOT, product_modules

FILE_LINES, FUNCTION_LINES = 250, 60
FILES = [*product_modules(ROOT).values(), *sorted((ROOT / "tests/benchmarks").glob("*.py"))]


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_long(path: Path) -> None:
    assert line_count(path) <= FILE_LINES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < FUNCTION_LINES, node.name
