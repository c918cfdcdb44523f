"""Templates that say something of others than the roles whose tables name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policygen.errors import PolicygenError
from policygen.gate.repository.files import (
    files_of,
    is_arn,
    policies_of,
    roles_of_template,
    template_of,
    without_name,
)
from policygen.gate.repository.policies import policies_named
from policygen.gate.repository.role_map import GateRole
from policygen.gate.repository.subjects import PrincipalSubject
from policygen.gate.sources import (
    Holder,
    PolicySource,
    UnknownGrant,
    content_digest,
    role_name,
    with_certain_denials,
)
from policygen.iam.document import Policy
from policygen.iam.locations import Location
from policygen.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable

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
        for file in self.beside.values():
            if wanted in self._named(file):
                with suppress(PolicygenError):  # told where all that no table names is read
                    found += _by_name(file, context)
        return found

    def templates_of(self, role: GateRole) -> list[PolicySource]:
        """Return what the templates of a table hold, seen from no role; not those that cannot be read."""
        from policygen.gate.templates.model import TemplateContext

        context = TemplateContext("", self._account_of(role.name))
        found: list[PolicySource | None] = []
        for file, owners in self._owners.items():
            if role in owners:
                with suppress(PolicygenError):
                    found.append(template_of(file, context))
        return [one for one in found if one]

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
    """To whom the checked templates grant, without a table about it: no plan tells what they need."""

    def __init__(self, templates: OtherTemplates) -> None:
        self._templates = templates
        self._seen: dict[tuple[str, str, str], str] = {}
        self._holders: dict[tuple[str, str, Holder], None] = {}
        self._own = set[tuple[str, str, str]]()

    def see(self, account: str, sources: Iterable[PolicySource]) -> None:
        """Remember to whom else some templates grant, of which a role of an account has something, or nobody has."""
        for source in sources:
            if source.rest:
                self._own |= {(source.name, account, key) for key in source.rest.own}
                for key, shown in source.rest.roles.items():
                    if not self._templates.lists(key, account):
                        self._seen[source.name, account, key] = shown
                # Of a file without roles all managed policies are told, as PG112.
                has_roles = source.rest.roles or source.rest.own
                for holder in source.rest.holders:
                    if has_roles or holder.kind != "policy":
                        self._holders[source.name, account, holder] = None

    def subjects(self) -> Iterator[PrincipalSubject]:
        """Yield those with findings that need no plan."""
        for place, shown in self._seen.items():
            file, account, _ = place
            if place not in self._own:
                found = without_plan(shown, account, [self._path(file)], "no [[role]] names it")
                yield from [found] if found else ()
        for file, account, holder in self._holders:
            found = without_plan(holder.part, account, [self._path(file)], "it is no role", kind=holder.kind)
            name = f"{holder.kind} {escape_controls(holder.name)}"
            yield from [found._replace(role=name)] if found else ()

    def _path(self, file: str) -> Path:
        return self._templates.beside.get(file, Path(file))


def without_plan(
    role: str, account: str, policies: Sequence[Path], why: str, *, risks: bool = True, kind: str = "role"
) -> PrincipalSubject | None:
    """Return a role without a plan whose policies have findings that need none; None where they have none.

    Args:
        role: its name, or what a template calls it.
        account: its account; "" where it is not known.
        policies: its files, and ARNs of attached policies.
        why: why it has no plan.
        risks: whether risks are told too, and not errors alone.
        kind: what it is, as `Holder` has it.
    """
    from policygen.gate.judge.without_plan import findings_without_plan, untold_without_plan
    from policygen.gate.templates.model import TemplateContext

    context = TemplateContext(role, account, part=role, kind=kind, stand_ins=True)
    sources: list[PolicySource] = []
    for policy in policies:
        try:
            sources += policies_named(policy, context)
        except PolicygenError as error:
            sources += [_not_read(role, policy, error)] * (error.code != "PG-E250")
    sources = with_certain_denials(sources)
    if kind != "role":  # of roles, what may be anybody's is told once for all of them
        sources = [replace(one, unknown=tuple(map(_of_somebody, one.unknown))) for one in sources]
    found = tuple(one for one in findings_without_plan(sources, account) if risks or one.level == "error")
    if not found:
        return None
    judged = f"{'who may assume it, ' * (kind == 'role')}{'risks, ' * risks}and what allows everything"
    told = f"judged without a plan, since {why}: only {judged}"
    return PrincipalSubject(
        role, account, sources, lambda: found, 0, 0, "", told=(told, *untold_without_plan(sources))
    )


def _not_read(role: str, policy: Path, error: PolicygenError) -> PolicySource:
    """Return a policy that cannot be read: whoever accepts that accepts the file as it is."""
    file = without_name(policy)
    text = file.read_bytes().hex() if file.is_file() else ""
    unknown = UnknownGrant(role, f"{error.message}  {error.code}", (), content_digest(text))
    return PolicySource(escape_controls(str(file)), "", Policy(()), unknown=((unknown, Location(1, 1)),))


def _of_somebody(unknown: tuple[UnknownGrant, Location]) -> tuple[UnknownGrant, Location]:
    return replace(unknown[0], of_nobody=False), unknown[1]
