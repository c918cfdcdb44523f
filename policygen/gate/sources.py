"""The policies under check, as they were read: files of their own, and parts of a template with what else it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.iam.document import Policy
from policygen.iam.locations import Location, Path, locations
from policygen.text import escape_controls

SAM_TEMPLATE = "SAM policy template "
"""What stands before the name of a policy template of SAM."""
_LISTED = 10
"""Names that a line has; the rest is counted."""


class UnknownGrant(msgspec.Struct, frozen=True):
    """What may give a role more, and is not told where it stands."""

    name: str
    """Its address or logical name, and the attribute, as people find it."""
    reason: str
    path: Path
    content: str
    """A digest of what stands there and of what it refers to: whoever accepts it accepts no more."""
    of_nobody: bool = False
    """Whether nothing tells to whom it is given."""


class Holder(NamedTuple):
    """Somebody other than a role to whom a template grants, or a managed policy that it gives to nobody."""

    kind: str
    """``user``, ``group``, ``permission set`` or ``policy``."""
    part: str
    """Its address or logical name."""
    name: str
    """What people call it."""


class TemplateRole(msgspec.Struct, frozen=True):
    """What a template says of the role itself."""

    name: str
    """Its address or logical name."""
    path: Path
    boundary: str | None = ""
    """The ARN of its permissions boundary, or what the template calls it; "" for none, None for one not told."""
    trust: Any = msgspec.UNSET
    """The document of its trust policy, or its text; None for one not told, unset where the template has none."""
    trust_path: Path = ()


class TemplateRest(msgspec.Struct, frozen=True):
    """The rest of a template, seen from one role."""

    own: frozenset[str] = frozenset()
    """The role's resources, by the keys of `roles`."""
    roles: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Every other role that the template makes or gives policies: its name as IAM compares it, else its address or
    logical name -> what people call it."""
    holders: tuple[Holder, ...] = ()
    """To whom else it grants."""
    unread: tuple[tuple[str, Path], ...] = ()
    """What may grant more, and is not read: stacks within it, macros, resources that others interpret."""
    definitions: tuple[TemplateRole, ...] = ()
    """The role itself; several where each is for another account, none where the template has its policies alone."""
    managed: Mapping[str, tuple[Any, Path]] = msgspec.field(default_factory=dict)
    """`policy_key` of a managed policy -> its document, None for one that is not told, and its place."""
    defaults: tuple[str, ...] = ()
    """Parameters whose defaults were taken for their values: who deploys it may give others."""
    counted: frozenset[Path] = frozenset()
    """The places of the documents that count as the role's."""
    places: Mapping[Path, Location] = msgspec.field(default_factory=dict)
    """The places of all parts of the template."""

    def place(self, path: Path) -> Location:
        """Return the place of a value, or of the nearest one around it."""
        around = (path[:size] for size in range(len(path), 0, -1))
        return next((self.places[one] for one in around if one in self.places), Location(1, 1))

    def below(self, path: Path, numbers: Sequence[int] | None = None) -> Mapping[Path, Location]:
        """Return the places of a document within the template; of one that is a text, the place of this text.

        Args:
            path: of the document.
            numbers: of its statements, where some are left out or stand for several; None for all of them.
        """
        size = len(path)
        inside = {
            one[size:]: place for one, place in self.places.items() if one[:size] == path and len(one) > size
        }
        if not inside:
            return {("Statement",): self.places[path]} if path in self.places else {}
        return inside if numbers is None else _renumbered(inside, numbers)


def _renumbered(places: Mapping[Path, Location], numbers: Sequence[int]) -> Mapping[Path, Location]:
    """Return the places of a document that has some of the statements of another one, by their numbers there."""
    found: dict[Path, Location] = {}
    by_statement: dict[int, list[tuple[Path, Location]]] = {}
    for one, place in places.items():
        if one[0] == "Statement" and len(one) > 1 and isinstance(number := one[1], int):
            by_statement.setdefault(number, []).append((one[2:], place))
        else:
            found[one] = place
    for new, number in enumerate(numbers):
        for rest, place in by_statement.get(number, ()):
            found["Statement", new, *rest] = place
    return found


class Spot(NamedTuple):
    """Where a finding points."""

    file: str
    place: Location
    within: str = ""
    """The part of a template, and the statement: of what a tool has written no person knows the lines."""
    negated: bool = False
    """Whether it is a NotAction."""


class PolicySource(msgspec.Struct, frozen=True):
    """A policy file: its name, its text, and the policy in it."""

    name: str
    text: str
    policy: Policy
    places: Mapping[Path, Location] = msgspec.field(default_factory=dict)
    unread: tuple[tuple[str, Location], ...] = ()
    """Policies that are attached beside it, whose documents nobody gave, and where they are attached."""
    unknown: tuple[tuple[UnknownGrant, Location], ...] = ()
    """What else the role may get, and is not told."""
    part: str = ""
    """The part of a template that it is; "" for a file of its own."""
    rest: TemplateRest | None = None
    """What else the template holds, of one of its parts; None for the others, and for a file of its own."""

    def spot(self, statement: int, element: str, item: int) -> Spot:
        """Return where an item of a statement's element stands, with names for what a line alone does not say."""
        sid = self.policy.statements[statement].sid if self.part else ""
        within = ", ".join([self.part] * bool(self.part) + [f"statement {sid}"] * bool(sid))
        return Spot(self.name, self.place(statement, element, item), within)

    def place(self, statement: int, element: str, item: int) -> Location:
        """Return the place of an item in a statement's element, or the nearest place that is known."""
        single: Path = ("Statement", element, item)
        path: Path = ("Statement", statement, element, item)
        for wanted in (path, path[:3], single, single[:2], path[:2], ("Statement",)):
            if wanted in self.places:
                return self.places[wanted]
        return Location(1, 1)


