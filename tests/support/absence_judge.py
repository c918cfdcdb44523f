"""Judge what a suggestion takes away from a role of which it is known what it needs.

A need must stay where any evidence can tell of it: an event that was read; a blind spot, since "not seen" never means
"not used"; or IAM's last-accessed report. What was used only in files that nobody handed over, or before the window,
and of which no report tells, cannot be known and is not judged.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from policygen.account.snapshot import to_account
from policygen.all_roles.rightsize_role import BatchSettings, Result, right_size
from policygen.all_roles.select import RoleFilter, targets
from policygen.evidence.observe import ObserveOptions
from policygen.iam.document import parse_policy
from policygen.iam.evaluate import Evaluator
from policygen.iam.request import AccessRequest
from policygen.logs.calls.counts import CallCounts, no_role
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import read_source
from policygen.logs.registry import open_source
from policygen.logs.window import limit_of
from policygen.rightsize.suggestion import SuggestOptions
from tests.judges.iam_simulate.judge import row as judge_row
from tests.support.absence_world import DAYS, Use, World
from tests.support.decide_world import FOREIGN, decide_world


class Loss(NamedTuple):
    """A needed permission that is gone, or a false word about the role."""

    seed: str
    what: str
    region: str
    why: str
    """How it is known that the role needs it."""


class Verdict(NamedTuple):
    """What became of one role."""

    losses: list[Loss]
    rows: list[dict[str, Any]]
    """Questions to the outside judge, all of which it must answer with ALLOWED."""
    undecided: int
    """Actions kept as unknown."""
    outcome: str
    """The word of the batch."""


def judged(seed: str, *, with_report: bool = True) -> Verdict:
    """Make an account, let policygen right-size its role, and judge what it needs."""
    world = decide_world(seed)
    if not with_report:
        world.reported = None
    result = right_sized(world)
    plan = json.loads(result.texts["plan"]) if result.texts else None
    losses, rows = _compared(world, plan)
    used = world.reported is not None and any(world.attempts())
    if result.row.verdict == "unused" and used:
        losses.append(Loss(seed, "the role", "", "IAM saw it used, and it is called unused"))
    if result.row.code in {"PG-E401", "PG-E402", "PG-E999"}:
        losses.append(Loss(seed, result.row.code, "", f"no policy where today's fits: {result.row.reason}"))
    unknown = {keep["action"] for keep in plan["keeps"] if keep["kind"] == "unknown"} if plan else set()
    return Verdict(losses, rows, len(unknown), result.row.verdict)


def right_sized(world: World) -> Result:
    """Let policygen right-size the role of an account, as a batch does."""
    until = f"{world.until:%Y-%m-%dT%H:%M:%SZ}"
    observe = ObserveOptions(days=DAYS, until=until)
    limit = limit_of(DAYS, until)
    account = replace(to_account(world.account()), code=world.code())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.json").write_text(json.dumps({"Records": list(world.events())}), "utf-8")
        read = read_source(open_source([folder]), ReadRequest(lambda _: True, until=limit))
    counts = CallCounts(no_role, until=read.counts.until, totals=read.counts.totals)
    accounts = {account.account_id: account}
    settings = BatchSettings(
        read.read_report, counts, observe, SuggestOptions(), limit, accounts, formats={"plan": "plan"}
    )
    (target,) = targets((), accounts, RoleFilter())
    return right_size(
        settings, target, {k: v for k, v in read.counts.calls.items() if k.name == target.name}, {}
    )


def _compared(world: World, plan: dict[str, Any] | None) -> tuple[list[Loss], list[dict[str, Any]]]:
    """Ask whether each need is allowed by the new policies, if today's allow it."""
    if plan is None:
        return [], []
    documents = [one["document"] for one in plan["policies"]]
    before = Evaluator([parse_policy(json.dumps(world.policy))], complete=True)
    after = Evaluator([parse_policy(json.dumps(one)) for one in documents], complete=True)
    losses, rows = [], []
    for use in world.uses:
        why = reason_to_keep(world, use)
        for action, resource in use.needs() if why else ():
            keys = {"aws:RequestedRegion": (use.region,)}
            if action == "iam:PassRole":
                keys["iam:PassedToService"] = (f"{use.operation.passes_to}.amazonaws.com",)
            request = AccessRequest(action, resource, context=tuple(sorted(keys.items())))
            if before.evaluate(request).outcome != "ALLOWED":
                continue
            if FOREIGN not in resource:  # there the other account's policies decide too
                rows.append(judge_row(documents, action, resource, {**keys}))
            if after.evaluate(request).outcome != "ALLOWED":
                losses.append(Loss(world.seed, f"{action} on {resource}", use.region, why))
    return losses, rows


def reason_to_keep(world: World, use: Use) -> str:
    """Return how the evidence can tell of a use; "" where it cannot."""
    seen = [time for time in use.times if world.is_read(use, time)]
    if seen:
        return f"{len(seen)} events of it were read"
    if not world.is_logged(use):
        return "no trail shows it"
    return next(_told(world, use), "")


def _told(world: World, use: Use) -> Iterator[str]:
    """Yield what IAM's report tells of a use of which no event was read although the trail logs it."""
    counted = list(world.attempts())
    if use.region in world.lost and any(map(world.in_window, use.times)) and use.action not in world.tracked:
        yield from _lost_region_told(world, use.region)
    for level in ("action", "service"):
        if level == "action" and use.action not in world.tracked:
            continue
        same = [(time, one) for time, one in counted if getattr(one, level) == getattr(use, level)]
        if level == "service" and use.action in world.tracked:
            return  # IAM tells of the action by itself
        if not same:
            continue
        last, by = max(same, key=lambda one: (one[0], one[1].region, one[1].name))
        if last not in use.times or by.region != use.region or by.action != use.action:
            continue
        read = [(time, one) for one in world.uses for time in one.times if world.is_read(one, time)]
        read = [(time, one) for time, one in read if getattr(one, level) == getattr(use, level)]
        if not world.in_window(last):
            if not read:
                yield f"IAM saw its {level} on {last:%Y-%m-%d}, outside the window"
        elif not any(time.date() == last.date() and one.region == by.region for time, one in read):
            yield f"IAM saw its {level} on {last:%Y-%m-%d} in {by.region}, and no event of that day and region was read"


def _lost_region_told(world: World, region: str) -> Iterator[str]:
    """Yield what in IAM's report has its last attempt in a region whose files are missing."""
    lines = [(row["ServiceNamespace"], row) for row in world.report().get("ServicesLastAccessed", ())]
    for name, row in lines:
        if row.get("LastAuthenticatedRegion") == region and world.in_window(
            datetime.fromisoformat(row["LastAuthenticated"])
        ):
            yield f"IAM saw {name} used in {region}, and no event of anyone was read there"


def search(seeds: Sequence[str], *, with_report: bool = True) -> tuple[list[Loss], list[dict[str, Any]], int]:
    """Judge many accounts: what is lost, the questions to the outside judge, and how many actions are undecided."""
    losses, rows, undecided = [], [], 0
    for seed in seeds:
        verdict = judged(seed, with_report=with_report)
        losses += verdict.losses
        rows += verdict.rows
        undecided += verdict.undecided
    return losses, rows, undecided
