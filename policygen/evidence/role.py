"""Find the role that the user named, by name or ARN, among accounts, paths and re-created roles of the same name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache, partial

import msgspec

from policygen.catalog.known_event import may_pass_role
from policygen.catalog.learning import learn_rules
from policygen.errors import NothingFoundError, UsageError
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls, count_in
from policygen.logs.calls.counts import CallCounts
from policygen.logs.calls.totals import CHANGE_EVENTS, LATE
from policygen.logs.events.record import SessionIssuer, UserIdentity
from policygen.logs.source import RecordFilter, Wanted
from policygen.text import escape_controls

_ROLE_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):iam::(?P<account>\d{12}):role/(?P<path>.*/)?(?P<name>[^/]+)"
)
_SESSION_ARN = re.compile(r"arn:[^:]+:sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)(/.*)?")


class RoleSelector(msgspec.Struct, frozen=True):
    """A role as the user named it; "" for a part that was not given."""

    name: str
    account: str = ""
    arn: str = ""

    def matches(self, role: RoleKey) -> bool:
        """Return whether a role of the logs is the one named. Names differ in more than case (1.3.8)."""
        if role.name.lower() != self.name.lower():
            return False
        if self.account and role.account != self.account:
            return False
        # A record without the path cannot contradict it (1.3.1).
        return not (self.arn and role.arn) or role.arn.lower() == self.arn.lower()

    @property
    def record_filter(self) -> RecordFilter:
        """Which records matter for the role, so that the others need not be counted one by one.

        In its own account's log these are records of its name, changes of trails and changes of functions' code
        (`CHANGE_EVENTS`), and records that tell what others leave out of a name (`learning`). In another account's log
        they are copies of calls, which have an id instead of a name (1.4.3). Any record may name its role by id alone.
        """
        own = Wanted(f"calls of {self.name}", partial(_may_be, self.name.lower()), told_texts)
        return RecordFilter(own, Wanted("copies of calls", _has_no_name), self.account)


def changes_what_logs_show(source: str, name: str) -> bool:
    """Return whether an event is a change of a trail, or of a function's code."""
    changes = CHANGE_EVENTS.get(source)
    return bool(changes and re.fullmatch(changes, name))


@lru_cache(maxsize=8192)
def told_texts(source: str, name: str) -> tuple[bytes, ...]:
    """Return texts one of which an event holds that changes what the logs show, or may complete a name of others.

    The empty text is in any; an event that tells nothing has none.
    """
    if changes_what_logs_show(source, name) or may_pass_role(source, name):
        return (b"",)
    return tuple(rule.text for rule in learn_rules(source, name))


def names_caller(name: str, who: UserIdentity) -> bool:
    """Return whether the role, or the session, of a caller may have a name; it is given in lower case."""
    issuer = (who.sessionContext and who.sessionContext.sessionIssuer) or _NO_ISSUER
    return name in f"{who.arn} {who.userName} {issuer.arn} {issuer.userName}".lower()


_NO_ISSUER = SessionIssuer()


def _may_be(name: str, who: UserIdentity) -> bool:
    return names_caller(name, who) or _is_nameless(who)


def _has_no_name(who: UserIdentity) -> bool:
    return _is_copy(who) or _is_nameless(who)


def _is_copy(who: UserIdentity) -> bool:
    """Return whether a record is the copy of another account's role's call (1.4.3)."""
    return who.type == "AWSAccount" and (who.principalId or "").startswith("AROA")


def _is_nameless(who: UserIdentity) -> bool:
    """Return whether a record of a session names its role by id alone: any field may be missing (1.3)."""
    if who.arn or who.type != "AssumedRole":
        return False
    issuer = who.sessionContext.sessionIssuer if who.sessionContext else None
    return not (issuer and (issuer.userName or issuer.arn))


def parse_role(text: str) -> RoleSelector:
    """Read a role's name or ARN, of the role itself or of a session.

    Raises:
        UsageError: PG-E203, neither of them.
    """
    if found := _ROLE_ARN.fullmatch(text):
        return RoleSelector(found["name"], found["account"], text)
    if found := _SESSION_ARN.fullmatch(text):
        return RoleSelector(found["name"], found["account"])
    name = text.rsplit("/", 1)[-1]
    if not re.fullmatch(r"[\w+=,.@-]{1,64}", name, re.ASCII):
        raise UsageError(
            f"not a role's name or ARN: {escape_controls(text)[:120]!r}",
            "for example orders-api, or arn:aws:iam::111122223333:role/service-role/orders-api",
            code="PG-E203",
        )
    return RoleSelector(name)


class Predecessor(msgspec.Struct, frozen=True):
    """A deleted role of the same name (1.3.6), whose calls do not count for the role."""

    role: RoleKey
    events: int
    last: str


class ResolvedRole(msgspec.Struct, frozen=True):
    """The role, its calls, and deleted roles of the same name."""

    role: RoleKey
    calls: Calls
    predecessors: tuple[Predecessor, ...]


def matching_roles(counts: CallCounts, wanted: RoleSelector, current: RoleKey | None) -> dict[RoleKey, Calls]:
    """Return the calls of the roles that may be the one that the user named; arguments as for `resolve_role`.

    Where the account is known, a role of that name in another account is not meant.
    """
    return {
        role: calls
        for role, calls in counts.calls.items()
        if wanted.matches(role) and not (current and role.account not in {current.account, ""})
    }


