"""The output formats of a plan: one record each, and the module that it names renders it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from policygen.errors import UsageError, no_such
from policygen.report.terminal.layout import WIDTH
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.gate.report import FindingsReport
    from policygen.plan.model import Plan
    from policygen.rightsize.api.suggest import ApiSuggestion
    from policygen.rightsize.trust.suggest import TrustSuggestion

Option = Literal["show_all", "ascii_only", "indexed", "width", "approved"]


class Format(NamedTuple):
    """An output format. A new one needs a module and a record in `FORMATS`."""

    name: str
    function: str
    """``module:function`` that returns the text; imported only when the format is used."""
    suffixes: tuple[str, ...] = ()
    """Endings of the names of files that are exported in this format."""
    many: bool = False
    """Whether several plans make one document: the function takes a sequence of them, else one."""
    findings: bool = False
    """Whether the function takes the findings of a plan, and not the plan."""
    options: tuple[Option, ...] = ()
    """The options of `render` that the function takes, as keywords."""

    def render(
        self,
        items: Sequence[Plan]
        | Sequence[FindingsReport]
        | Sequence[TrustSuggestion]
        | Sequence[ApiSuggestion],
        **options: bool | int,
    ) -> str:
        """Return the text of plans, X ends with a line break."""
        function = cast("Callable[..., str]", _load(self.function))
        if self.many:
            return function(items, **options)
        return "\n".join(function(one, **options) for one in items)


def _load(path: str) -> Callable[..., object]:
    module, _, name = path.partition(":")
    return cast("Callable[..., object]", getattr(import_module(module), name))


_IAC = "policygen.report.iac"
_FINDINGS = "policygen.report.findings"
# By its path: the findings module lists its own formats in `Format` records.
_FROM_PLAN = f"{_FINDINGS}.from_plan:findings_from_plan"

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "text",
            "policygen.report.terminal.screen:render",
            (".txt",),
            options=("show_all", "ascii_only", "width"),
        ),
        Format("json", "policygen.plan.io:plan_to_json", (".json",)),
        Format("policy", "policygen.plan.io:policies_to_json", (".policy.json",)),
        Format("terraform", f"{_IAC}.terraform:render", (".tf",)),
        Format("terraform-data", f"{_IAC}.terraform_data:render", (".data.tf",)),
        Format("cloudformation", f"{_IAC}.cloudformation:render", (".yaml", ".yml")),
        Format("sam", f"{_IAC}.sam:render", (".sam.yaml",)),
        Format("cdk-ts", f"{_IAC}.cdk_ts:render", (".ts",)),
        Format("cdk-py", f"{_IAC}.cdk_py:render", (".py",)),
        Format("serverless", f"{_IAC}.serverless:render", ("serverless.yml",)),
        Format("aws-cli", f"{_IAC}.aws_cli:render", (".sh",), many=True, options=("approved",)),
        Format("html", "policygen.report.html.role_page:render", (".html",), options=("indexed",)),
        Format("markdown", "policygen.report.markdown.comment:render", (".md",)),
        Format("csv", "policygen.report.data.csv:render", (".csv",), many=True),
        Format("sarif", f"{_FINDINGS}.sarif:render", (".sarif",), many=True, findings=True),
        Format("junit", f"{_FINDINGS}.junit:render", (".xml",), many=True, findings=True),
        Format("github", f"{_FINDINGS}.github:render", findings=True),
    )
}
"""Name -> format, in the order in which help lists them."""

TRUST_FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("text", "policygen.report.terminal.trust:trust_screen", options=("width",)),
        Format("json", "policygen.report.data.trust:trust_json"),
        Format("policy", "policygen.report.data.trust:trust_document"),
        Format("terraform", f"{_IAC}.trust:trust_terraform"),
        Format("cloudformation", f"{_IAC}.trust:trust_cloudformation"),
        Format("sam", f"{_IAC}.trust:trust_sam"),
        Format("cdk-ts", f"{_IAC}.trust_cdk:trust_cdk_ts"),
        Format("cdk-py", f"{_IAC}.trust_cdk:trust_cdk_py"),
        Format("markdown", "policygen.report.markdown.trust:trust_comment"),
        Format("csv", "policygen.report.data.trust:trust_csv"),
        *(one for one in FORMATS.values() if one.findings),
    )
}
"""Name -> format of a suggested trust policy, in the order in which help lists them."""

API_FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format("text", "policygen.report.terminal.api:api_screen", options=("width",)),
        Format("json", "policygen.report.data.api:api_json"),
        Format("policy", "policygen.rightsize.api.suggest:resource_policy_text"),
        Format("terraform", f"{_IAC}.api:api_terraform"),
        Format("cloudformation", f"{_IAC}.api:api_cloudformation"),
        Format("sam", f"{_IAC}.api:api_sam"),
        Format("cdk-ts", f"{_IAC}.api_cdk:api_cdk_ts"),
        Format("cdk-py", f"{_IAC}.api_cdk:api_cdk_py"),
        Format("markdown", "policygen.report.markdown.api:api_comment"),
        Format("csv", "policygen.report.data.api:api_csv"),
        *(one for one in FORMATS.values() if one.findings),
    )
}
"""Name -> format of the suggested policies of an API, in the order in which help lists them."""

PRINCIPAL_SUFFIXES = tuple(suffix for name in TRUST_FORMATS for suffix in FORMATS[name].suffixes)
"""Endings of the names of files in a format of a trust policy; those of an API are the same."""

ALIASES: Mapping[str, str] = {"tf": "terraform", "cfn": "cloudformation"}
"""Another name -> the format's name."""

