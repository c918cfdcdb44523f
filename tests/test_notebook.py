"""The notebook runs on the samples, and its committed outputs are what it prints."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support import ROOT

PATH = ROOT / "notebooks" / "orders_api.ipynb"


def texts(notebook: Any) -> list[list[str]]:
    return [
        [
            str(out.get("text") or out.get("data", {}).get("text/plain", ""))
            for out in cell.outputs
            if keep(out)
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def keep(output: Any) -> bool:
    return not (output.output_type == "stream" and output.name == "stderr")


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_shows_what_it_shows() -> None:
    notebook = nbformat.read(PATH, as_version=4)
    fresh = copy.deepcopy(notebook)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(fresh, timeout=180, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert texts(fresh) == texts(notebook)
    assert any(texts(notebook))
