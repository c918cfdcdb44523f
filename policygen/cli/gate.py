"""What `policygen check` compares: policies, and what is known of the role, from logs or from a saved plan."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from policygen.cli.gate_policies import context_of, policies_of_role, with_documents
from policygen.cli.gate_subjects import Checked, GateSubject, PrincipalSubject, Unchecked
from policygen.cli.other_templates import OtherTemplates, without_plan
from policygen.cli.plans import NIGHTLY, account_in
from policygen.cli.policy_files import is_arn, without_name
from policygen.cli.role_map import GateRole, configured_role, place_in_configuration
from policygen.cli.taken_out import (
    TakenOut,
    attached_taken_out,
    deleted_files,
    files_left_out,
    files_still_there,
    newly_unplanned,
    of_removed_table,
    removed_policies,
    still_granted,
)
from policygen.cli.unread_code import how_to_make
from policygen.errors import IncompleteError, NothingFoundError, PolicygenError, UsageError
from policygen.text import escape_controls, pluralize

if TYPE_CHECKING:
    from policygen.evidence.observe import RoleEvidence
    from policygen.plan.model import Plan
    from policygen.report.findings.report import FindingsReport
    from policygen.rightsize.check.baseline import Baseline
    from policygen.rightsize.check.basis import CheckBasis
    from policygen.rightsize.check.findings import Level, PolicySource
    from policygen.rightsize.check.templates.context import TemplateContext


class GateOptions(NamedTuple):
    """What fails the gate, and what people see."""

    fail_on: Level | None
    notes: bool
    baseline: Baseline | None = None
    baseline_file: str = ""
    before_file: str = ""
    """The older baseline, which has to accept too what `baseline` accepts; "" for none."""
    rules_url: str = ""
    today: date | None = None
    """The day on which plans have their age; None for no age."""
    max_plan_age: int | None = None
    """Days after which a plan is too old to rest on; None for never."""
    unread: Sequence[str] = ()
    """What lies beside them and is not read, a sentence for each kind."""
    every: bool = False
    """Whether all roles of the configuration are checked."""
    words: str = "policygen check"
    """As `FindingsReport` has it."""

    def newly_of(self, subject: Checked | Unchecked) -> list[str]:
        """Return what the baseline newly accepts of a role, and what does not count for that."""
        return self.baseline.newly_of((subject.role, subject.account)) if self.baseline else []


def of_evidence(evidence: RoleEvidence, sources: Sequence[PolicySource], basis: CheckBasis) -> GateSubject:
    """Return a role whose logs were read."""
    usage = evidence.usage
    last = usage.events.last if usage.events else ""
    return GateSubject(
        usage.role.name,
        usage.role.account,
        sources,
        basis,
        usage.window.days,
        evidence.coverage.days_with_events,
        last,
        gaps=len(evidence.coverage.incomplete),
    )


def of_plan(plan: Plan, sources: Sequence[PolicySource]) -> GateSubject:
    """Return a role of which a plan was saved.

    Raises:
        UsageError: PG-E245, the plan does not hold what the gate needs.
    """
    from policygen.gate.provenance import origin_of
    from policygen.plan.gate import basis_from_plan

    role, seen = plan.role, plan.coverage
    return GateSubject(
        role.name,
        role.account,
        sources,
        basis_from_plan(plan),
        seen.days,
        seen.days_with_events,
        plan.evidence.last,
        plan.window.end[:10],
        len(seen.incomplete),
        origin=origin_of(Path(plan.file)) if plan.file else "",
    )


def by_plan(
    text: str,
    folder: Path | None,
    role: str,
    roles: Sequence[GateRole],
    older: Sequence[GateRole] = (),
    others: OtherTemplates | None = None,
) -> GateSubject | PrincipalSubject | TakenOut | Unchecked:
    """Read a plan and the policies of its role; what fails is kept, so that other roles are checked all the same.

    Args:
        text: as `plan_of`.
        folder: as `plan_of`.
        role: as `plan_of`.
        roles: the policies of the command line, or the tables of the configuration.
        older: those of the configuration before a change, which may take nothing out of the gate.
        others: the templates of all roles and of none, of which those that name this one count too.
    """
    wanted = role or text
    name = Path(wanted).name.removesuffix(".json")
    account = account_in(wanted)
    try:
        plan = plan_of(text, folder, role)
        name, account = plan.role.name, plan.role.account
        context, named_so = context_of(plan), configured_role(roles, name, account)
        named_as = named_so._replace(name=named_so.name or wanted) if named_so else None

        def read(known: TemplateContext) -> list[PolicySource]:
            beside = others.of_role(named_as, known) if others and named_as else []
            return [*policies_of_role(known, roles), *beside]

        sources = read(context)
        if any(source.unread for source in sources):
            sources = read(with_documents(context, folder))
        subject = of_plan(plan, sources)
        if named_so is None:
            return subject
        knows = subject.basis.current is not None
        left_out = files_left_out(older, named_so)
        return subject._replace(
            taken=(
                *removed_policies(older, named_so, knows_attached=knows),
                *still_granted(left_out, context, subject.basis, sources),
            ),
            detached=attached_taken_out(older, named_so),
            deleted=deleted_files(older, named_so),
            table=named_so._replace(name=wanted),
        )
    except PolicygenError as error:
        found = configured_role(roles, name, account)
        named = [escape_controls(str(one)) for one in (found.policies if found else ())]
        if error.code == "PG-E349" and found and (taken := newly_unplanned(older, found)):
            return TakenOut(name, account, taken)
        if error.code == "PG-E349" and found and not found.planned:
            return _unplanned(Path(wanted).name, account, found, older)
        if error.code == "PG-E349" and found and found.configured:
            error.hints = (*error.hints, "no plan can be made of it: planned = false in its [[role]]")
        lost = _lost_file(found) if found and found.configured and error.code == "PG-E219" else None
        if lost:
            command = how_to_make(lost)
            deleted = ("if it was deleted, take it out of policygen.toml", *error.hints)
            error.hints = (f"make it: {command}",) if command else deleted
        return Unchecked(name, account, named, error, _place_of(error, text, found))


def without_table(role: GateRole, folder: Path | None) -> TakenOut:
    """Return a role whose table a change removes: with what its files grant that are still there, by its plan.

    Args:
        role: the older table.
        folder: as `plan_of`.
    """
    from policygen.plan.gate import basis_from_plan

    gone = of_removed_table(role)
    try:
        plan = plan_of(role.name, folder)
        basis = basis_from_plan(plan)
    except PolicygenError:  # that the table is gone fails the gate without a plan too
        return gone
    granted = still_granted(files_still_there(role), with_documents(context_of(plan), folder), basis)
    return gone._replace(role=plan.role.name, account=plan.role.account, taken=(*gone.taken, *granted))


def _unplanned(
    name: str, account: str, role: GateRole, older: Sequence[GateRole]
) -> PrincipalSubject | TakenOut | Unchecked:
    """Return a role of which no plan is to be expected: with what speaks against its policies whatever it does."""
    why = "planned = false says that none is to be expected"
    taken = removed_policies(older, role, knows_attached=False)
    if found := without_plan(name, account, role.policies, why, risks=False):
        return found._replace(found=lambda: (*taken, *found.found()))
    if taken:
        return TakenOut(name, account, taken)
    named = [escape_controls(str(one)) for one in role.policies]
    return Unchecked(name, account, named, _no_plan(), (_first_file(role), 1), unplanned=True)


def _no_plan() -> PolicygenError:
    """Return why a role is not checked of which the configuration expects no plan."""
    return NothingFoundError(
        "it has no plan, and planned = false says that none is to be expected: nobody checked its policy",
        "review it by hand",
        code="PG-E349",
    )


def _first_file(role: GateRole) -> str:
    """Return the first policy file of a role; "" for none."""
    return next((str(one) for one in role.policies if one.is_file()), "")


def _lost_file(role: GateRole) -> Path | None:
    """Return the first file or folder of a role that is not there; None where all are."""
    files = (one for one in role.policies if not is_arn(one))
    return next(
        (without_name(one) for one in files if not (one.exists() or without_name(one).exists())), None
    )


def _place_of(error: PolicygenError, text: str, role: GateRole | None) -> tuple[str, int]:
    """Return the file that is to be mended, and its line: a policy, or where the configuration names it or the role."""
    if error.place[0] or role is None:
        return error.place
    missing = [one for one in role.policies if not is_arn(one) and not one.is_file()]
    if role.configured:
        file, place = place_in_configuration(missing[0].name if missing and error.code == "PG-E219" else text)
        return file, place.line
    return _first_file(role), 1


def too_old(report: FindingsReport, options: GateOptions) -> PolicygenError | None:
    """Return the error for a plan that is older than allowed; None for any other."""
    most = options.max_plan_age
    if most is None or report.age is None or report.age <= most:
        return None
    role, age = escape_controls(report.role), pluralize(report.age, "day")
    return IncompleteError(
        f"the plan of {role} is {age} old, and --max-plan-age is {most}",
        NIGHTLY,
        "elsewhere make it again: policygen suggest, or policygen batch",
        code="PG-E322",
    )


def unchecked_report(subject: Unchecked, options: GateOptions) -> FindingsReport:
    """Return the report of a role that cannot be checked."""
    from policygen.report.findings.report import RULES_URL, FindingsReport

    return FindingsReport(
        subject.role, subject.account, (), subject.files, options.fail_on, 0, 0, 0, "",
        baseline=options.baseline_file, before=options.before_file, newly=options.newly_of(subject),
        error=f"{subject.error.message}  {subject.error.code}", next=subject.error.hints, place=subject.place,
        unplanned=subject.unplanned, words=options.words,
        rules_url=options.rules_url or RULES_URL,
    )  # fmt: skip


def gate_report(subject: Checked, options: GateOptions) -> FindingsReport:
    """Check a role's policies."""
    from policygen.report.findings.report import RULES_URL, FindingsReport
    from policygen.rightsize.check.baseline import AgainstBaseline
    from policygen.rightsize.check.check import failing

    everything = subject.findings()
    found = AgainstBaseline(everything, 0, 0)
    if options.baseline:
        found = options.baseline.against((subject.role, subject.account), everything)
    left = {one.file for one in found.new}
    return FindingsReport(
        role=subject.role,
        account=subject.account,
        findings=found.new,
        files=list(dict.fromkeys(source.name for source in subject.sources)),
        fail_on=options.fail_on,
        words=options.words,
        failed=len(failing(found.new, options.fail_on)) if options.fail_on else 0,
        days=subject.days,
        days_with_events=subject.days_with_events,
        last=subject.last,
        gaps=subject.gaps,
        notes=options.notes,
        unchecked=subject.unchecked(),
        unnamed=[one.file for one in everything if one.rule.id == "PG112" and one.file not in left],
        baseline=options.baseline_file,
        known=found.known,
        gone=found.gone,
        entries=found.entries,
        before=options.before_file,
        newly=options.newly_of(subject),
        rules_url=options.rules_url or RULES_URL,
        plan=subject.plan,
        origin=subject.origin,
        age=(options.today - date.fromisoformat(subject.plan)).days
        if options.today and subject.plan
        else None,
    )


