"""No permission that is needed goes: a search over random accounts of which it is known what the role needs.

`tests/support/absence_world.py` makes the accounts, `tests/support/absence_judge.py` judges them. The search must also
find each fault that was once there, when it is put back: a search that finds nothing proves nothing by itself.
`bench/absence_search.py` does the same with thousands of roles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from policygen.catalog.sdk_names import operation_key
from policygen.evidence.coverage import last_accessed, observability, role_report
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.last_accessed import LastAccessedFinding, Sightings
from policygen.evidence.coverage.observability import AbsenceVerdict
from policygen.rightsize import propose
from policygen.rightsize.generate import wildcards
from policygen.rightsize.keep import retain, unobservable
from policygen.rightsize.keep.model import Keep
from policygen.rightsize.keep.witnesses import code
from policygen.rightsize.keep.witnesses.code import CodeReach
from tests.judges.iam_simulate.judge import available, judge
from tests.support.absence_judge import judged, right_sized, search
from tests.support.decide_world import decide_world
from tests.support.effort import MORE, THOROUGH

SEEDS = [str(number) for number in range((300 if THOROUGH else 20) * MORE)]


def test_no_permission_goes_that_the_evidence_tells_of() -> None:
    losses, rows, _ = search(SEEDS)
    assert losses == []
    assert len(rows) > len(SEEDS)
    if available():
        assert [one for one, answer in zip(rows, judge(rows), strict=True) if answer != "ALLOWED"] == []


def test_no_permission_goes_without_a_report_either() -> None:
    losses, _, _ = search(SEEDS[::2], with_report=False)
    assert losses == []


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_a_report_takes_away_only_what_it_has_no_attempt_at(seed: str) -> None:
    told, untold = decide_world(seed), decide_world(seed)
    untold.reported = None
    before, after = (_kept(one) for one in (untold, told))
    rules = _rules_of_removals(told)
    rows = {row["ServiceNamespace"]: row for row in told.report().get("ServicesLastAccessed", ())}
    for action in before - after:
        if (
            rules.get(action) != "last-accessed"
        ):  # a witness knows more by what the report tells of other actions
            continue
        service, _, name = action.partition(":")
        tracked = {one["ActionName"]: one for one in rows[service].get("TrackedActionsLastAccessed", ())}
        if name in tracked:
            assert "LastAccessedTime" not in tracked[name], action
        else:
            assert "LastAuthenticated" not in rows[service], action


def _kept(world: Any) -> set[str]:
    result = right_sized(world)
    if not result.texts:
        return set()
    return {keep["action"] for keep in json.loads(result.texts["plan"])["keeps"]}


def _rules_of_removals(world: Any) -> dict[str, str]:
    changes = json.loads(right_sized(world).texts["plan"])["changes"]
    return {one["action"]: one["decided_by"]["rule"] for one in changes if "decided_by" in one}


# --- Each fault that was once there, put back ------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def _every_region_is_tracked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(role_report, "untracked_region", lambda *_: "")


def _what_iam_saw_before_the_window_goes(patch: pytest.MonkeyPatch) -> None:
    patch.delitem(unobservable._USED, "used_outside")


def _what_has_no_known_event_goes(patch: pytest.MonkeyPatch) -> None:
    rule = Coverage.absence

    def planted(self: Coverage, action: str, resource: str, min_days: int) -> AbsenceVerdict:
        found = rule(self, action, resource, min_days)
        hidden = found.blind_spot is not None and found.blind_spot.id == "no-event"
        return AbsenceVerdict(None, "the role never used its service") if hidden else found

    patch.setattr(Coverage, "absence", planted)


def _what_no_report_lists_counts_as_listed(patch: pytest.MonkeyPatch) -> None:
    rule = observability.visibility_with
    patch.setattr(observability, "visibility_with", lambda action, _: rule(action, {action.lower()}))


def _a_role_without_events_is_unused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("policygen.all_roles.rightsize_role.is_used_unseen", lambda *_: False)
    patch.setattr("policygen.all_roles.rightsize_role.use_seen_by_iam", lambda *_: "")


def _iam_counts_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(last_accessed, "is_counted", lambda _: True)


def _any_event_of_the_service_explains_an_attempt(patch: pytest.MonkeyPatch) -> None:
    rule = last_accessed.last_accessed_finding

    def planted(action: str, last: Any, window: Any, seen: Sightings, **more: Any) -> LastAccessedFinding:
        class Anywhere(frozenset[tuple[str, str]]):
            """Sightings that hold every day and region."""

            def __iter__(self) -> Any:
                days = [(one.time[:10], one.region) for one in role_report.attempts(last)]
                return iter(days) if len(self) else iter(())

        return rule(action, last, window, {name: Anywhere(places) for name, places in seen.items()}, **more)

    patch.setattr(role_report, "last_accessed_finding", planted)


def _configuration_settles_what_was_not_visible(patch: pytest.MonkeyPatch) -> None:
    def planted(platform: Iterable[Keep], *_: object) -> frozenset[str]:
        polled = {"sqs", "logging"}
        return frozenset(keep.grant.action for keep in platform if keep.feature in polled)

    patch.setattr(retain, "_settled_actions", planted)


def _what_comes_along_with_unseen_calls_goes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(unobservable._KeepBuilder, "_carried", lambda *_: None)


def _unread_regions_are_taken_for_quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retain, "unread_regions", lambda *_: {})


def _a_policy_that_does_not_fit_is_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wildcards.Patterns, "written", lambda self, *_, **__: self.grants)
    patch.setattr(propose, "wider_keeps", lambda _, kept, *__: [kept])


def _code_asks_only_for_what_its_calls_are_named_after(patch: pytest.MonkeyPatch) -> None:
    def planted(self: CodeReach, action: str) -> bool:
        return operation_key(action.partition(":")[2]) in self.operations

    patch.setattr(CodeReach, "asks_for", planted)


def _code_that_is_not_whole_decides(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(code, "_is_whole", lambda _: True)


def _code_speaks_of_what_no_sdk_asks_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(code, "_is_asked_by_code_alone", lambda _: True)


FAULTS: Mapping[Plant, str] = {
    _every_region_is_tracked: "39",
    _what_iam_saw_before_the_window_goes: "0",
    _what_has_no_known_event_goes: "5",
    _what_no_report_lists_counts_as_listed: "5",
    _a_role_without_events_is_unused: "18",
    _iam_counts_everything: "2",
    _any_event_of_the_service_explains_an_attempt: "983",
    _configuration_settles_what_was_not_visible: "34",
    _what_comes_along_with_unseen_calls_goes: "383",
    _unread_regions_are_taken_for_quiet: "1504",
    _a_policy_that_does_not_fit_is_refused: "155",
    _code_asks_only_for_what_its_calls_are_named_after: "1700",
    _code_that_is_not_whole_decides: "222",
    _code_speaks_of_what_no_sdk_asks_for: "7",
}
"""A fault -> the account in which it takes a needed permission away."""


_SLOW = pytest.mark.skipif(not THOROUGH, reason="a policy of twenty thousand permissions takes half a minute")


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(
            one,
            id=one.__name__.strip("_"),
            marks=[_SLOW] if one is _a_policy_that_does_not_fit_is_refused else [],
        )
        for one in FAULTS
    ],
)
def test_the_search_finds_a_fault_that_is_put_back(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(FAULTS[plant]).losses == []
    plant(monkeypatch)
    assert judged(FAULTS[plant]).losses
