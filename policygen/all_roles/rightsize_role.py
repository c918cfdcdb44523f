"""One role of a batch: its row, and its plan where one can be suggested."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from policygen.account.current import CurrentAccess, current_access
from policygen.account.fixed_roles import fixed_role
from policygen.account.model import Account, Accounts
from policygen.all_roles.manifest import TRUST
from policygen.all_roles.role_trust import RoleTrust, trust_of
from policygen.all_roles.row import RowDecision, call_figures, owner_of, plan_figures, row_of
from policygen.all_roles.select import RoleTarget
from policygen.all_roles.shared_reasons import of_all_roles
from policygen.all_roles.unchanged import inputs_digest
from policygen.catalog.knowledge import Knowledge
from policygen.errors import GateError, PolicygenError
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.coverage.tracked_regions import is_tracked_region
from policygen.evidence.coverage.workplaces import workplaces
from policygen.evidence.known_names import knowledge_of
from policygen.evidence.no_calls import NoCallsInWindowError, use_seen_by_iam
from policygen.evidence.observe import ObserveOptions, RoleEvidence, evidence_for_role, is_used_unseen
from policygen.evidence.role import RoleSelector
from policygen.evidence.role_assumptions import AssumptionsShown
from policygen.evidence.traced import TraceOwners
from policygen.iam.request import RoleKey
from policygen.logs.calls.call import Calls
from policygen.logs.calls.counts import CallCounts
from policygen.logs.events.assumption import Sightings
from policygen.logs.read_report import ReadReport
from policygen.logs.window import window_of
from policygen.logs.window_end import WindowEnd
from policygen.plan.batch_table import BatchRow, Verdict
from policygen.plan.build import plan_from_analysis
from policygen.plan.fast_json import to_bytes
from policygen.plan.io import plan_to_gzip
from policygen.plan.model import Plan
from policygen.report.formats import render
from policygen.rightsize.analysis import Analysis, conclude
from policygen.rightsize.assess.readiness import OF_ALL_ROLES, Reason
from policygen.rightsize.decisions.apply import NothingToKeepError
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.questions import RoleTopic, topics_of_role
from policygen.rightsize.suggestion import Suggestion, SuggestOptions
from policygen.text import escape_controls


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What all roles of a batch have in common. Picklable."""

    read_report: ReadReport
    counts: CallCounts
    """Everything that was counted but the calls, which come role by role."""
    observe: ObserveOptions
    suggest: SuggestOptions
    limit: WindowEnd | None = None
    """The window's end; None for the newest event read."""
    accounts: Accounts = field(default_factory=dict)
    """Those that are known."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """The files to write of each plan: folder -> name of a format, ``plan`` for the plan itself."""
    coverages: dict[tuple[str, bool], Coverage] = field(default_factory=dict, repr=False, compare=False)
    """(account, whether the role is known) -> the coverage of the first such role; others reuse what holds for them."""
    assumptions_shown: dict[str, AssumptionsShown] = field(default_factory=dict, repr=False, compare=False)
    """Account -> what the logs show of who assumes its roles; filled when the first of them is looked at."""
    knowledge: dict[tuple[str, bool], Knowledge] = field(default_factory=dict, repr=False, compare=False)
    """Likewise what the logs and the account tell of names; without an account for a role that is not in it."""
    owner_tag: str = ""
    """As `owner_of` takes it."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """Account -> the digest of all this for its roles; empty to right-size every role, whatever was made before."""
    made: Mapping[str, tuple[str, BatchRow]] = field(default_factory=dict, repr=False, compare=False)
    """Name of a role's files -> the digest of what the last batch made them from, and the row."""

    def account_of(self, target: RoleTarget) -> Account | None:
        """Return the account of a role; None where the account is not known, or the role in it."""
        return self.accounts.get(target.account) if target.current else None

    def access_of(self, target: RoleTarget) -> CurrentAccess | None:
        """Return what a role may do today; None where that is not known, or not all of it."""
        account, role = self.account_of(target), target.current
        return current_access(role, account) if account and role and not role.missing else None


class Result(NamedTuple):
    """The row of a role, and the texts of its files."""

    row: BatchRow
    texts: Mapping[str, str | bytes] = {}
    """Folder -> the text to write there, or its UTF-8 bytes; empty where there is no plan."""
    topics: Sequence[RoleTopic] = ()
    """What the role asks about its unverified permissions."""
    shared: tuple[Reason, ...] = ()
    """What holds it back, and lies in what was read or given; () where nothing would change."""
    file: str = ""
    """The name of the role's files, without a suffix."""
    inputs: str = ""
    """The digest of all that this rests on; "" where it is not known."""
    kept: bool = False
    """Whether the last batch made it from the same: the row is that row, and the files are left alone."""


