"""Whose traces and code are, where several accounts are known: a name that fits in two of them belongs to nobody."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from policygen.account.function_code import FunctionCode
from policygen.account.model import Account, Accounts
from policygen.evidence.traced import TraceOwners
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls, count_in
from policygen.logs.traces.read import Traces
from policygen.logs.traces.traced_call import Caller

SEVERAL = "several accounts"
"""Stands for the account of a caller whose name fits in more than one: it is no account's."""


def traces_of_accounts(traces: Traces, accounts: Accounts) -> Traces:
    """Return traces in which each caller that a name alone tells has its account, as far as only one can be meant."""
    if len(accounts) < 2:
        return traces
    owners = {
        account_id: TraceOwners(account, RoleKey(account_id, "", "", ""))
        for account_id, account in accounts.items()
    }

    def told(caller: Caller) -> Caller:
        fits = [account_id for account_id, one in owners.items() if one.owner(caller)]
        account = fits[0] if len(fits) == 1 else SEVERAL if fits else caller.account
        return caller._replace(account=account)

    calls: dict[Caller, Calls] = {}
    for caller, own in traces.calls.items():
        theirs = calls.setdefault(caller if caller.account else told(caller), {})
        for bucket, seen in own.items():
            count_in(theirs, bucket, seen)
    return replace(traces, calls=calls)


def code_of_accounts(
    codes: Iterable[FunctionCode], accounts: Accounts
) -> tuple[tuple[FunctionCode, ...], list[str]]:
    """Return the analyses of code that are of one account's functions at most, and a sentence for each other one."""
    kept, sentences = [], []
    for code in codes:
        fits = [account for account in accounts.values() if _is_of(code, account)]
        if len(fits) < 2:
            kept.append(code)
        else:
            name = code.role or code.function
            why = f"{name} is in {len(fits)} accounts; its ARN tells which is meant"
            sentences.append(f"code: {code.file} not counted, because {why}")
    return tuple(kept), sentences


def _is_of(code: FunctionCode, account: Account) -> bool:
    """Return whether the account has what an analysis says it is of: a role, or a function."""
    if code.role:
        named = code.role.casefold()
        return any(named in {one.name.casefold(), one.key.arn.casefold()} for one in account.roles)
    return any(code.is_of(one) for one in (*(account.functions or ()), *(account.versions or ())))
