"""What the readers of templates are given, and what they return."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.gate.sources import PolicySource, TemplateRest, UnknownGrant
from policygen.iam.document import Policy, parse_policy
from policygen.iam.locations import Location, Path
from policygen.text import escape_controls


class TemplateContext(msgspec.Struct, frozen=True):
    """The role under check, and what a template leaves to the place where it is deployed."""

    role: str
    """Its name."""
    account: str = ""
    partition: str = "aws"
    region: str = ""
    """"" where it is not known, or the role works in several."""
    known: Mapping[str, Policy] = msgspec.field(default_factory=dict)
    """ARN of a managed policy that the role has today -> its document."""
    inline: Mapping[str, Policy] = msgspec.field(default_factory=dict)
    """Name of an inline policy that the role has today -> its document."""
    part: str = ""
    """Its address or logical name in the template, where somebody named it; "" to find it by its name."""
    by_name: bool = False
    """Whether it is found by the name alone that it gives itself: of a template that nobody named for it."""
    kind: str = "role"
    """Whose policies are read, as `Holder` has it."""
    stand_ins: bool = False
    """Whether a resource of the template whose name is made at deployment is called by what the template calls it:
    where nothing is compared with what was used, any name of one resource is as good."""

    def policy_named(self, name: Any, path: Any) -> str:
        """Return the ARN of a managed policy of the account, or account and name without a path; "" without a name."""
        if not (self.account and name and isinstance(name, str)):
            return ""
        known = isinstance(path, str) and path.startswith("/")
        return (
            f"arn:{self.partition}:iam::{self.account}:policy{path}{name}"
            if known
            else f"{self.account}/{name}"
        )

    def document_of(self, attached: str) -> Policy | None:
        """Return the document of a policy that the role has today, by its ARN; AWS's own also by its name, as in SAM.

        A policy of the same name is not the same policy.
        """
        own = f"arn:{self.partition}:iam::aws:policy/"
        for arn, policy in self.known.items():
            if attached in {arn, arn.removeprefix(own).rpartition("/")[2] if arn.startswith(own) else arn}:
                return policy
        return None


class KnownDocument(NamedTuple):
    """A policy that a template tells, or the part of it that it tells."""

    name: str
    document: Any
    """An object, or its text."""
    path: Path
    """Its place in the template."""
    numbers: tuple[int, ...] | None = None
    """Of each of its statements, which one of the template's it is; None for as they stand there."""


class RolePolicies(NamedTuple):
    """What a template says of one role: grants that are known, and grants that are not."""

    documents: tuple[KnownDocument, ...]
    attached: tuple[tuple[str, Path], ...]
    """ARNs and names of policies that are elsewhere, and where the template attaches them."""
    unknown: tuple[UnknownGrant, ...] = ()
    rest: TemplateRest = TemplateRest()
    """What else it holds, without places."""


def template_sources(
    found: RolePolicies, file: str, places: Mapping[Path, Location], context: TemplateContext
) -> list[PolicySource]:
    """Return the policies of a role as sources; attached ones by the account as it is, where it knows them.

    Raises:
        UsageError: PG-E210, a document is not a policy.
    """
    counted = frozenset(one.path for one in found.documents)
    rest = replace(found.rest, places=places, counted=counted)
    sources = [
        PolicySource(
            file,
            "",
            parse_policy(document, f"{file}, {name}", exact=True),
            rest.below(path, numbers),
            part=name,
        )
        for name, document, path, numbers in found.documents
    ]
    unread = []
    for name, path in dict(found.attached).items():
        policy, place = context.document_of(name), rest.place(path)
        if policy:
            sources.append(PolicySource(file, "", policy, {("Statement",): place}, part=name))
        else:
            unread.append((escape_controls(name), place))
    unknown = tuple((one, rest.place(one.path)) for one in dict.fromkeys(found.unknown))
    if not sources or unread or unknown:
        sources.append(PolicySource(file, "", Policy(()), unread=tuple(sorted(unread)), unknown=unknown))
    return [replace(sources[0], rest=rest), *sources[1:]]


def no_such_role(file: str, context: TemplateContext, names: Collection[str], *hints: str) -> UsageError:
    """Return the error for a template that has no policy of a role."""
    role = context.part or context.role
    there = ", ".join(sorted(map(escape_controls, names))[:8])
    return UsageError(
        f"{file} has no policies of the role {escape_controls(role)!r}",
        f"it has roles: {there}; name one of them: {file}#{next(iter(sorted(map(escape_controls, names))))}"
        if there
        else "it has no role",
        *hints,
        code="PG-E250",
    )