def resolve_role(
    counts: CallCounts, wanted: RoleSelector, current: RoleKey | None = None, *, may_be_unseen: bool = False
) -> ResolvedRole:
    """Find the role that the user named.

    Args:
        counts: all calls read, copies from other accounts resolved.
        wanted: what the user named.
        current: the role as it is in the account today, if known; its account and its id decide between roles of the
            same name.
        may_be_unseen: whether a current role without any call is found all the same.

    Raises:
        UsageError: PG-E204, the name fits roles of several accounts, and it is not known which of them is meant.
        NothingFoundError: PG-E310, no such role in the logs.
    """
    found = matching_roles(counts, wanted, current)
    accounts = sorted({role.account for role in found} | ({current.account} if current else set()))
    if len(accounts) > 1:
        arns = [_arn_of(found, account, wanted.name) for account in accounts]
        raise UsageError(
            f"role {wanted.name!r} is in {len(accounts)} accounts: {', '.join(accounts)}",
            f"give its ARN: {', '.join(arns)}",
            code="PG-E204",
            instead=(wanted.name, arns[0]),
        )
    if not found and current and may_be_unseen:
        return ResolvedRole(current, {}, ())
    if not found:
        raise _no_role(counts, wanted)
    groups = _by_identity(found)
    ranked = sorted(groups.values(), key=lambda one: (_last(one[1]), one[0]), reverse=True)
    if current and current.role_id:
        ranked.sort(key=lambda one: one[0].role_id != current.role_id)
        if ranked[0][0].role_id not in {current.role_id, ""}:
            raise NothingFoundError(
                f"no call by {wanted.name} as it is today ({current.role_id})",
                f"the logs have only calls of a deleted role of the same name ({ranked[0][0].role_id}), "
                f"the last {_last(ranked[0][1])}",
                "no policy was written: another role's calls are no evidence for this one",
                code="PG-E311",
            )
    role, calls = ranked[0]
    before = tuple(
        Predecessor(other, sum(e.count for e in theirs.values()), _last(theirs))
        for other, theirs in ranked[1:]
    )
    return ResolvedRole(_complete(role, current), calls, before)


def _complete(role: RoleKey, current: RoleKey | None) -> RoleKey:
    if current is None:
        return role
    return RoleKey(
        role.account or current.account,
        role.role_id or current.role_id,
        current.arn or role.arn,
        current.name,
    )


def _by_identity(found: dict[RoleKey, Calls]) -> dict[tuple[str, str], tuple[RoleKey, Calls]]:
    """Group roles by id; records without an id join the only role of that name, if there is one."""
    groups: dict[tuple[str, str], tuple[RoleKey, Calls]] = {}
    ids = {role.role_id for role in found if role.role_id}
    only = next(iter(ids)) if len(ids) == 1 else ""
    for role in sorted(found, key=lambda r: (not r.arn, r)):
        key = (role.account, role.role_id or only)
        if key in groups:
            first, calls = groups[key]
            groups[key] = (first, _merge(calls, found[role]))
        else:
            groups[key] = (role, found[role])
    return groups


def _merge(a: Calls, b: Calls) -> Calls:
    merged = dict(a)
    for key, evidence in b.items():
        count_in(merged, key, evidence)
    return merged


def _last(calls: Calls) -> str:
    return max((evidence.last for evidence in calls.values()), default="")


def _arn_of(roles: Iterable[RoleKey], account: str, name: str) -> str:
    arns = sorted(role.arn for role in roles if role.account == account and role.arn)
    return arns[0] if arns else f"arn:aws:iam::{account}:role/{name}"


def _no_role(counts: CallCounts, wanted: RoleSelector) -> NothingFoundError:
    names = sorted({role.name for role in counts.totals.roles if role.name})
    near = {role.name for role in counts.totals.roles if wanted.account in {role.account, ""}} - {""}
    # A role of this name that an ARN does not fit has another path or account.
    # A role of another account than the one asked for is never meant.
    close = sorted(
        {
            role.arn
            for role in counts.totals.roles
            if role.arn and role.name.lower() == wanted.name.lower() and wanted.account in {role.account, ""}
        }
    )[:3] or difflib.get_close_matches(wanted.name, sorted(near), n=3, cutoff=0.6)
    where = f" in account {wanted.account}" if wanted.account else ""
    hints = [f"did you mean {' or '.join(close)}?"] if close else []
    if elsewhere := sorted(
        {role.account for role in counts.totals.roles if role.name.lower() == wanted.name.lower()}
        - {wanted.account}
    ):
        hints.append(f"the logs have a role of that name in account {', '.join(elsewhere)}")
    if after := counts.totals.ignored[LATE]:
        hints.append(f"left out, because after --until: {after:,} record{'s' * (after > 1)}")
    if names:
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        hints.append(f"read {_records(counts)}, with these roles: {shown}")
    elif not after:
        hints.append(f"read {_records(counts)}, none of them by a role")
    hints.append("no policy was written: an empty one would be a guess, not a finding")
    return NothingFoundError(
        f"no call by a role named {wanted.name!r}{where} in the logs",
        *hints,
        code="PG-E310",
        instead=(wanted.arn or wanted.name, close[0]) if close else None,
    )


def _records(counts: CallCounts) -> str:
    return f"{counts.totals.records:,} record{'' if counts.totals.records == 1 else 's'}"
