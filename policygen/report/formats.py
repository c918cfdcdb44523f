"""One file per output format; each renders a plan to text and knows nothing of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from policygen.errors import UsageError
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.plan.model import Plan

FORMATS: Mapping[str, str] = {
    "text": "policygen.report.terminal.plan",
    "json": "policygen.report.data.json",
    "policy": "policygen.report.data.policy",
    "terraform": "policygen.report.iac.terraform",
    "terraform-data": "policygen.report.iac.terraform_data",
    "cloudformation": "policygen.report.iac.cloudformation",
    "sam": "policygen.report.iac.sam",
    "cdk-ts": "policygen.report.iac.cdk_ts",
    "cdk-py": "policygen.report.iac.cdk_py",
    "serverless": "policygen.report.iac.serverless",
    "html": "policygen.report.html.role_page",
    "markdown": "policygen.report.markdown.comment",
    "csv": "policygen.report.data.csv",
    "sarif": "policygen.report.findings.plan_sarif",
    "junit": "policygen.report.findings.plan_junit",
    "github": "policygen.report.findings.plan_github",
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


def require_format(name: str, formats: Collection[str] = FORMATS) -> str:
    """The name of a format, if there is one.

    Raises:
        UsageError: PG-E207, no such format.
    """
    if name not in formats:
        raise UsageError(
            f"no format {escape_controls(name)!r}", f"there are: {', '.join(sorted(formats))}", code="PG-E207"
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
    module = import_module(FORMATS[require_format(name)])
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
        f"the name {escape_controls(path)!r} says no format",
        f"suffixes: {', '.join(f'{suffix} ({kind})' for suffix, kind in sorted(SUFFIXES.items()))}",
        code="PG-E207",
    )


def suffix_of(name: str) -> str:
    """The suffix of files in a format.

    Raises:
        UsageError: PG-E207, no such format.
    """
    require_format(name)
    return next((suffix for suffix, kind in SUFFIXES.items() if kind == name), f".{name}")
