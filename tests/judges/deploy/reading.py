"""The one place where this judge talks to the gate: what it reads of a role in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from policygen.errors import UsageError
from policygen.gate.repository.files import policies_of, template_of
from policygen.gate.sources import TemplateRest, TemplateRole, policy_key, with_certain_denials
from policygen.gate.templates.model import TemplateContext
from policygen.iam.document import parse_policy
from tests.judges.deploy import ACCOUNT, ELSEWHERE, KNOWN, REGION, Document

_NO_SUCH_ROLE = "PG-E250"


class Read(NamedTuple):
    """What the gate read of one role."""

    documents: list[Document]
    boundary: Document | str | None = None
    """A document, or the ARN of a policy that no template has; None: the role has no boundary."""
    unknown: list[str] = []  # noqa: RUF012  nobody changes it
    """Why the gate said that it does not know all of the role or of the file; [] where it said no such thing."""
    trust: list[Document] = []  # noqa: RUF012
    trust_unknown: bool = False
    by_default: list[str] = []  # noqa: RUF012
    """Parameters of which the gate said that it took the defaults for the values."""
    """Whether the gate said that it does not know who may assume the role."""


_CONTEXT = TemplateContext(
    "", ACCOUNT, "aws", REGION, {arn: parse_policy(ELSEWHERE[arn], arn) for arn in sorted(KNOWN)}
)


def gate_read(path: Path, role: str) -> Read:
    """Return what the gate reads of a role, by its name, in a template or in a plan.

    A file that has nothing of the role (PG-E250) is read as one in a folder is: it may hold what could be the role's.
    """
    context = replace(_CONTEXT, role=role)
    try:
        sources = with_certain_denials(policies_of(path, context))
    except UsageError as error:
        if error.code != _NO_SUCH_ROLE:
            return Read([], unknown=[f"{error.code}: {error}"])
        sources = [one for one in [template_of(path, context)] if one]
    unknown = [f"{name} is attached" for source in sources for name, _ in source.unread]
    unknown += [f"not read: {what}" for source in sources if source.rest for what, _ in source.rest.unread]
    unknown += [f"{one.name}: {one.reason}" for source in sources for one, _ in source.unknown]
    rests = [source.rest for source in sources if source.rest]
    defined = [(rest, role) for rest in rests for role in rest.definitions]
    boundaries = [found for rest, role in defined for found in _boundary(rest, role, unknown)]
    bounded = len(boundaries) == len(defined) and all(one == boundaries[0] for one in boundaries)
    trusts = [role.trust for _, role in defined if role.trust is not UNSET]
    return Read(
        [source.policy.to_dict() for source in sources if source.policy.statements],
        boundaries[0] if boundaries and bounded else None,
        unknown,
        [_document(one) for one in trusts if one is not None],
        None in trusts,
        sorted({name for rest in rests for name in rest.defaults}),
    )


def _boundary(rest: TemplateRest, role: TemplateRole, unknown: list[str]) -> list[Document | str]:
    """Return the boundary that a template gives the role, if any; one that is not told is added to the unknown."""
    if role.boundary == "":
        return []
    if role.boundary is None:
        unknown.append("the permissions boundary")
        return []
    here = rest.managed.get(policy_key(role.boundary))
    if here is None:
        return [role.boundary]
    if here[0] is None:
        unknown.append("the document of the permissions boundary")
        return []
    return [_document(here[0])]


def _document(value: Any) -> Document:
    found: Document = json.loads(value) if isinstance(value, str) else value
    return found
