"""What a template makes of the role itself: its permissions boundary and its trust policy, compared with today's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from policygen.gate.findings import RULES, Finding
from policygen.gate.judge.denied import what_is_gained, where_gained
from policygen.gate.judge.unknown_policies import unknown_grant
from policygen.gate.sources import (
    PolicySource,
    TemplateRest,
    TemplateRole,
    UnknownGrant,
    content_digest,
    policy_key,
)
from policygen.iam.compare import compare_policies
from policygen.iam.document import Policy, load_document, parse_policy
from policygen.iam.locations import Path
from policygen.iam.principal import bound_by, principal_facts
from policygen.iam.resource_policy import ResourcePolicy, not_inside, parse_resource_policy
from policygen.rightsize.basis import CheckBasis
from policygen.text import escape_controls


class _Boundary(NamedTuple):
    """The boundary that a template gives the role, or whose document it changes."""

    name: str
    """What people call it; "" for none, and where nothing tells which one it is."""
    document: Policy | None
    """None where nothing tells it."""
    path: Path
    is_gone: bool = False


def own_role_findings(sources: Sequence[PolicySource], basis: CheckBasis) -> Iterator[Finding]:
    """Find a boundary that bounds less than today's, and a trust policy that lets more in."""
    for source in sources:
        if source.rest:
            yield from _boundary_findings(source, source.rest, basis)
            account = basis.current.account if basis.current else ""
            for role in source.rest.definitions:
                yield from trust_findings(source, source.rest, role, _todays_trust(basis), account)
            yield from _changed_policies(source, source.rest, basis)


def unchecked_of_role(sources: Sequence[PolicySource], basis: CheckBasis) -> list[str]:
    """Return what of the role itself nothing judged, a sentence for each."""
    return [
        f"not checked in {source.name}: {one}"
        for source in sources
        if source.rest
        for one in _unchecked(source, source.rest, basis)
    ]


def _unchecked(source: PolicySource, rest: TemplateRest, basis: CheckBasis) -> Iterator[str]:
    if rest.defaults:
        listed = ", ".join(map(escape_controls, rest.defaults))
        yield f"other values of its parameters than their defaults: {listed}"
    for role in rest.definitions:
        yield from _unchecked_boundary(rest, role, basis)
        yield from _unchecked_trust(source, role, basis)


def _changed_policies(source: PolicySource, rest: TemplateRest, basis: CheckBasis) -> Iterator[Finding]:
    """Find today's managed policies that the template changes while nothing tells whether the role keeps them."""
    for arn, today in basis.attached.items():
        document, path = rest.managed.get(policy_key(arn), (None, ()))
        if path and path not in rest.counted and not _says_the_same(document, today, source):
            reason = "the role has it today, its document changes, and nothing here attaches or detaches it"
            unknown = UnknownGrant(arn, reason, path, content_digest(document))
            yield unknown_grant(unknown, source.name, rest.place(path))


def _says_the_same(document: Any, today: Policy, source: PolicySource) -> bool:
    name = f"{source.name}, {today.name}"
    return bool(document) and parse_policy(document, name, exact=True).statements == today.statements


def with_boundary_to_come(sources: Sequence[PolicySource], basis: CheckBasis) -> CheckBasis:
    """Return the basis with the boundary that a template gives the role, where it is known: calls must pass it."""
    for source in sources:
        for found in _boundaries(source, source.rest, basis) if source.rest else ():
            if found.is_gone or found.document:
                return replace(basis, boundary_to_come=found.document)
    return basis


# --- Permissions boundary ---


def _boundaries(source: PolicySource, rest: TemplateRest, basis: CheckBasis) -> list[_Boundary]:
    """Return the boundaries that a template says, one for each definition of the role; [] where it leaves them."""
    found = (_boundary(source, rest, role, basis) for role in rest.definitions or (None,))
    return [one for one in found if one]


def _boundary(
    source: PolicySource, rest: TemplateRest, role: TemplateRole | None, basis: CheckBasis
) -> _Boundary | None:
    """Return the boundary that a template says; None where it leaves it as it is."""
    today, path = _todays_key(rest, basis), role.path if role else ()
    wanted = role.boundary if role else today
    if wanted is None:
        return _Boundary("", None, path)
    if not wanted:
        return _Boundary("", None, path, is_gone=True) if role else None
    if (held := rest.managed.get(policy_key(wanted))) is not None:
        document = parse_policy(held[0], f"{source.name}, {wanted}", exact=True) if held[0] else None
        return _Boundary(wanted, _bound(document, basis), held[1])
    if policy_key(wanted) == today:
        return None
    return _Boundary(wanted, _bound(basis.attached.get(wanted), basis), path)