def account_of_plan(role: str, folder: Path | None) -> str:
    """Return a role's account, by its ARN or else by its plan in a folder; "" where neither tells it."""
    with suppress(PolicygenError):
        return account_in(role) or plan_of(role, folder).role.account
    return ""


def plan_of(text: str, folder: Path | None, role: str = "") -> Plan:
    """Read the plan of a role.

    Args:
        text: a plan, a folder of plans, or the name of a role that has a saved plan.
        folder: where plans are looked for by name; None for policygen's own folder.
        role: the name or ARN of the role where `text` is a folder of several; "" for the only one.

    Raises:
        NothingFoundError: PG-E349, there is no plan of the role.
        UsageError: PG-E249, there are several; PG-E270 and PG-E272, as `find_plan`.
    """
    from policygen.cli.plans import find_plan, names_role

    inner = folder / "plans" if folder else None  # of a batch
    found = find_plan(text, inner if inner and inner.is_dir() else folder)
    fitting = [one for one in found if not role or names_role(role, one.role.name, one.role.account)]
    shown = escape_controls(text)
    if not fitting:
        names = sorted(one.role.name for one in found)
        close = difflib.get_close_matches(role, names, 1)
        raise NothingFoundError(
            f"{shown} has no plan of the role {escape_controls(role)[:80]!r}",
            f"it has {pluralize(len(found), 'plan')}: {', '.join(names[:6])}",
            code="PG-E349",
            instead=(role, close[0]) if close else None,
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{shown} has {len(fitting):,} plans, and --role does not say which",
            "--all checks all roles of policygen.toml",
            code="PG-E249",
            instead=("", f"--role={escape_controls(fitting[0].role.arn or fitting[0].role.name)}"),
        )
    return fitting[0]
