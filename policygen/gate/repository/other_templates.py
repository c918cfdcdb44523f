"""Templates that say something of other roles than those whose tables name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policygen.errors import PolicygenError
from policygen.gate.repository.files import files_of, is_arn, policies_of, roles_of_template
from policygen.gate.repository.policies import policies_named
from policygen.gate.repository.role_map import GateRole
from policygen.gate.repository.subjects import PrincipalSubject
from policygen.gate.sources import role_name
from policygen.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from policygen.gate.sources import PolicySource
    from policygen.gate.templates.model import TemplateContext


class OtherTemplates:
    """The templates of all tables, and those beside them that no table names: which roles each of them names."""

    def __init__(
        self, roles: Sequence[GateRole], beside: Sequence[Path], account_of: Callable[[str], str]
    ) -> None:
        """Look at the files of the tables.

        Args:
            roles: the tables.
            beside: files that seem to hold policies, and that no table names.
            account_of: takes a role's name or ARN; returns its account, "" where it is not known.
        """
        self._roles, self._account_of = roles, cache(account_of)
        self._owners: dict[Path, list[GateRole]] = {}
        self._named = cache(roles_of_template)
        self.beside = {escape_controls(str(one)): one for one in beside}
        """The files beside those of the tables, by the names that people see."""
        self.untold: dict[str, PolicygenError] = {}
        """Of such a file, by this name, why it does not tell what it gives a role of a table."""
        for role in roles:
            for file in {one for policy in role.policies if not is_arn(policy) for one in files_of(policy)}:
                self._owners.setdefault(file, []).append(role)

    def of_role(self, role: GateRole, context: TemplateContext) -> list[PolicySource]:
        """Return what templates of other tables, and of none, give a role by its name, in its own account.

        A template that a role of the same name has in another account is about that one.

        Raises:
            UsageError: as `policies_of`, of the templates of tables.
        """
        wanted = role_name(role.name)
        files = [
            file
            for file, owners in self._owners.items()
            if wanted not in {role_name(one.name) for one in owners}
            and wanted in self._named(file)
            and self._is_of_account(owners, self._account_of(role.name))
        ]
        found = [source for file in files for source in _by_name(file, context)]
        for shown, file in self.beside.items():
            if wanted in self._named(file):
                try:
                    found += _by_name(file, context)
                except PolicygenError as error:
                    self.untold[shown] = error
                    with suppress(PolicygenError):
                        found += _by_name(file, replace(context, lenient=True))
        return found

    @property
    def account(self) -> str:
        """The account of all tables; "" where there are several, or none is known."""
        found = {self._account_of(one.name) for one in self._roles}
        return found.pop() if len(found) == 1 else ""

    def lists(self, name: str, account: str) -> bool:
        """Return whether a table is about a role of an account; "" for an account that is not known."""
        return any(
            role_name(one.name) == role_name(name)
            and (not account or self._account_of(one.name) in ("", account))
            for one in self._roles
        )

    def _is_of_account(self, owners: Iterable[GateRole], account: str) -> bool:
        return not {account, ""}.isdisjoint(self._account_of(one.name) for one in owners)


def _by_name(file: Path, context: TemplateContext) -> list[PolicySource]:
    """Return what a template says of a role, by the name that it gives itself there; [] where it says nothing.

    Raises:
        UsageError: as `policies_of`.
    """
    try:
        return policies_of(file, replace(context, by_name=True))
    except PolicygenError as error:
        if error.code != "PG-E250":
            raise
        return []


class UnlistedRoles:
    """Roles of the checked templates that no table is about: no plan tells what they need."""

    def __init__(self, templates: OtherTemplates) -> None:
        self._templates = templates
        self._seen: dict[tuple[str, str, str], str] = {}
        self._own = set[tuple[str, str, str]]()

    def see(self, account: str, sources: Iterable[PolicySource]) -> None:
        """Remember the other roles of some templates, of which a role of an account has something, or nobody has."""
        for source in sources:
            if source.rest:
                self._own |= {(source.name, account, key) for key in source.rest.own}
                for key, shown in source.rest.roles.items():
                    if not self._templates.lists(key, account):
                        self._seen[source.name, account, key] = shown

    def subjects(self) -> Iterator[PrincipalSubject]:
        """Yield those with findings that need no plan."""
        for place, shown in self._seen.items():
            file, account, _ = place
            if place not in self._own:
                path = self._templates.beside.get(file, Path(file))
                found = without_plan(shown, account, [path], "no [[role]] names it")
                yield from [found] if found else ()


def without_plan(
    role: str, account: str, policies: Sequence[Path], why: str, *, risks: bool = True
) -> PrincipalSubject | None:
    """Return a role without a plan whose policies have findings that need none; None where they have none.

    Args:
        role: its name, or what a template calls it.
        account: its account; "" where it is not known.
        policies: its files, and ARNs of attached policies.
        why: why it has no plan.
        risks: whether risks are told too, and not errors alone.
    """
    from policygen.gate.judge.without_plan import findings_without_plan, untold_without_plan
    from policygen.gate.templates.model import TemplateContext

    context = TemplateContext(role, account, part=role, lenient=True)
    sources: list[PolicySource] = []
    for policy in policies:
        with suppress(PolicygenError):  # what cannot be read is not checked, as its line says
            sources += policies_named(policy, context)
    found = tuple(one for one in findings_without_plan(sources, account) if risks or one.level == "error")
    if not found:
        return None
    judged = f"who may assume it, {'risks, ' * risks}and what allows everything"
    told = f"judged without a plan, since {why}: only {judged}"
    return PrincipalSubject(
        role, account, sources, lambda: found, 0, 0, "", told=(told, *untold_without_plan(sources))
    )