def _todays_key(rest: TemplateRest, basis: CheckBasis) -> str:
    """Return the key of today's boundary; of an older plan, that of one of the template with its name."""
    if basis.boundary_arn:
        return policy_key(basis.boundary_arn)
    end = f"/{_todays_name(basis)}".casefold()
    named = [*rest.managed, *(policy_key(role.boundary or "") for role in rest.definitions)]
    return next((one for one in named if end != "/" and one.endswith(end)), "")


def _todays_name(basis: CheckBasis) -> str:
    bound = basis.current.boundary if basis.current else None
    return basis.boundary_arn.rpartition("/")[2] or (bound.name if bound else "")


def _bound(policy: Policy | None, basis: CheckBasis) -> Policy | None:
    account = basis.current.account if basis.current else ""
    return bound_by(policy, principal_facts(basis.arn, account)) if policy and basis.arn else policy


def _boundary_findings(source: PolicySource, rest: TemplateRest, basis: CheckBasis) -> Iterator[Finding]:
    if name := _todays_name(basis):
        for found in _boundaries(source, rest, basis):
            yield from _of_boundary(source, rest, found, basis, name)


def _of_boundary(
    source: PolicySource, rest: TemplateRest, found: _Boundary, basis: CheckBasis, name: str
) -> Iterator[Finding]:
    before = basis.current.boundary if basis.current else None
    about: tuple[tuple[str, str], ...] = ()
    if found.is_gone:
        message = "it is gone: nothing bounds the role any more"
    elif not found.name:
        message = "the role gets one that the template does not tell"
    elif before is None or found.document is None:
        is_other = policy_key(found.name) != _todays_key(rest, basis)
        message = f"the role gets {found.name} instead, " if is_other else "its document changes, "
        message += "and what it allows is not known"
    else:
        compared = compare_policies([before], [found.document])
        unsure = [one.grant for one in compared.unsure if one.side == "new"]
        examples = [f"{one.request.action} on {where_gained(one)[1]}" for one in compared.gained] or unsure
        if not examples:
            return
        message = f"{found.name} allows more than that of today, for example {examples[0]}"
        gained = what_is_gained(compared.gained, [found.document])
        about = (*((f"boundary {action}", where) for action, where in gained), *((one, "") for one in unsure))
    fix = "leave the boundary as it is today; if the change is meant, accept it in a baseline"
    subject = f"permissions boundary {name}"
    key = f"{subject}: {message}"
    place = rest.place(found.path)
    yield Finding(RULES["PG105"], subject, message, fix, source.name, place, key=key, about=about)


def _unchecked_boundary(rest: TemplateRest, role: TemplateRole, basis: CheckBasis) -> Iterator[str]:
    if basis.current is None:
        yield f"the permissions boundary of {role.name}, since today's is not known"
    elif not _todays_name(basis) and role.boundary != "":
        held = rest.managed.get(policy_key(role.boundary or ""), (None, ()))[0]
        if held is None and role.boundary not in basis.attached:
            yield f"whether calls pass the permissions boundary that {role.name} gets, whose document is not known"


# --- Trust policy ---


def _trust(source: PolicySource, role: TemplateRole) -> ResourcePolicy | None:
    name = f"{source.name}, trust policy of {role.name}"
    if (
        role.trust is msgspec.UNSET
        or role.trust is None
        or "Statement" not in load_document(role.trust, name)
    ):
        return None
    return parse_resource_policy(role.trust, name, "trust")


def _todays_trust(basis: CheckBasis) -> ResourcePolicy | None:
    return parse_resource_policy(basis.trust, "today's trust policy", "trust") if basis.trust else None


def trust_findings(
    source: PolicySource, rest: TemplateRest, role: TemplateRole, today: ResourcePolicy | None, account: str
) -> Iterator[Finding]:
    """Find what the trust policy that a template gives a role lets in beyond today's, and what makes it unsafe.

    Args:
        source: a part of the template.
        rest: the rest of the template.
        role: what it says of the role.
        today: today's trust policy; None where it is not known, or there is none.
        account: the role's account; "" where it is not known.
    """
    from policygen.gate.judge.trust import trust_beyond_today  # heavy, and most files have none

    policy = _trust(source, role)
    if policy is None or (today and _is_same(policy, today)):
        return
    bare = Policy(tuple(one.statement for one in policy.statements), name=policy.name)
    at = PolicySource(
        source.name, "", bare, rest.below(role.trust_path), part=f"the trust policy of {role.name}"
    )
    yield from trust_beyond_today(at, policy, today, account)


def _is_same(one: ResourcePolicy, other: ResourcePolicy) -> bool:
    return not (not_inside(one, other) or not_inside(other, one))


def _unchecked_trust(source: PolicySource, role: TemplateRole, basis: CheckBasis) -> Iterator[str]:
    policy, today = _trust(source, role), _todays_trust(basis)
    if policy and today is None:
        yield f"whether the trust policy of {role.name} is wider than today's, which is not known"
    elif policy and today and not _is_same(policy, today):
        yield f"who gets in by the trust policy of {role.name}, which changes: policygen check --kind trust"
