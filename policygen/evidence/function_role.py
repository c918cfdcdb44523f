"""Find the role of a Lambda function, where the user names the function: in the account, or in the logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from policygen.account.model import Account, unqualified
from policygen.errors import NothingFoundError, UsageError
from policygen.evidence.role import names_caller, parse_role
from policygen.iam.request import RoleKey
from policygen.logs.chunk import ReadRequest
from policygen.logs.events.record import UserIdentity
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.source import QuerySource, RecordFilter, Source, Wanted
from policygen.text import escape_controls

_FUNCTION_ARN = re.compile(r"arn:[^:]+:lambda:[^:]+:\d{12}:function:(?P<name>[\w-]+)(:[\w$-]+)?", re.ASCII)


def is_function_arn(text: str) -> bool:
    """Return whether a text is the ARN of a Lambda function, or of a version or alias of it."""
    return bool(_FUNCTION_ARN.fullmatch(text))


def role_of_function(account: Account, text: str) -> str:
    """Return the ARN of the role as which a function of the account runs; "" where no function is named so.

    A role of that name comes first: there is nothing to look for then.

    Args:
        account: the account as it is.
        text: what the user wrote: the name of a role or of a function, or an ARN.

    Raises:
        UsageError: PG-E239, functions of that name run as several roles.
        NothingFoundError: PG-E313, the ARN of a function that the account does not have.
    """
    found = _FUNCTION_ARN.fullmatch(text)
    name = found["name"] if found else text
    if not found and any(role.name.casefold() == name.casefold() for role in account.roles):
        return ""
    functions = [
        function
        for function in account.functions or ()
        if function.name == name and not (found and function.unqualified != unqualified(text))
    ]
    if found and not functions:
        raise NothingFoundError(
            f"no function {escape_controls(text)!r} in account {account.account_id or '(unknown)'}",
            "the account was read without functions"
            if account.functions is None
            else "give its role in place of it",
            code="PG-E313",
        )
    return _only(text, {function.role_arn for function in functions})


def role_in_logs(source: Source, text: str, read: ReadOptions | None = None) -> str:
    """Return the ARN of the role with whose credentials a function called; "" where the logs have no call of it.

    Args:
        source: the logs; only files are read again, for records with the function's name.
        text: the function's name or ARN.
        read: how to read them.

    Raises:
        UsageError: PG-E239, functions of that name run as several roles.
    """
    if (
        isinstance(source, QuerySource) or source.remote
    ):  # reading a whole trail again would take long, and cost
        return ""
    found = _FUNCTION_ARN.fullmatch(text)
    name = found["name"] if found else text
    search = RecordFilter(Wanted(f"calls of function {name}", partial(_calls_as, name)))
    calls = read_source(source, ReadRequest(_any_role, search=search), options=read).counts.calls
    whole = unqualified(text) if found else ""
    roles = {
        role.arn or role.name
        for role, buckets in calls.items()
        if any(_is(bucket.user.function, name, whole) for bucket in buckets)
    }
    return _only(text, roles)


def accounts_in_logs(source: Source, text: str, read: ReadOptions | None = None) -> list[str]:
    """Return the accounts whose role of that name the logs have; [] for a source that is not files.

    Args:
        source: the logs; only files are read again.
        text: the role's name or ARN.
        read: how to read them.

    Raises:
        UsageError: PG-E203, neither of them.
    """
    wanted = parse_role(text)
    if isinstance(source, QuerySource) or source.remote:
        return []
    request = ReadRequest(wanted.matches, search=wanted.record_filter)
    return sorted({role.account for role in read_source(source, request, options=read).counts.calls} - {""})


def _any_role(_: RoleKey) -> bool:
    return True


def _calls_as(name: str, who: UserIdentity) -> bool:
    """Return whether a caller may be a function of a name."""
    issued_to = who.inScopeOf.credentialsIssuedTo if who.inScopeOf else None
    return name in (issued_to or "") or names_caller(name.lower(), who)


def _is(function: str, name: str, whole: str) -> bool:
    """Return whether what the logs name as a function is the one: by its ARN, or by its name alone."""
    if is_function_arn(function):
        return unqualified(function) == whole if whole else function.split(":")[6] == name
    return function == name


def _only(text: str, roles: Iterable[str]) -> str:
    found = sorted(roles)
    if len(found) > 1:
        raise UsageError(
            f"function {escape_controls(text)[:80]!r} runs as {len(found)} roles",
            f"give one of them: {', '.join(found[:5])}",
            code="PG-E239",
            instead=(text, found[0]),
        )
    return found[0] if found else ""