def content_digest(*parts: Any) -> str:
    """Return a short text that is the same for the same values alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


_SEVERAL = "the role is defined {} times, and another definition may lack {}"


def with_certain_denials(sources: Sequence[PolicySource]) -> list[PolicySource]:
    """Return the policies of a role, without the denials and the boundaries that only some of its definitions may have.

    Where templates define a role for several accounts, or under several conditions, what one denies another may allow:
    such a denial becomes an unknown grant.
    """
    defined = [(source, role) for source in sources if source.rest for role in source.rest.definitions]
    if len(defined) < 2:
        return list(sources)
    found = [_without_denials(one, len(defined)) if one.part else one for one in sources]
    if len({role.boundary for _, role in defined}) > 1:
        for source, role in defined:
            number = found.index(next(one for one in found if one.rest is source.rest))
            reason = _SEVERAL.format(len(defined), "its permissions boundary")
            content = content_digest(sorted(str(one.boundary) for _, one in defined))
            unknown = UnknownGrant(f"{role.name}, boundary", reason, role.path, content)
            found[number] = _with_unknown(found[number], unknown, _place_in(source, role.path))
    return found


def _without_denials(source: PolicySource, defined: int) -> PolicySource:
    statements = source.policy.statements
    kept = [number for number, one in enumerate(statements) if one.effect != "Deny"]
    if len(kept) == len(statements):
        return source
    content = content_digest([one.to_dict() for one in statements])
    unknown = UnknownGrant(source.part, _SEVERAL.format(defined, "its Deny"), (), content)
    left = replace(source.policy, statements=tuple(statements[number] for number in kept))
    place = source.place(next(n for n, one in enumerate(statements) if one.effect == "Deny"), "Effect", 0)
    places = _renumbered(source.places, kept)
    return _with_unknown(replace(source, policy=left, places=places), unknown, place)


def _with_unknown(source: PolicySource, unknown: UnknownGrant, place: Location) -> PolicySource:
    return replace(source, unknown=(*source.unknown, (unknown, place)))


def _place_in(source: PolicySource, path: Path) -> Location:
    return source.rest.place(path) if source.rest else Location(1, 1)


def policy_source(name: str, text: str, policy: Policy) -> PolicySource:
    """Return a policy with the places of its elements."""
    return PolicySource(name, text, policy, locations(text))


def rest_lines(
    checked: Iterable[tuple[str, Sequence[PolicySource]]], lead: str, *, others: bool
) -> Mapping[str, Sequence[str]]:
    """Return whose policies in the templates are not checked: template -> lines.

    Args:
        checked: names of the roles that are checked, each with its policies; without any where they cannot be read,
            which is told elsewhere.
        lead: what stands before the roles that are not.
        others: whether users, groups and permission sets are not checked, either.
    """
    rests: dict[str, list[TemplateRest]] = {}
    told = set[str]()
    for role, sources in checked:
        if not any(source.rest for source in sources):
            told.add(role_name(role))
        for source in sources:
            if source.rest:
                rests.setdefault(source.name, []).append(source.rest)
    return {
        file: [
            *_lines(file, found, told, lead),
            *(_lines_of_others(file, found, lead) if others else ()),
        ]
        for file, found in rests.items()
    }


def _lines(file: str, rests: Sequence[TemplateRest], told: set[str], lead: str) -> Iterator[str]:
    own = told.union(*(one.own for one in rests))
    roles = {key: shown for one in rests for key, shown in one.roles.items() if key not in own}
    if roles:
        yield f"{lead}: {'role' if len(roles) == 1 else 'roles'} {_listed(sorted(roles.values()))} of {file}"


def _lines_of_others(file: str, rests: Sequence[TemplateRest], lead: str) -> Iterator[str]:
    if holders := {f"{one.kind} {one.name}" for rest in rests for one in rest.holders}:
        yield f"{lead}: {_listed(sorted(holders))} of {file}"


def policy_key(text: str) -> str:
    """Return account and name of a managed policy, by its ARN: no two have both, whatever their paths and letters.

    Of AWS's own the path counts. What is no ARN is the address or logical name of one whose name nobody knows.
    Source: IAM API Reference, CreatePolicy, PolicyName.
    """
    parts = text.split(":", 5)
    if len(parts) < 6:
        return text.casefold()
    account, resource = parts[4:]
    return f"{account}/{resource if account == 'aws' else resource.rpartition('/')[2]}".casefold()


def role_name(text: str) -> str:
    """Return a role's name, or that in its ARN, as IAM compares it: names differ in more than case.

    Source: IAM API Reference, CreateRole, RoleName.
    """
    return text.rpartition("/")[2].casefold()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(map(escape_controls, names[:_LISTED])) + more
