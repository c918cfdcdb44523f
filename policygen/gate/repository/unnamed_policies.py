"""Policies beside the checked files that no ``[[role]]`` names: nobody can tell for whom they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import PolicygenError
from policygen.gate.repository.files import parse_file, policy_text, sources_of, template_of
from policygen.gate.repository.other_templates import OtherTemplates
from policygen.gate.repository.subjects import PrincipalSubject
from policygen.iam.document import Policy, parse_policy

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
            templates: that knows them, and what is not told of them for the roles of tables.
        """
        from policygen.gate.templates.model import TemplateContext

        context = TemplateContext("", templates.account)
        self._account, self._templates = templates.account, templates
        self._found: list[Finding] = []
        self.templates: list[PolicySource] = []
        """Those that are templates, without statements."""
        for shown, file in templates.beside.items():
            self._read(shown, file, context)

    def _read(self, shown: str, file: Path, context: TemplateContext) -> None:
        from policygen.gate.judge.unnamed import policies_of_nobody, untold_policies

        untold = self._templates.untold.get(shown)
        try:
            seen = template_of(file, context)
            if seen is None:
                held = [one.policy for one in sources_of(parse_file(*policy_text(file)), None)]
                self._found.append(policies_of_nobody(shown, held))
                return
            self.templates.append(seen.source)
            untold = untold or seen.untold
            if seen.source.rest and (policies := _given_to_no_role(shown, seen.source.rest)):
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
            yield PrincipalSubject(OF_NOBODY, "", self.templates, lambda: tuple(self._found), 0, 0, "")


def _given_to_no_role(name: str, rest: TemplateRest) -> Sequence[Policy]:
    """Return the managed policies of a template without a role."""
    if rest.roles:
        return []
    return [parse_policy(one, f"{name}, {key}", exact=True) for key, (one, _) in rest.managed.items() if one]
