"""Rules for policygen.toml that answer a question about unverified permissions."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote
from typing import Literal

from policygen.iam import arn, reference
from policygen.iam.arn import service_of
from policygen.rightsize.decisions.model import PLACEHOLDER

_LINE = 72
"""Characters of a line of a rule."""
_CELL = 800
"""Most characters of a rule in one line, so that a person reads it and a spreadsheet holds it."""


def rule_text(kind: Literal["keep", "drop"], roles: Sequence[str], actions: Sequence[str], about: str) -> str:
    """Write a rule for policygen.toml about some actions of some roles; it ends with a line break.

    Its reason says what it is about, and a placeholder stands before that: whoever pastes it writes why.
    """
    role, action = _entry("role", tuple(roles)), _entry("action", tuple(actions))
    return f"[[{kind}]]\n{role}{action}{_reason(f'{PLACEHOLDER}: {about}')}\n"


def _reason(text: str) -> str:
    """Write a reason whole; one that does not fit into a line in several, which TOML joins again."""
    quoted = _quote(text)
    if len(quoted) <= _LINE - len("reason = "):
        return f"reason = {quoted}"
    lines = textwrap.wrap(quoted[1:-1], _LINE - len("   \\"), break_long_words=False, break_on_hyphens=False)
    return 'reason = """\\\n  ' + " \\\n  ".join(lines) + '"""'


def rule_line(role: str, actions: Sequence[str], about: str, elsewhere: str, account: str = "") -> str:
    """Write a rule about a role in one line, for a list of rules: ``drop = [`` before them and ``]`` after them.

    Args:
        role: the role's name.
        actions: its actions; () gives "".
        about: what it is about, which stands behind a placeholder for the reason.
        elsewhere: where the rule is that is too long for a line; then a comment says so.
        account: the role's, where a role of another account has its name; "" leaves it out.
    """
    if not actions:
        return ""
    listed = ", ".join(map(_quote, actions))
    of = f", account = {_quote(account)}" if account else ""
    reason = _quote(f"{PLACEHOLDER}: {about}")
    line = f"{{ role = {_quote(role)}{of}, action = [{listed}], reason = {reason} }},"
    return line if len(line) <= _CELL else f"# {len(actions):,} actions: {elsewhere}"


@lru_cache(maxsize=64)  # of one question to keep and to drop, and of the same one of the next role
def _entry(key: str, values: tuple[str, ...]) -> str:
    """Write one value, or a list of them, in lines that fit."""
    quoted = [*map(_quote, values)]
    listed = quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
    if len(listed) > _LINE - len(f"{key} = "):
        listed = "\n".join(["[", *_lines(quoted), "]"])
    return f"{key} = {listed}\n"


def _lines(values: Sequence[str]) -> Iterator[str]:
    """Yield the values of a list in lines that fit, each with as many as it holds and one at least."""
    line = " "
    for value in (*(f"{one}," for one in values[:-1]), values[-1]):
        if len(line) + 1 + len(value) > _LINE and line != " ":
            yield line
            line = " "
        line = f"{line} {value}"
    yield line


def exact_drops(names: Sequence[str], spared: Collection[str]) -> list[str]:
    """Return an Action pattern for each action that drops this one alone, and nothing that is needed.

    A rule stays in the file for months, so it must not match what the role is granted later.

    Args:
        names: the actions.
        spared: actions, in lower case, that are needed on other resources.
    """
    return [pattern for name in names if (pattern := _sparing(name, spared))]


def drop_patterns(names: Sequence[str], spared: Collection[str], whole: Collection[str]) -> list[str]:
    """Return patterns that drop some actions and nothing that is needed, for one run.

    Args:
        names: the actions.
        spared: as for `exact_drops`.
        whole: services of which nothing else is unverified, and nothing needed: one pattern drops all of it.
    """
    times = Counter(map(service_of, names))
    patterns = (
        f"{service}:*" if service in whole and times[service] > 1 else _sparing(name, spared)
        for name in names
        for service in (service_of(name),)
    )
    return list(dict.fromkeys(filter(None, patterns)))


def _sparing(action: str, spared: Collection[str]) -> str:
    """Return a pattern for a drop rule that spares what is needed; "" where there is none.

    A rule with an action's own name drops also what AWS's own services need of it. A pattern does not; one letter is
    left open, the last one by which the pattern matches no other action.
    """
    return _with_one_open(action) if action.lower() in spared else action


@lru_cache(maxsize=4096)  # roles need the same few actions
def _with_one_open(action: str) -> str:
    """Return a pattern with one letter open that matches no other action; "" where there is none."""
    names = reference.action_names(service_of(action))
    for i in reversed(range(action.index(":") + 1, len(action))):
        pattern = f"{action[:i]}?{action[i + 1 :]}"
        if sum(arn.action_matches(pattern, name) for name in names) == 1:
            return pattern
    return ""
