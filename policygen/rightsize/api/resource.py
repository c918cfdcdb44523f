"""Write the resource policy of an API: for each way in, the callers that came through it, and what stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from policygen.account.apis import Api
from policygen.iam import arn
from policygen.iam.conditions import parse_operator
from policygen.iam.document import Conditions, Statement, conditions_of
from policygen.iam.evaluate import grant_contained
from policygen.iam.party import EVERYONE, Principals, account_named
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, ResourcePolicyEvaluator
from policygen.rightsize.api.question import INVOKE
from policygen.rightsize.api.required import met_requirements
from policygen.rightsize.api.routing import reaches
from policygen.rightsize.api.uses import ApiUse
from policygen.rightsize.principals.kept import Kept
from policygen.rightsize.principals.letting_in import Entry, HeldPolicy, LetIn, SpareParts, Way
from policygen.rightsize.principals.owner import Owner
from policygen.rightsize.principals.pieces import (
    PRINCIPAL_ARN,
    Extra,
    Piece,
    all_of_account,
    document_of,
    granted,
    with_entries,
)
from policygen.rightsize.principals.values import is_narrowed, values_that_came

_ALL_ACTIONS = "execute-api:*"


class WrittenAccess(Piece, frozen=True):
    """One principal of the new policy, and what it rests on."""

    seen: tuple[ApiUse, ...] = ()
    kept: Kept | None = None
    unmet: tuple[str, ...] = ()
    """Names of ``--require`` that not all of its calls satisfy."""
    shared: bool = False
    """Whether its methods are those of all callers of the statement, because the exact ones do not fit."""


class KeptPiece(Piece, frozen=True, kw_only=True):
    """A part of a statement of today that stays as it is."""

    why: Kept


# ---- what today's policy lets in ----------------------------------------------------------------------


def cut_to_today(use: ApiUse, today: HeldPolicy) -> list[ApiUse]:
    """Return a use of a method as uses of the parts of it that today's statements are about; itself for none.

    The log has the method, and a statement may be about some of its paths only: where the whole is not surely let in,
    or the caller is held more firmly on a part, each part may have been what was called.
    """
    sure, parts = today.surely(use), {use.resource}
    for one in today.policy.allows:
        firm = [today.owner.hold(name, use.party) > sure for _, name in one.principals.entries]
        if not one.statement.not_resources and (one.principals.negated or any(firm)):
            for own in one.statement.resources:
                cut = arn.intersect(use.resource, own)
                parts.update([own] if cut is None else cut)
    return [ApiUse(use.invoked, use.party, part, use.facts, use.evidence) for part in sorted(parts)]


def widest(patterns: Iterable[str]) -> list[str]:
    """Return the patterns that no other one contains, sorted."""
    found: list[str] = []
    for one in sorted(set(patterns)):
        if not any(arn.contains(other, one) for other in found):
            found = [other for other in found if not arn.contains(one, other)] + [one]
    return sorted(found)


# ---- what stays ---------------------------------------------------------------------------------------


def kept_on_stages(today: ResourcePolicy, api: Api, blind: Mapping[str, str]) -> Iterator[KeptPiece]:
    """Yield what today's Allow statements grant on stages whose logs cannot tell.

    Args:
        today: the policy as it is.
        api: the API.
        blind: names of stages with the reason.
    """
    for stage, why in blind.items():
        everything = f"{api.arn}/{arn.escape(stage)}/*"
        for number, one in enumerate(today.statements):
            statement = one.statement
            if statement.effect != "Allow":
                continue
            resources = _inside(statement, everything)
            if not statement.not_resources:
                resources = tuple(one for one in resources if reaches(api, stage, one))
            for entry in one.principals.entries if resources else ():
                kept = Kept(Way(number, entry), entry, "unverified", f"{stage}: {why}")
                yield KeptPiece(number, entry, statement.actions, statement.conditions, resources, why=kept)


def _inside(statement: Statement, pattern: str) -> tuple[str, ...]:
    """Return a statement's resources inside a pattern; all of them where that cannot be cut."""
    if statement.not_resources:
        return statement.resources
    found: list[str] = []
    for own in statement.resources:
        cut = arn.intersect(own, pattern)
        found += [own] if cut is None else cut
    return tuple(widest(found))


