"""The notebook runs from its first cell to its last, and the outputs that it stores are whole."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "ai_interview.ipynb"


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: nbformat.NotebookNode) -> str:
    """All that the cells have printed."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)


def test_it_runs_in_its_short_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOK_SHORT", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in code_cells(notebook):
        cell.outputs = []
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "checkpoints").rglob("*")}
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    # A cell that raises raises here, with its traceback.
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    printed = texts(notebook)
    assert "베이스와 비트까지 같음: True" in printed
    losses = re.search(r"3스텝, 검증 손실 ([\d.]+) → ([\d.]+)", printed)
    assert losses and float(losses[2]) < float(losses[1])
    assert re.search(r"크기: [\d.]+ MB → [\d.]+ MB", printed)
    kinds = {kind for c in code_cells(notebook) for o in c.outputs for kind in o.get("data", {})}
    assert {"text/html", "image/png"} <= kinds  # the colored tokens and the curves
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "checkpoints").rglob("*")} == before


def test_what_is_stored_is_a_whole_run_without_a_trace_of_the_machine() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = json.dumps([cell.outputs for cell in code_cells(notebook)], ensure_ascii=False)
    assert '"error"' not in outputs and '"stderr"' not in outputs
    assert not [path for path in ("/root/", "/home/", "/Users/", "/tmp/") if path in outputs]
    assert NOTEBOOK.stat().st_size < 200_000


def test_its_links_lead_to_files() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#:\s]+)\)", prose)
    assert len(links) >= 6
    assert all((NOTEBOOK.parent / link).is_file() for link in links)
