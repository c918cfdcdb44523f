"""Calls that were seen and that today's policies do not allow, by what becomes of them: the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from policygen.rightsize.current_access import ADDABLE, POLICIES_CHANGED
from policygen.text import pluralize


class NotAllowedCall(Protocol):
    """A permission that calls asked for, and that today's policies do not allow."""

    @property
    def action(self) -> str:
        """The action, as IAM writes it."""

    @property
    def resource(self) -> str:
        """The ARN, or `*`."""

    @property
    def cause(self) -> str:
        """What may have allowed them, in the words of `policygen.rightsize.current_access`."""


Asked = TypeVar("Asked", bound=NotAllowedCall)


class Fate(NamedTuple):
    """What becomes of such calls at the next run."""

    mark: str
    """``!`` for something to act on, ``=`` for what goes on as it does today."""
    name: str
    """Two words for it, at most 12 columns."""
    says: str
    """What today's policies do to them and what becomes of them; `{}` stands for the actions and resources."""
    next_run: str
    """The same in a few words; "" where nobody knows."""
    step: str
    """What to do where the calls are needed."""


_FORBIDDEN = Fate(
    "!",
    "Denied today",
    "today's policies forbid {}: these calls will be denied at the next run, with or without this policy",
    "denied at the next run, with or without this policy",
    "allow them where today forbids them, then read the account and run this again: this policy lacks them",
)
_NOT_GRANTED = Fate(
    "!",
    "Denied today",
    "no policy that was read allows {} today: unless another one does, these calls will be denied at the next run, "
    "with or without this policy",
    "denied at the next run, with or without this policy, unless a policy that was not read allows it",
    "--add-observed",
)
_PERHAPS_ALLOWED = Fate(
    "=",
    "Not allowed",
    "today's policies of the role lack {}: not added, so these calls go on as they do today",
    "",
    "--add-observed",
)
FATES = (_FORBIDDEN, _NOT_GRANTED, _PERHAPS_ALLOWED)
"""The most serious first."""


def fate_of(cause: str) -> Fate:
    """Return what becomes of calls of which a cause is known."""
    if cause not in ADDABLE:
        return _FORBIDDEN
    return _NOT_GRANTED if cause == POLICIES_CHANGED else _PERHAPS_ALLOWED


def by_fate(missing: Sequence[Asked]) -> list[tuple[Fate, list[Asked]]]:
    """Group such permissions, the most serious first."""
    groups = [(fate, [one for one in missing if fate_of(one.cause) is fate]) for fate in FATES]
    return [(fate, some) for fate, some in groups if some]


def not_allowed_words(fate: Fate, missing: Sequence[Asked]) -> str:
    """Say what becomes of permissions that have one fate: ``today's policies forbid 1 action used on ...``."""
    actions = pluralize(len({one.action for one in missing}), "action")
    resources = pluralize(len({one.resource for one in missing}), "resource")
    return fate.says.format(f"{actions} used on {resources}")
