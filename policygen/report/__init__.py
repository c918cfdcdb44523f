"""One file per output format; each renders a plan to text and knows nothing of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from policygen.errors import UsageError
from policygen.text import printable

if TYPE_CHECKING:
    from policygen.analysis import Analysis
    from policygen.plan import Plan

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
    "markdown": "policygen.report.markdown",
    "csv": "policygen.report.csv",
    "sarif": "policygen.report.sarif",
    "junit": "policygen.report.junit",
    "github": "policygen.report.github",
}
"""Name -> module with a function ``render(plan, **options) -> str``.

Where several plans make one document the module also has ``render_all(plans, **options) -> str``.
"""

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
    ".md": "markdown",
    ".csv": "csv",
    ".sarif": "sarif",
    ".xml": "junit",
}
"""What an exported file's name says of its format; the longest suffix wins."""


def plan(analysis: Analysis) -> Plan:
    """The plan of an analysis, with its screen."""
    from policygen.plan import plan_of
    from policygen.plan.making import document_of
    from policygen.report.changes import Told
    from policygen.report.screen import draw

    told = Told(analysis.suggestion)
    made = plan_of({**document_of(analysis), "screen": draw(analysis, told)})
    made.alike = told.groups  # of the same changes
    return made


def known(name: str, formats: Collection[str] = FORMATS) -> str:
    """The name of a format, if there is one.

    Raises:
        UsageError: PG-E207, no such format.
    """
    if name not in formats:
        raise UsageError(
            f"no format {printable(name)!r}", f"there are: {', '.join(sorted(formats))}", code="PG-E207"
        )
    return name


def render(name: str, plan: Plan, **options: bool) -> str:
    """A plan in the named format; it ends with a line break.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return render_all(name, [plan], **options)


def render_all(name: str, plans: Sequence[Plan], **options: bool) -> str:
    """Plans in the named format: one document where the format can hold several plans, else one after the other.

    Raises:
        UsageError: PG-E207, no such format; PG-E281, more plans than the format can hold.
    """
    module = import_module(FORMATS[known(name)])
    if hasattr(module, "render_all"):
        return str(module.render_all(plans, **options))
    return "\n".join(module.render(plan, **options) for plan in plans)


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