def right_size(
    settings: BatchSettings, target: RoleTarget, calls: dict[RoleKey, Calls], sightings: Sightings
) -> Result:
    """Make the row and the plan of one role, or leave it alone where the last batch made it from the same.

    An expected failure with one role is a row, never an exception.

    Args:
        settings: what all roles have in common.
        target: the role.
        calls: the calls of all roles of that name.
        sightings: the assumptions of all roles of that name in its account.
    """
    own = {role: its_calls for role, its_calls in calls.items() if role.account == target.account}
    inputs = inputs_digest(settings, target, own, sightings) if settings.shared else ""
    before, row = settings.made.get(target.file, ("", None))
    if row and before == inputs:
        return Result(row, file=target.file, inputs=inputs, kept=True)
    trust = trust_of(settings, target, sightings)
    made = _right_size(settings, target, own, trust)
    texts = {**made.texts, TRUST: trust.text} if trust.text else made.texts
    tags = target.current.tags if target.current else {}
    row = replace(made.row, owner=owner_of(tags, settings.owner_tag), **trust.figures(target.file))
    return made._replace(row=row, texts=texts, file=target.file, inputs=inputs)


def _right_size(
    settings: BatchSettings, target: RoleTarget, own: dict[RoleKey, Calls], trust: RoleTrust
) -> Result:
    def without_plan(decision: RowDecision) -> Result:
        access = settings.access_of(target)
        now = len(access.effective_actions().allowed) if access else None
        return Result(row_of(target, decision, actions_now=now, **call_figures(own)))

    fixed = _decide_if_fixed(settings.suggest.decisions, target)
    if fixed:
        return without_plan(fixed)
    if not own and not _is_judged_by_report(settings, target) and not _is_traced(settings, target):
        return without_plan(_decide_without_calls(settings, target, trust))
    try:
        evidence = evidence_of_target(settings, target, own)
        analysis, unfit = _conclude(settings, evidence)
    except NoCallsInWindowError:
        return without_plan(_decide_without_calls(settings, target, trust))
    except PolicygenError as error:
        return without_plan(_decide_on_error(error))
    plan = plan_from_analysis(analysis, trust=trust.proposal)
    same = plan.today is not None and all(change.now == change.proposed for change in plan.changes)
    decision = _decide_on_plan(analysis.suggestion, same=same)
    if unfit:
        decision = decision._replace(reason=f"{decision.reason}; nothing of it to keep by {', '.join(unfit)}")
    row = row_of(target, decision, arn=analysis.suggestion.role.arn, plan=target.file, **plan_figures(plan))
    texts = {folder: _content(format_, plan) for folder, format_ in settings.formats.items()}
    reasons = analysis.suggestion.strength.reasons if analysis.suggestion.strength and not same else ()
    return Result(row, texts, _topics(analysis.suggestion), of_all_roles(reasons))


def _topics(suggestion: Suggestion) -> tuple[RoleTopic, ...]:
    used = {request.action for request in suggestion.written}
    return topics_of_role(suggestion.keeps, suggestion.needed, used, suggestion.unverified.droppable)


def _is_judged_by_report(settings: BatchSettings, target: RoleTarget) -> bool:
    """Return whether IAM's last-accessed report shows use of a role of which no call was read: it is judged by that."""
    account, role = settings.account_of(target), target.current
    return account is not None and role is not None and is_used_unseen(settings.counts, account, role)


def _is_traced(settings: BatchSettings, target: RoleTarget) -> bool:
    """Return whether traces show calls of a role of which no event was read."""
    traces, role = settings.observe.traces, target.current
    if traces is None or role is None:
        return False
    owners = TraceOwners(settings.account_of(target), role.key)
    return any(owners.is_of_role(caller) for caller in traces.calls)


def evidence_of_target(
    settings: BatchSettings, target: RoleTarget, calls: dict[RoleKey, Calls]
) -> RoleEvidence:
    """Collect the evidence of one role; arguments as `right_size` has them, the calls of this role alone.

    Raises:
        PolicygenError: the role did nothing that counts, or its evidence has gaps.
    """
    role = target.current
    key = target.account, role is not None
    account = settings.account_of(target)
    if key not in settings.knowledge:
        settings.knowledge[key] = knowledge_of(settings.counts.totals, account)
    evidence = evidence_for_role(
        settings.read_report,
        dataclasses.replace(settings.counts, calls=calls),
        RoleSelector(target.name, target.account, target.arn),
        settings.observe,
        limit=settings.limit,
        account=account,
        current=role,
        similar=settings.coverages.get(key),
        knowledge=settings.knowledge[key],
    )
    settings.coverages.setdefault(key, evidence.coverage)
    return evidence


def _conclude(settings: BatchSettings, evidence: RoleEvidence) -> tuple[Analysis, list[str]]:
    """Suggest a policy without the general keep rules that match nothing of this role, and name those rules."""
    decisions = settings.suggest.decisions or Decisions()
    unfit: list[str] = []
    while True:
        try:
            return conclude(evidence, replace(settings.suggest, decisions=decisions)), unfit
        except NothingToKeepError as error:
            if not error.rule.general:
                raise
            unfit.append(escape_controls(error.rule.where))
            rules = tuple(rule for rule in decisions.rules if rule is not error.rule)
            decisions = replace(decisions, rules=rules)


