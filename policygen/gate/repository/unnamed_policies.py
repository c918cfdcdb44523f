"""Policies beside the checked files that no ``[[role]]`` names, and what a file may grant to nobody knows whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import PolicygenError
from policygen.gate.repository.files import parse_file, policy_text, sources_of, template_of
from policygen.gate.repository.other_templates import OtherTemplates
from policygen.gate.repository.subjects import Checked, PrincipalSubject, Unchecked
from policygen.iam.document import Policy, parse_policy
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.gate.findings import Finding
    from policygen.gate.sources import PolicySource, TemplateRest
    from policygen.gate.templates.model import TemplateContext

OF_NOBODY = "files of no [[role]]"
"""What stands in the place of a role."""


class UnnamedFiles:
    """The files beside the checked ones that seem to hold policies, read once."""

    def __init__(self, templates: OtherTemplates) -> None:
        """Read the files.

        Args:
            templates: that knows them.
        """
        from policygen.gate.templates.model import TemplateContext

        context = TemplateContext("", templates.account)
        self._found: list[Finding] = []
        self.templates: list[PolicySource] = []
        """Those that are templates, without statements."""
        for shown, file in templates.beside.items():
            self._read(shown, file, context)

    def _read(self, shown: str, file: Path, context: TemplateContext) -> None:
        from policygen.gate.judge.unnamed import policies_of_nobody, untold_policies

        untold = None
        try:
            seen = template_of(file, context)
            if seen is None:
                held = [one.policy for one in sources_of(parse_file(*policy_text(file)), None)]
                self._found.append(policies_of_nobody(shown, held))
                return
            self.templates.append(seen)
            if seen.rest and (policies := _given_to_no_role(shown, seen.rest)):
                self._found.append(policies_of_nobody(shown, policies))
        except PolicygenError as error:
            untold = error
        if untold:
            install = untold.hints[:1] if untold.code == "PG-E252" else ()
            reason = "; ".join([f"{untold.message}  {untold.code}", *install])
            self._found.append(untold_policies(shown, reason))

    def subjects(self) -> Iterator[PrincipalSubject]:
        """Yield what stands for the files, if there are any of which something is to be said."""
        if self._found or self.templates:
            yield of_nobody(self._found, self.templates)


def of_nobody(found: Iterable[Finding], sources: Sequence[PolicySource]) -> PrincipalSubject:
    """Return what stands for files and parts of files that are of no role."""
    told = tuple(found)
    return PrincipalSubject(OF_NOBODY, "", sources, lambda: told, 0, 0, "")


def _given_to_no_role(name: str, rest: TemplateRest) -> Sequence[Policy]:
    """Return the managed policies of a template without a role."""
    if rest.roles:
        return []
    return [parse_policy(one, f"{name}, {key}", exact=True) for key, (one, _) in rest.managed.items() if one]


def with_what_is_nobodys(subjects: Iterable[Checked | Unchecked]) -> Iterator[Checked | Unchecked]:
    """Yield subjects, and with them once what their files may grant to nobody knows whom.

    It is one thing for all roles of a file: accepted once, whichever of them is checked.
    """
    seen: list[PolicySource] = []
    files: PrincipalSubject | None = None
    for subject in subjects:
        seen += [] if isinstance(subject, Unchecked) else subject.sources
        if isinstance(subject, PrincipalSubject) and subject.role == OF_NOBODY:
            files = subject
        else:
            yield subject
    found = (*(files.findings() if files else ()), *_given_to_nobody(seen))
    if files or found:
        named = {one.file for one in found}
        sources = {one.name: one for one in seen if one.name in named}
        yield of_nobody(found, files.sources if files else [*sources.values()])


def _given_to_nobody(sources: Iterable[PolicySource]) -> Sequence[Finding]:
    from policygen.gate.judge.principals import worst_first
    from policygen.gate.judge.unknown_policies import unknown_grant, unread_part

    found: dict[tuple[str, str], Finding] = {}
    for source in sources:
        for unknown, place in source.unknown:
            if unknown.of_nobody:
                found.setdefault((source.name, unknown.name), unknown_grant(unknown, source.name, place))
        if rest := source.rest:
            for name, path in rest.unread:
                shown = escape_controls(name)
                found.setdefault((source.name, shown), unread_part(shown, source.name, rest.place(path)))
    return worst_first(found.values())
