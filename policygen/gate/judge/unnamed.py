"""Policies of which nobody can tell for whom they are: what they grant is accepted, or named for a role."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from policygen.gate.findings import RULES, Finding
from policygen.gate.scope import beside, scopes
from policygen.iam.document import Policy, Statement, deny_statements
from policygen.iam.locations import Location

_NAMED = 3
"""Actions that a finding names; the rest is counted."""
_FIX = "name it in `policy` of the [[role]] that gets it, or accept it in a baseline"


def policies_of_nobody(file: str, policies: Sequence[Policy]) -> Finding:
    """Return the finding about the policies of a file: whoever accepts it accepts what they grant, and no more.

    Args:
        file: its name, for people.
        policies: what it holds.
    """
    allowed = [one for policy in policies for one in policy.statements if one.effect == "Allow"]
    denies = beside(json.dumps(one.to_dict()) for one in deny_statements(policies))
    names = list(dict.fromkeys(name for one in allowed for name in _names(one)))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    about = tuple((f"{file} {name}", f"{where}{denies}") for one in allowed for name, where in _granted(one))
    return Finding(
        RULES["PG112"],
        ", ".join(names[:_NAMED]) + more if names else "nothing",
        "nobody can tell which role gets it",
        _FIX,
        file,
        Location(1, 1),
        key=file,
        about=about,
    )


def untold_policies(file: str, reason: str) -> Finding:
    """Return the finding about a file whose policies cannot be read, all of them or some."""
    message = f"it seems to hold policies, and nobody can tell all that it grants: {reason}"
    fix = "name it in `policy` of a [[role]] and mend what is told there, or accept it in a baseline"
    return Finding(RULES["PG112"], "not read", message, fix, file, Location(1, 1), key=file)


def _names(statement: Statement) -> Sequence[str]:
    listed = statement.actions
    return [f"everything but {', '.join(listed)}"] if statement.not_actions else listed


def _granted(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield what a statement grants, each with where; of a NotAction the statement, since less of it is more."""
    if statement.not_actions:
        yield "NotAction", json.dumps(statement.to_dict())
        return
    resources = statement.resources
    excluded = resources if statement.not_resources else ()
    for where in scopes(resources, excluded, statement.conditions):
        yield from ((action, where) for action in statement.actions)