def kept_whole(today: ResourcePolicy, kept: Iterable[Kept]) -> Iterator[KeptPiece]:
    """Yield principals that stay with everything that a statement grants them."""
    for one in kept:
        statement = today.statements[one.way.statement].statement
        yield KeptPiece(
            one.way.statement,
            one.entry,
            statement.actions,
            statement.conditions,
            statement.resources,
            why=one,
        )


def untold_principals(today: ResourcePolicy) -> Iterator[Kept]:
    """Yield the principals that an access log never names."""
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow":
            continue
        for entry in one.principals.entries:
            if one.principals.negated:
                yield Kept(
                    Way(number, entry), entry, "unverified", "NotPrincipal cannot be narrowed to callers"
                )
            elif entry[0] != "AWS":
                yield Kept(Way(number, entry), entry, "unverified", "access logs do not name it")


def uncut_principals(today: ResourcePolicy, uses: Iterable[ApiUse], owner: Owner) -> Iterator[Kept]:
    """Yield the principals of a NotResource that may let in a part of what was called: no Resource says which part.

    What surely lets the whole in, and holds the caller as firmly, needs no other. The account alone may not: then the
    caller's own policies must allow the part too.
    """
    whole = HeldPolicy(today, owner)
    sure = {use: whole.surely(use) for use in uses}
    for number, one in enumerate(today.statements):
        if one.statement.effect != "Allow" or one.principals.negated or not one.statement.not_resources:
            continue
        everywhere = replace(one.statement, resources=("*",), not_resources=False)
        some = [
            use for use in sure if not any(arn.contains(no, use.resource) for no in one.statement.resources)
        ]
        for entry in one.principals.entries:
            alone = replace(one, statement=everywhere).with_principals([entry])
            evaluator = ResourcePolicyEvaluator(ResourcePolicy((alone,)))
            if any(
                owner.hold(entry[1], use.party) > sure[use]
                and evaluator.decide(use.request, use.party, use.facts).best == "ALLOWED"
                for use in some
            ):
                yield Kept(
                    Way(number, entry), entry, "unverified", "NotResource cannot be cut to what was called"
                )


# ---- what is written ----------------------------------------------------------------------------------


def access_written_of(
    today: ResourcePolicy,
    api: Api,
    found: LetIn[ApiUse],
    keeps: Sequence[KeptPiece],
    guessed: frozenset[str],
    requirements: Sequence[str] = (),
    max_blocks: int = 10,
) -> list[WrittenAccess]:
    """Return the parts of the new policy, each with its principal, methods and conditions.

    Args:
        today: the policy as it is.
        api: the API.
        found: who came in through which of its statements.
        keeps: what stays as it is.
        guessed: ARNs of roles whose path is not known.
        requirements: names of conditions to ask for.
        max_blocks: how many blocks of addresses a condition may list.
    """
    caches = any(stage.caches for stage in api.stages)
    everything: dict[tuple[Entry, Extra], list[ApiUse]] = defaultdict(list)
    through: dict[tuple[int, Entry, Extra], list[ApiUse]] = defaultdict(list)
    for (way, _), uses in found.uses.items():
        entry, extra = _granted(way, uses[0], api, guessed)
        everything[entry, extra] += uses
        through[way.statement, entry, extra] += uses
    written = _as_today(today, keeps)
    for (number, entry, extra), uses in through.items():
        statement = today.statements[number].statement
        conditions = _narrowed(statement.conditions, uses)
        asked = met_requirements(
            requirements, api, everything[entry, extra], _asked(today, conditions), max_blocks
        )
        written.append(
            WrittenAccess(
                number,
                entry,
                _actions(statement, caches),
                with_entries(conditions, [*asked.entries, *extra]),
                tuple(widest(use.resource for use in uses)),
                seen=tuple(dict.fromkeys(uses)),
                unmet=asked.unmet,
            )
        )
    ordered = sorted(written, key=lambda one: (one.statement, one.entry, one.resources, one.conditions))
    return _without_spare(today, found, ordered, Owner(api.account))


def _granted(way: Way, use: ApiUse, api: Api, guessed: frozenset[str]) -> tuple[Entry, Extra]:
    """Return the principal to write, as `granted`, or its account with a condition on the principal's ARN.

    So is written a role whose path is not known, because a wrong path names nobody, and a root user, whose ARN names
    its whole account.
    """
    owner = Owner(api.account)
    entry, extra = granted(way, use.party, owner)
    name, account = use.party.name, account_named(way.entry[1])
    is_root = name.endswith(":root")
    if (way.entry[1] != EVERYONE and not account) or not (name in guessed or is_root):
        return entry, extra
    place, _, role = name.rpartition("/")
    names = (name, f"{place}/*/{role}") if name in guessed else (name,)
    return all_of_account(way, use.party, owner), (("ArnLike", PRINCIPAL_ARN, names),)