def _content(format_: str, plan: Plan) -> str | bytes:
    if format_ == "packed plan":
        return plan_to_gzip(plan)
    return to_bytes(plan.stored) if format_ == "plan" else render(format_, plan, indexed=True)


# --- The verdict -----------------------------------------------------------------------------------


def _decide_if_fixed(decisions: Decisions | None, target: RoleTarget) -> RowDecision | None:
    """Decide about a role that cannot be edited here, or must not be (1.3.10); None for any other."""
    if fixed := fixed_role(target.name, target.arn):
        return RowDecision("fixed", fixed.reason)
    if decisions and (rule := decisions.protection(target.name)):
        return RowDecision("fixed", escape_controls(f"protected by {rule.where}: {rule.reason}"))
    return None


def _decide_without_calls(settings: BatchSettings, target: RoleTarget, trust: RoleTrust) -> RowDecision:
    """Decide about a role without a call in the window: it was not used, or its use was not seen.

    "unused" needs complete evidence: records of its account on every day, and nobody who assumed it, nor a use that
    IAM reports.
    """
    totals = settings.counts.totals
    window = window_of(settings.observe.days, settings.limit, totals.last)
    current = target.current
    role_id = current.key.role_id if current else ""
    if seen := use_seen_by_iam(current, window):
        return RowDecision(
            "failed" if window.holds(current.last_used[:10] if current else "") else "review", seen
        )
    if role_id and any(role.role_id == role_id and not role.name for role in totals.roles):
        return RowDecision("wait", "seen only in another account's log, which does not name it")
    covered = sum(1 for day in window.dates() if totals.account_days.get(f"{target.account} {day}"))
    if not covered:
        return RowDecision("failed", f"no record of account {target.account} was read")
    gaps = settings.read_report.gaps
    if covered < window.days or gaps:
        return RowDecision(
            "wait",
            f"no call on the {covered} of {window.days} days of which records of its account were read"
            + ("; not all was read" if gaps else ""),
        )
    if region := _untracked_workplace(settings, target):
        why = (
            f"no call in {window.days} days, and IAM does not track {region}, where it may have worked unseen"
        )
        return RowDecision("wait", why)
    if trust.last_granted:
        when = f"last on {trust.last_granted[:10]}"
        return RowDecision("wait", f"no call in {window.days} days, though somebody assumed the role, {when}")
    return RowDecision("unused", f"no call in {window.days} days{_silence(settings, target)}")


def _untracked_workplace(settings: BatchSettings, target: RoleTarget) -> str:
    """Return a region that IAM does not track and where the role may have worked; "" where there is none."""
    account, role = settings.account_of(target), target.current
    if account is None or role is None:
        return ""
    access = current_access(role, account, allow_incomplete=True)
    found = workplaces(access, settings.counts.totals.regions)
    return next((one for one in sorted({*found.own, *found.shared}) if not is_tracked_region(one)), "")


def _silence(settings: BatchSettings, target: RoleTarget) -> str:
    """Say that IAM saw no attempt either, where its report was read."""
    account, role = settings.account_of(target), target.current
    report = (account.last_accessed or {}).get(role.key.arn) if account and role else None
    return f", and IAM saw no attempt either until {report.generated_at[:10]}" if report else ""


_ERRORS_TO_REVIEW = frozenset({"PG-E301", "PG-E303", "PG-E304", "PG-E311"})
"""Errors that say something of the role, and not of what was read."""


def _decide_on_error(error: PolicygenError) -> RowDecision:
    hint = f"; {error.hints[0]}" if error.hints and isinstance(error, GateError) else ""
    verdict: Verdict = "review" if error.code in _ERRORS_TO_REVIEW else "failed"
    return RowDecision(verdict, escape_controls(f"{error.message}{hint}"), error.code)


def _decide_on_plan(suggestion: Suggestion, *, same: bool) -> RowDecision:
    """Decide by the strength of a suggestion.

    Args:
        suggestion: the role's.
        same: whether its policies are today's.
    """
    readiness = suggestion.strength
    if readiness is None:
        return RowDecision("review", "")
    verdict: Verdict = readiness.verdict
    if same and verdict == "ready":
        return RowDecision("unchanged", "today's policies are what the evidence asks for")
    own = [one for one in readiness.reasons if one.id not in OF_ALL_ROLES]
    reason = escape_controls("; ".join(one.sentence for one in own or readiness.reasons))
    ids = tuple(dict.fromkeys(one.id for one in readiness.reasons if one.verdict != "ready"))
    return RowDecision(verdict, f"nothing would change; {reason}" if same else reason, reasons=ids)
