"""Assumptions in the logs of several accounts: read whole, or searched for the role's name."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import UsageError
from policygen.evidence.observe import ObserveOptions
from policygen.evidence.role_assumptions import AssumptionEvidence, collect_assumptions
from policygen.logs import reader
from policygen.logs.calls.counts import CallCounts
from policygen.logs.source import QuerySource, Scope
from policygen.rightsize.trust.suggest import suggest_trust
from tests.support.trust_world import ACCOUNT, TARGET, VENDOR, accounts_of, all_records

TODAY = [{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]
LOG = [
    {"by": "role/ci"},
    {"by": f"{VENDOR}:role/scanner"},
    {"by": "ec2.amazonaws.com"},
    {"by": "github:repo:acme/shop:pull_request"},
]


def write_trail(case: dict[str, Any], folder: Path) -> None:
    """Write a case as CloudTrail delivers it: files of an account, a region and an hour."""
    files = defaultdict(list)
    for one in all_records(case):
        files[one["recipientAccountId"], one["awsRegion"], one["eventTime"][:13]].append(one)
    for (account, region, hour), rows in files.items():
        day, clock = hour.split("T")
        place = folder / "AWSLogs" / account / "CloudTrail" / region / day.replace("-", "/")
        place.mkdir(parents=True, exist_ok=True)
        stamp = f"{day.replace('-', '')}T{clock}55Z"
        content = json.dumps({"Records": rows}, separators=(",", ":")).encode()
        (place / f"{account}_CloudTrail_{region}_{stamp}_aaaaaaaaaaaaaaaa.json.gz").write_bytes(
            gzip.compress(content, mtime=0)
        )


def collected(case: dict[str, Any], folder: Path) -> AssumptionEvidence:
    account = accounts_of(case)[ACCOUNT]
    return collect_assumptions([folder], account.role(TARGET), account, ObserveOptions(until="2026-11-24"))


def policy_of(case: dict[str, Any], found: AssumptionEvidence) -> str:
    accounts = accounts_of(case)
    return suggest_trust(found, accounts[ACCOUNT], accounts).policy.to_json()


def test_a_searched_trail_gives_the_same_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = {"today": TODAY, "log": LOG}
    write_trail(case, tmp_path)
    whole = collected(case, tmp_path)
    monkeypatch.setattr(reader, "MIN_CACHED_BYTES", 0)
    searched = collected(case, tmp_path)
    assert searched.events < whole.events, "nothing was searched"
    assert searched.sightings == whole.sightings
    assert policy_of(case, searched) == policy_of(case, whole)
    assert len(whole.sightings) == 5  # the vendor's in both accounts


def test_assumptions_outside_of_the_window_do_not_count(tmp_path: Path) -> None:
    case = {"today": TODAY, "log": [{"by": "role/ci", "days": 3}]}
    write_trail(case, tmp_path)
    account = accounts_of(case)[ACCOUNT]
    options = ObserveOptions(days=28, until="2026-11-24")
    found = collect_assumptions([tmp_path], account.role(TARGET), account, options)
    days = {seen.time[:10] for several in found.sightings.values() for seen in several.values()}
    assert days == {"2026-10-28"}


class Sums(QuerySource):
    """A source that adds up by itself."""

    def count_into(
        self, counts: CallCounts, role: str, scope: Scope, on_message: Callable[[str], None]
    ) -> None:
        raise AssertionError("it was read")


def test_a_source_of_sums_is_refused() -> None:
    account = accounts_of({"today": TODAY})[ACCOUNT]
    with pytest.raises(UsageError, match="single records"):
        collect_assumptions(Sums(), account.role(TARGET), account)
