"""What a template holds besides the policies of the role, and what of it nobody judged: that is said, never passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.rightsize.check.findings import PolicySource

_LISTED = 10
"""Names that a line has; the rest is counted."""


class TemplateRest(msgspec.Struct, frozen=True):
    """The rest of a template, seen from one role."""

    own: frozenset[str] = frozenset()
    """The role's resources, by the keys of `roles`."""
    roles: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Every other role that the template makes or gives policies: its name as IAM compares it, else its address or
    logical name -> what people call it."""
    unread: tuple[str, ...] = ()
    """What may grant more, and is not read: stacks within it, macros, resources that others interpret."""


def rest_lines(checked: Iterable[tuple[str, Sequence[PolicySource]]], lead: str) -> list[str]:
    """Return what of the templates is not read, and which of their roles are not checked, a line for each template.

    Args:
        checked: names of the roles that are checked, each with its policies; without any where they cannot be read,
            which is told elsewhere.
        lead: what stands before the roles that are not.
    """
    rests: dict[str, list[TemplateRest]] = {}
    told = set[str]()
    for role, sources in checked:
        if not sources:
            told.add(role_name(role))
        for source in sources:
            if source.rest:
                rests.setdefault(source.name, []).append(source.rest)
    return [line for file, found in rests.items() for line in _lines(file, found, told, lead)]


def _lines(file: str, rests: Sequence[TemplateRest], told: set[str], lead: str) -> Iterator[str]:
    if rests[0].unread:
        yield f"not read in {file}: {_listed(rests[0].unread)}; it may grant more"
    own = told.union(*(one.own for one in rests))
    roles = {key: shown for one in rests for key, shown in one.roles.items() if key not in own}
    if roles:
        yield f"{lead}: {'role' if len(roles) == 1 else 'roles'} {_listed(sorted(roles.values()))} of {file}"


def role_name(text: str) -> str:
    """Return a role's name, or that in its ARN, as IAM compares it: names differ in more than case.

    Source: IAM API Reference, CreateRole, RoleName.
    """
    return text.rpartition("/")[2].casefold()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(map(escape_controls, names[:_LISTED])) + more
