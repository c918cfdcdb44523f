"""What the public functions take, turned into what the stages take: logs, account, decisions, workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypedDict

from msgspec.structs import replace

from policygen.account.function_code import read_code
from policygen.account.model import Account
from policygen.account.snapshot import load_snapshot
from policygen.errors import UsageError
from policygen.evidence.function_role import role_of_function
from policygen.logs.reader import ReadOptions
from policygen.logs.registry import AwsOptions, open_source
from policygen.logs.source import Source
from policygen.rightsize.decisions.load import load_decisions, with_flags
from policygen.rightsize.decisions.model import Decisions, Unverified
from policygen.rightsize.generate.generalise import Mode
from policygen.rightsize.suggestion import SuggestOptions

Paths = str | Path | Sequence[str | Path]
"""A file, a folder or a URL, or several."""


def paths_of(paths: Paths) -> list[str | Path]:
    """Return one or several paths as a list."""
    return [paths] if isinstance(paths, str | Path) else list(paths)


def read_options_of(executor: Executor | None) -> ReadOptions:
    """Return options for an executor of many workers: an executor does not tell how many it has."""
    return ReadOptions(executor, max_in_flight=32)


def source_of(
    logs: Paths | Source,
    *,
    profile: str = "",
    region: str = "",
    max_scan: int | None = None,
    verify_digests: bool = False,
    public_keys: str | Path | None = None,
) -> Source:
    """Open the logs.

    Raises:
        UsageError: PG-E234, public keys without digests to check; what opening raises.
    """
    if public_keys and not verify_digests:
        raise UsageError(
            "public_keys without verify_digests: there is nothing to check with them",
            "give both, or neither",
            code="PG-E234",
        )
    source = open_source(
        logs if isinstance(logs, Source) else paths_of(logs), AwsOptions(profile, region, max_scan)
    )
    if not verify_digests:
        return source
    from policygen.logs.verify.verified_source import verify_source

    return verify_source(source, Path(public_keys) if public_keys else None, _ignore)


def account_of(
    snapshot: str | Path | Account | None,
    role: str,
    *,
    live: bool = False,
    profile: str = "",
    region: str = "",
    last_accessed: bool = True,
    inventory: bool = True,
    code: Paths = (),
) -> Account | None:
    """Return the account from its snapshot, or read what it has of a role; None for neither.

    Raises:
        UsageError: PG-E208, both are given; PG-E266, there is code, and no account whose functions it could be of.
        PolicygenError: what reading them raises.
    """
    if live and snapshot:
        raise UsageError("snapshot and live cannot be used together", "give one of them", code="PG-E208")
    account = load_snapshot(snapshot) if isinstance(snapshot, str | Path) else snapshot
    if live:
        from policygen.account.aws_session import open_session
        from policygen.account.live import read_role

        account = read_role(
            role,
            open_session(profile or None, region or None),
            on_message=_ignore,
            last_accessed=last_accessed,
            resources=inventory,
        )
    if not code:
        return account
    if account is None:
        raise UsageError(
            "code needs the account, to know the role of each function",
            "add snapshot=FILE, or live=True",
            code="PG-E266",
        )
    return replace(account, code=read_code([str(one) for one in paths_of(code)]))


def role_named(role: str, account: Account | None) -> str:
    """Return the role that a person named, or the ARN of the role as which a function of that name runs."""
    return (role_of_function(account, role) if account else "") or role


class Writing(TypedDict, total=False):
    """How to write a policy: what `policygen.suggest` takes for it, under the same names."""

    policy_name: str
    add_observed: bool
    resources: Mode
    opened: Collection[str]
    exact: Collection[str]
    keep: Collection[str]
    drop: Collection[str]
    decisions: str | Path | Decisions | None
    unverified: Unverified | None


def suggest_options(
    *,
    decisions: str | Path | Decisions | None = None,
    keep: Collection[str] = (),
    drop: Collection[str] = (),
    policy_name: str = "policygen",
    add_observed: bool = False,
    resources: Mode = "auto",
    opened: Collection[str] = (),
    exact: Collection[str] = (),
    unverified: Unverified | None = None,
) -> SuggestOptions:
    """Return the options, with the decisions of a file and those that are given one by one.

    Raises:
        UsageError: PG-E360 to PG-E366, decisions cannot be read or contradict each other.
    """
    found = load_decisions(Path(decisions)) if isinstance(decisions, str | Path) else decisions
    decided = with_flags(found or Decisions(), keep, drop) if found or keep or drop else None
    return SuggestOptions(
        name=policy_name,
        add_observed=add_observed,
        resources=resources,
        opened=opened,
        exact=exact,
        decisions=decided,
        unverified=unverified,
    )


_ignore: Callable[[str], None] = lambda _: None  # noqa: E731
