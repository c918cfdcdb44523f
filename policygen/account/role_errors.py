"""The error for a role that does not exist, with names that are near."""

from __future__ import annotations

import difflib
import re

from policygen.errors import NothingFoundError
from policygen.text import sanitize

_ROLE_ARN = re.compile(r"arn:[^:]*:(?:iam|sts)::(\d{12}):(?:role|assumed-role)/")


def role_not_found(
    asked: str, account: str, names: list[str], hints: tuple[str, ...] = ()
) -> NothingFoundError:
    """Return the error for a role that does not exist.

    Args:
        asked: what the user wrote: a name or an ARN.
        account: where it was looked for, "" where unknown.
        names: the role names that exist, for "did you mean".
        hints: more hints, which come after it.
    """
    found = _ROLE_ARN.match(asked)
    if found and account and found[1] != account:  # a role of another account, whose name tells nothing here
        return NothingFoundError(
            f"no role '{sanitize(asked)}' in account {account}: it is a role of account {found[1]}",
            f"give a snapshot of account {found[1]}, or leave the snapshot out",
            *hints,
            code="PG-E310",
        )
    by_key = {name.casefold(): name for name in names}
    last = asked.rstrip("/").rpartition("/")[2].casefold()
    near = [by_key[key] for key in difflib.get_close_matches(last, by_key, n=3)]
    meant = (f"did you mean {' or '.join(sanitize(name) for name in near)}?",) if near else ()
    counted = () if near or not names else (f"the account has {len(names)} role{'s' * (len(names) > 1)}",)
    return NothingFoundError(
        f"no role named '{sanitize(asked)}' in account {account or '(unknown)'}",
        *meant,
        *counted,
        *hints,
        code="PG-E310",
        instead=(asked, near[0]) if near else None,
    )
