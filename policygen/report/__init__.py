"""One file per output format; each renders a plan to text and knows nothing of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import PurePath
from typing import cast

from policygen.analysis import Analysis
from policygen.errors import UsageError
from policygen.plan import Plan, plan_of
from policygen.plan.making import document_of
from policygen.text import printable

Render = Callable[..., str]

FORMATS: Mapping[str, str] = {
    "text": "policygen.report.text",
    "json": "policygen.report.json",
    "policy": "policygen.report.document",
    "terraform": "policygen.report.terraform",
    "terraform-data": "policygen.report.terraform_data",
    "cloudformation": "policygen.report.cloudformation",
    "sam": "policygen.report.sam",
    "cdk-ts": "policygen.report.cdk_ts",
    "cdk-py": "policygen.report.cdk_py",
    "serverless": "policygen.report.serverless",
    "html": "policygen.report.html",
}
"""Name -> module with a function ``render(plan, **options) -> str``."""

SUFFIXES: Mapping[str, str] = {
    ".txt": "text",
    ".json": "json",
    ".policy.json": "policy",
    ".tf": "terraform",
    ".data.tf": "terraform-data",
    ".yaml": "cloudformation",
    ".yml": "cloudformation",
    ".sam.yaml": "sam",
    ".ts": "cdk-ts",
    ".py": "cdk-py",
    "serverless.yml": "serverless",
    ".html": "html",
}
"""What an exported file's name says of its format; the longest suffix wins."""


def plan(analysis: Analysis) -> Plan:
    """The plan of an analysis, with its screen."""
    from policygen.report.screen import draw

    screen = {"short": draw(analysis), "all": draw(analysis, show_all=True)}
    return plan_of({**document_of(analysis), "screen": screen})


def known(name: str) -> str:
    """The name of a format, if there is one.

    Raises:
        UsageError: PG-E207, no such format.
    """
    if name not in FORMATS:
        raise UsageError(
            f"no format {printable(name)!r}", f"there are: {', '.join(sorted(FORMATS))}", code="PG-E207"
        )
    return name


def render(name: str, plan: Plan, **options: bool) -> str:
    """A plan in the named format; it ends with a line break.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return cast("Render", import_module(FORMATS[known(name)]).render)(plan, **options)


def format_of(path: str) -> str:
    """The format that a file's name asks for.

    Raises:
        UsageError: PG-E207, a suffix that stands for no format.
    """
    name = PurePath(path).name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix]
    raise UsageError(
        f"the name {printable(path)!r} says no format",
        f"suffixes: {', '.join(f'{suffix} ({kind})' for suffix, kind in sorted(SUFFIXES.items()))}",
        code="PG-E207",
    )


def suffix_of(name: str) -> str:
    """The suffix of files in a format.

    Raises:
        UsageError: PG-E207, no such format.
    """
    known(name)
    return next((suffix for suffix, kind in SUFFIXES.items() if kind == name), f".{name}")
