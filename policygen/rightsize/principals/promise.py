"""Promises about finished policies, and those that are the same for every policy that names principals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from policygen.errors import GateError
from policygen.iam.party import Principals
from policygen.iam.resource_policy import PrincipalStatement, ResourcePolicy, not_inside
from policygen.text import escape_controls, pluralize

SHOWN = 3
"""Counter-examples that a promise lists."""


class Promise(msgspec.Struct, frozen=True):
    """One promise: whether it holds, what was found, and counter-examples."""

    name: str
    held: bool
    finding: str
    counter_examples: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the promise as plain values."""
        return {
            "promise": self.name,
            "held": self.held,
            "finding": self.finding,
            "counter_examples": list(self.counter_examples),
        }


def promise(name: str, broken: Sequence[str], kept: str, not_kept: str) -> Promise:
    """Return a promise that holds without counter-examples.

    Args:
        name: of the promise.
        broken: the counter-examples.
        kept: what was found, where it holds.
        not_kept: what was found, where it does not.
    """
    return Promise(name, not broken, not_kept if broken else kept, tuple(broken[:SHOWN]))


def never_wider(finished: ResourcePolicy, today: ResourcePolicy) -> Promise:
    """Return whether a finished policy allows nothing that today's does not allow."""
    beyond = [shown_statement(one) for one in not_inside(finished, today)]
    return promise(
        "never wider",
        beyond,
        "allows nothing that today's policy does not allow",
        f"{pluralize(len(beyond), 'statement')} not proven to be inside today's",
    )


def shown_statement(statement: PrincipalStatement) -> str:
    """Return what a statement grants, in words."""
    names = Principals(statement.principals.entries).entries
    return f"{', '.join(statement.statement.actions)} by {', '.join(name for _, name in names)}"


def require_promises(policy: str, promises: Iterable[Promise]) -> None:
    """Raise an error unless every promise holds.

    Args:
        policy: what it is about, ``the trust policy for deploy-ci``.
        promises: the promises.

    Raises:
        GateError: PG-E401.
    """
    failed = [one for one in promises if not one.held]
    if failed:
        raise GateError(
            f"{escape_controls(policy)} breaks the promise {failed[0].name!r}: {failed[0].finding}",
            *(escape_controls(example) for one in failed for example in one.counter_examples),
            "no policy was written; this is a fault of policygen, please report it with these lines",
            code="PG-E401",
        )
