"""The notebooks run on the samples, and their committed outputs are what they print."""

from __future__ import annotations

import copy
import html
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = ("orders_api", "account", "incident", "window", "change")
PLACES = [(name, FOLDER if number % 2 else ROOT) for number, name in enumerate(NOTEBOOKS)]
"""A reader starts Jupyter in the checkout, or in the folder of notebooks: each is tried with some of them."""


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.ipynb"


def committed(name: str) -> Any:
    return nbformat.read(path_of(name), as_version=4)  # type: ignore[no-untyped-call]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: Any) -> list[list[str]]:
    """What each code cell shows, as text; what libraries say on stderr differs between machines."""
    return [
        [
            str(out.get("text") or out.get("data", {}).get("text/plain") or out.output_type)
            for out in cell.outputs
            if out.get("name") != "stderr"
        ]
        for cell in code_cells(notebook)
    ]


def executed(notebook: Any, folder: Path) -> Any:
    """A copy, run anew in a kernel that starts in `folder`."""
    fresh = copy.deepcopy(notebook)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        fresh, timeout=600, record_timing=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    fresh.metadata = notebook.metadata
    return fresh


@pytest.mark.system
@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
@pytest.mark.parametrize(("name", "folder"), PLACES, ids=NOTEBOOKS)
def test_a_notebook_runs_and_shows_what_it_shows(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # nobody's own start-up files
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = committed(name)
    fresh = executed(notebook, folder)
    if os.environ.get("POLICYGEN_UPDATE"):
        nbformat.write(fresh, path_of(name))  # type: ignore[no-untyped-call]
    else:
        assert texts(fresh) == texts(notebook)


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_committed_notebook_is_whole_and_from_one_run_in_reading_order(name: str) -> None:
    notebook = committed(name)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(texts(notebook))
    assert not [out for cell in cells for out in cell.outputs if out.output_type == "error"]
    assert str(ROOT) not in path_of(name).read_text("utf-8")
    assert max(len(line) for cell in notebook.cells for line in cell.source.splitlines()) <= 140


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_begins_with_a_question_and_ends_with_a_decision(name: str) -> None:
    notebook = committed(name)
    said = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert re.match(r"# [^\n]+\?\n", said[0])
    assert said[-1].startswith("## Decision\n")
    settings = code_cells(notebook)[0].source
    assert "# To look at your own logs, change these lines." in settings
    others = "\n".join(cell.source for cell in code_cells(notebook)[1:])
    assert not re.search(r"SAMPLES|samples/|orders-api|stock-sync", others)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_figures_of_a_notebook_are_small_and_run_nothing(name: str) -> None:
    shown = [
        out.data["text/html"]
        for cell in code_cells(committed(name))
        for out in cell.outputs
        if "text/html" in out.get("data", {})
    ]
    assert shown
    assert max(map(len, shown)) <= 40_000
    assert not [one for one in shown if "<script" in html.unescape(one)]