def _asked(today: ResourcePolicy, conditions: Conditions) -> frozenset[str]:
    """Return the keys that today's policy asks of a caller: in its own statement, or in a Deny."""
    denied = [one.statement.conditions for one in today.denies]
    return frozenset(key.lower() for block in (conditions, *denied) for _, keys in block for key, _ in keys)


def _actions(statement: Statement, caches: bool) -> tuple[str, ...]:
    """Return the actions to write: no log shows who asks to invalidate a cache, so that it stays."""
    return (_ALL_ACTIONS,) if caches and _allows(statement, _ALL_ACTIONS) else (INVOKE,)


def _allows(statement: Statement, action: str) -> bool:
    bare = replace(statement, resources=("*",), not_resources=False)
    return grant_contained(action, "*", statement.conditions, bare)


def _as_today(today: ResourcePolicy, keeps: Iterable[KeptPiece]) -> list[WrittenAccess]:
    """Return what stays, the stages of one principal and reason together; a NotResource word for word."""
    together: dict[tuple[int, Entry], list[KeptPiece]] = defaultdict(list)
    for one in keeps:
        together[one.statement, one.entry].append(one)
    return [
        WrittenAccess(
            number,
            entry,
            members[0].actions,
            members[0].conditions,
            members[0].resources
            if today.statements[number].statement.not_resources
            else tuple(widest(resource for one in members for resource in one.resources)),
            kept=members[0].why,
        )
        for (number, entry), members in together.items()
    ]


def _narrowed(conditions: Conditions, uses: Sequence[ApiUse]) -> Conditions:
    """Return conditions with the values that came, of those that let requests in."""
    return _with_values(conditions, uses, negated=False)


def _with_values(conditions: Conditions, uses: Sequence[ApiUse], *, negated: bool) -> Conditions:
    facts = [use.facts for use in uses]
    block: dict[str, dict[str, tuple[str, ...]]] = {}
    for operator, keys in conditions:
        name = parse_operator(operator)
        narrow = name is not None and name.operator.negated == negated and is_narrowed(name)
        for key, values in keys:
            left = values_that_came(operator, key, values, facts) if narrow else values
            block.setdefault(operator, {})[key] = left
    return conditions_of(block)


def narrowed_denies(today: ResourcePolicy, uses: Sequence[ApiUse]) -> dict[int, PrincipalStatement]:
    """Return by number the Deny statements that make exceptions for values, with those that came."""
    return {
        number: replace(
            one,
            statement=replace(
                one.statement, conditions=_with_values(one.statement.conditions, uses, negated=True)
            ),
        )
        for number, one in enumerate(today.statements)
        if one.statement.effect == "Deny"
    }


def _without_spare(
    today: ResourcePolicy, found: LetIn[ApiUse], written: list[WrittenAccess], owner: Owner
) -> list[WrittenAccess]:
    """Leave out what other parts of the policy let in as surely: whole parts, then methods of parts."""
    left, parts = list(written), SpareParts(today, found.unsure, owner)
    for place, one in enumerate(written):
        if one.kept or not _overlapped(one, left, today):
            continue
        for gone in (one.resources, *zip(one.resources)):
            fewer = tuple(resource for resource in left[place].resources if resource not in gone)
            rest = [*left[:place], replace(one, resources=fewer), *left[place + 1 :]]
            written_then = [part for part in rest if part.resources]
            if written_then and parts.is_spare(document_of(today, written_then), one.seen):
                left = rest
    return [one for one in left if one.resources]


def _overlapped(one: WrittenAccess, others: Iterable[WrittenAccess], today: ResourcePolicy) -> bool:
    """Return whether another part may let in what one does."""
    mine = Principals((one.entry,))
    return any(
        (other.entry[1] == EVERYONE or Principals((other.entry,)).contains(mine))
        and (
            _is_excluding(other, today)
            or any(arn.overlaps(a, b) for a in one.resources for b in other.resources)
        )
        for other in others
        if other is not one
    )


def _is_excluding(one: WrittenAccess, today: ResourcePolicy) -> bool:
    """Return whether a part is written with NotResource, as today's statement is."""
    return one.kept is not None and today.statements[one.statement].statement.not_resources
