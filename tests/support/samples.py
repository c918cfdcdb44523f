"""The roles of samples/: their analyses, each made once in a process."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from policygen.account.snapshot import load_snapshot
from policygen.errors import NothingFoundError
from policygen.rightsize.analysis import Analysis, analyse
from policygen.rightsize.suggestion import Suggestion
from tests.support import ROOT
from tests.support.options import analysis_options

SAMPLES = ROOT / "samples"
SCREENS = ROOT / "tests" / "cases" / "screens"
SNAPSHOT = load_snapshot(SAMPLES / "account.json")
ROLES = {
    "orders-api": True,
    "arn:aws:iam::111122223333:role/service-role/stock-sync": True,
    "report-monthly": True,
    "image-resizer": True,
    "deploy-ci": True,
    "bastion": True,
    "fulfilment-writer": False,  # it belongs to staging, of which there is no snapshot
}
SAMPLED = [(role, today) for role, known in ROLES.items() for today in (True, False) if known or not today]
WIDTH = 80


@cache
def sample(role: str, today: bool) -> Analysis:
    """The analysis of one of the samples' roles, with today's policies or without."""
    return analyse(
        [SAMPLES / "trail"], role, account=SNAPSHOT if today else None, **analysis_options(days=45)
    )


@cache
def suggestions() -> tuple[Suggestion, ...]:
    """Those of all roles of the samples that called something."""
    made = []
    for role in SNAPSHOT.roles:
        try:
            found = analyse([SAMPLES / "trail"], role.key.arn, account=SNAPSHOT, **analysis_options(days=45))
        except NothingFoundError:
            continue
        made.append(found.suggestion)
    return tuple(made)


EVERY_SAMPLE = pytest.mark.parametrize(
    ("role", "today"),
    SAMPLED,
    ids=[f"{r.split('/')[-1]}{'' if t else ', evidence alone'}" for r, t in SAMPLED],
)


def shortened(value: Any) -> Any:
    """The same with at most four elements of each list: all kinds of objects, in a tenth of the time."""
    if isinstance(value, list):
        return [shortened(one) for one in value[:4]]
    return {key: shortened(one) for key, one in value.items()} if isinstance(value, dict) else value


ONE_WORD = re.compile(
    r"\s*(?:[!?x+~=-] |why\s+|rule\s+[a-z ]+: )?(?:(?:--keep ')?[A-Za-z0-9-]+:[A-Za-z0-9*,:-]+ on )?\S+"
)
"""A line that is one name which cannot be broken, or one option to paste, after its lead."""


def too_wide(screen: str, width: int = WIDTH) -> list[str]:
    return [
        line
        for line in screen.splitlines()
        if len(line) > width
        and not re.match(r" +(?:role|action|reason) = ", line)  # what is pasted is not broken
        and not (ONE_WORD.fullmatch(line) and len(line.split()[-1]) > width - 34)
    ]