SUFFIXES: Mapping[str, str] = {suffix: one.name for one in FORMATS.values() for suffix in one.suffixes}
"""Ending of an exported file's name -> the format's name; the longest ending that fits wins."""


def require_format(name: str, formats: Collection[str] = FORMATS) -> str:
    """Return the name of a format, given its name or an alias.

    Raises:
        UsageError: PG-E207, no such format.
    """
    found = ALIASES.get(name, name)
    if found in formats:
        return found
    raise no_such(f"no format {escape_controls(name)!r}", name, sorted(formats), code="PG-E207")


def render(
    name: str,
    plan: Plan,
    *,
    show_all: bool = False,
    ascii_only: bool = False,
    indexed: bool = False,
    width: int = WIDTH,
) -> str:
    """Return a plan in the named format; arguments as for `render_all`.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return render_all(name, [plan], show_all=show_all, ascii_only=ascii_only, indexed=indexed, width=width)


def render_all(
    name: str,
    plans: Sequence[Plan],
    *,
    show_all: bool = False,
    ascii_only: bool = False,
    indexed: bool = False,
    width: int = WIDTH,
    approved: bool = False,
) -> str:
    """Return plans in the named format: one document where the format can hold several, else one after the other.

    Args:
        name: the format's.
        plans: what to render.
        show_all: list everything on the screen; else long lists are cut, with their number.
        ascii_only: for terminals without Unicode.
        indexed: link a page to the index of roles in the folder above.
        width: columns of the screen.
        approved: whether a person chose these roles by name: a script applies them whatever the answer.

    Raises:
        UsageError: PG-E207, no such format; PG-E281, more plans than the format can hold.
    """
    format_ = FORMATS[require_format(name)]
    values: Mapping[Option, bool | int] = {
        "show_all": show_all,
        "ascii_only": ascii_only,
        "indexed": indexed,
        "width": width,
        "approved": approved,
    }
    options: dict[str, bool | int] = {option: values[option] for option in format_.options}
    if format_.function.startswith(_IAC) and not format_.many:
        _require_one_account(plans)
    if format_.findings:
        findings_of = cast("Callable[[Plan], FindingsReport]", _load(_FROM_PLAN))
        return format_.render([findings_of(plan) for plan in plans], **options)
    return format_.render(plans, **options)


def _require_one_account(plans: Sequence[Plan]) -> None:
    """Raise an error for code of several accounts: one provider changes one, and roles of one name would collide."""
    accounts = sorted({plan.role.account for plan in plans})
    if len(accounts) > 1:
        raise UsageError(
            f"code is for one account, and these plans are of {escape_controls(', '.join(accounts))}",
            f"choose one: --account {escape_controls(accounts[0])}",
            code="PG-E281",
        )


def render_trust(name: str, suggestion: TrustSuggestion, *, width: int = WIDTH) -> str:
    """Return a suggested trust policy in the named format.

    Raises:
        UsageError: PG-E207, no such format; PG-E241, a text that the format cannot hold.
    """
    return _render_suggestion(TRUST_FORMATS, "findings_from_trust", name, suggestion, width)


def render_api(name: str, suggestion: ApiSuggestion, *, width: int = WIDTH) -> str:
    """Return the suggested policies of an API in the named format.

    Raises:
        UsageError: PG-E207, no such format; PG-E241, a text that the format cannot hold.
        NothingFoundError: PG-E390, the format is of policies, and there is no new one.
    """
    return _render_suggestion(API_FORMATS, "findings_from_api", name, suggestion, width)


def _render_suggestion(
    formats: Mapping[str, Format], findings: str, name: str, suggestion: Any, width: int
) -> str:
    format_ = formats[require_format(name, formats)]
    if format_.findings:
        report = _load(f"{_FINDINGS}.from_suggestion:{findings}")
        return format_.render([cast("Callable[[Any], FindingsReport]", report)(suggestion)])
    return format_.render([suggestion], **({"width": width} if "width" in format_.options else {}))


def format_of(path: str) -> str:
    """Return the name of the format that a file's name asks for.

    Raises:
        UsageError: PG-E207, a suffix that stands for no format.
    """
    name = PurePath(path).name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix]
    raise UsageError(
        f"no format has the suffix of {escape_controls(path)!r}",
        f"suffixes: {', '.join(f'{suffix} ({kind})' for suffix, kind in sorted(SUFFIXES.items()))}",
        code="PG-E207",
    )


def suffix_of(name: str) -> str:
    """Return the ending of the names of files in a format.

    Raises:
        UsageError: PG-E207, no such format.
    """
    return next(iter(FORMATS[require_format(name)].suffixes), f".{name}")
