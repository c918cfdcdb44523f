"""Options of an analysis from the keywords of a test or a golden case."""

from __future__ import annotations

from typing import Any, TypedDict

from policygen.evidence.observe import ObserveOptions
from policygen.rightsize.suggestion import SuggestOptions


class AnalysisOptions(TypedDict):
    """The two option groups of `policygen.rightsize.analysis.analyse`."""

    observe: ObserveOptions
    suggest: SuggestOptions


def analysis_options(**options: Any) -> AnalysisOptions:
    """Options by their names alone, each in the group that has it; `on` is in both."""
    observe = {name: options[name] for name in ObserveOptions.__struct_fields__ if name in options}
    suggest = {name: value for name, value in options.items() if name not in observe or name == "on"}
    return {"observe": ObserveOptions(**observe), "suggest": SuggestOptions(**suggest)}
