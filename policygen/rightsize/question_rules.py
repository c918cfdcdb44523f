"""Rules for policygen.toml that answer a question about unverified permissions."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from policygen.iam import reference
from policygen.iam.arn import service_of

_LINE = 72
"""Characters of a line of a rule."""


def rule_text(kind: Literal["keep", "drop"], role: str, actions: Sequence[str], reason: str) -> str:
    """Write a rule for policygen.toml about some actions of a role; it ends with a line break."""
    quoted = [json.dumps(action) for action in actions]
    listed = quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
    if len(listed) > _LINE - len("action = "):
        lines = textwrap.wrap(
            ", ".join(quoted), _LINE, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
        listed = "\n".join(["[", *lines, "]"])
    short = textwrap.shorten(reason, _LINE - len('reason = ""'), placeholder=" ...")
    return f"[[{kind}]]\nrole = {json.dumps(role)}\naction = {listed}\nreason = {json.dumps(short)}\n"


def drop_patterns(names: Sequence[str], spared: Collection[str], whole: Collection[str]) -> list[str]:
    """Return patterns that drop some actions and nothing that is needed.

    Args:
        names: the actions.
        spared: actions, in lower case, that are needed on other resources.
        whole: services of which nothing else is unverified: one pattern drops all of it.
    """
    times = Counter(map(service_of, names))
    patterns = (
        f"{service}:*" if service in whole and times[service] > 1 else _sparing(name, spared)
        for name in names
        for service in (service_of(name),)
    )
    return list(dict.fromkeys(patterns))


def _sparing(action: str, spared: Collection[str]) -> str:
    """Return a pattern for a drop rule that spares what is needed.

    A rule with an action's own name drops also what AWS's own services need of it. A pattern does not; the last letter
    is left open, unless that would match another action.
    """
    if action.lower() not in spared:
        return action
    pattern, service = f"{action[:-1]}?", service_of(action)
    stem = pattern[:-1].lower()
    alike = [
        name
        for name in reference.action_names(service)
        if len(name) == len(pattern) and name.lower().startswith(stem)
    ]
    return pattern if len(alike) == 1 else f"{action}*"
