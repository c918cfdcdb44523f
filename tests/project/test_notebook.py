"""The notebook runs on the samples, and its committed outputs are what it prints."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT

PATH = ROOT / "notebooks" / "orders_api.ipynb"


def committed() -> Any:
    return nbformat.read(PATH, as_version=4)  # type: ignore[no-untyped-call]


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
@pytest.mark.parametrize("folder", [ROOT, PATH.parent], ids=["from the root", "from its own folder"])
def test_the_notebook_runs_and_shows_what_it_shows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # nobody's own start-up files
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = committed()
    fresh = executed(notebook, folder)
    if os.environ.get("POLICYGEN_UPDATE"):
        nbformat.write(fresh, PATH)  # type: ignore[no-untyped-call]
    else:
        assert texts(fresh) == texts(notebook)


def test_the_committed_notebook_is_whole_and_from_one_run_in_reading_order() -> None:
    notebook = committed()
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(texts(notebook))
    assert not [out for cell in cells for out in cell.outputs if out.output_type == "error"]
    assert str(ROOT) not in PATH.read_text("utf-8")
    assert max(len(line) for cell in notebook.cells for line in cell.source.splitlines()) <= 130
