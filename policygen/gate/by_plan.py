"""The roles under check: the policies of each, and what is known of it, from logs or from a saved plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from policygen.errors import NothingFoundError, PolicygenError
from policygen.gate.repository.files import is_arn, without_name
from policygen.gate.repository.other_templates import OtherTemplates, UnlistedRoles, without_plan
from policygen.gate.repository.policies import context_of, policies_of_role, with_documents
from policygen.gate.repository.role_map import (
    GateRole,
    configured_role,
    place_in_configuration,
    read_older_role_map,
    read_role_map,
    unnamed_policies,
    wrong_role_map,
)
from policygen.gate.repository.subjects import Checked, GateSubject, PrincipalSubject, Unchecked
from policygen.gate.repository.taken_out import (
    TakenOut,
    attached_taken_out,
    deleted_files,
    files_left_out,
    files_still_there,
    newly_unplanned,
    of_removed_table,
    of_same_role,
    removed_policies,
    removed_roles,
    still_granted,
)
from policygen.gate.repository.unnamed_policies import UnnamedFiles, of_nobody
from policygen.gate.repository.unread_code import how_to_make
from policygen.gate.sources import with_certain_denials
from policygen.plan.saved import account_in, account_of_plan, plan_of, require_plans
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.evidence.observe import RoleEvidence
    from policygen.gate.sources import PolicySource
    from policygen.gate.templates.model import TemplateContext
    from policygen.plan.model import Plan
    from policygen.rightsize.basis import CheckBasis


def of_evidence(evidence: RoleEvidence, sources: Sequence[PolicySource], basis: CheckBasis) -> GateSubject:
    """Return a role whose logs were read."""
    usage = evidence.usage
    last = usage.events.last if usage.events else ""
    return GateSubject(
        usage.role.name,
        usage.role.account,
        with_certain_denials(sources),
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
        with_certain_denials(sources),
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


def subjects_named(
    names: Sequence[str],
    policies: Sequence[Path],
    role: str,
    folder: Path | None,
    roles_before: Path | None,
) -> Iterator[Checked | Unchecked]:
    """Yield the roles of some plans.

    Args:
        names: files of plans, and names of roles that have one.
        policies: those of the command line; none for those of the configuration.
        role: the role where a plan is a folder of several; "" for the only one.
        folder: of the plans; None for policygen's own.
        roles_before: the configuration before a change; None for no comparison.

    Raises:
        UsageError: as `read_role_map` and `read_older_role_map`.
    """
    older = read_older_role_map(roles_before) if roles_before and not policies else []
    roles = [GateRole("", policies, configured=False)] if policies else read_role_map()
    tables, beside = ([], []) if policies else (roles, unnamed_policies())
    others = OtherTemplates(tables, beside, lambda name: account_of_plan(name, folder))
    unjudged: list[PolicySource] = []
    for text in names:
        subject = by_plan(text, folder, role, roles, older, others)
        table = configured_role(tables, subject.role, subject.account)
        if table and not isinstance(subject, GateSubject):
            unjudged += others.templates_of(table)
        yield subject
    if unjudged:
        yield of_nobody((), unjudged)


def every_subject(folder: Path | None, roles_before: Path | None) -> Iterator[Checked | Unchecked]:
    """Yield every role of the configuration, what stands beside their files, and what a change takes out.

    Args:
        folder: of the plans; None for policygen's own.
        roles_before: the configuration before a change; None for no comparison.

    Raises:
        UsageError: PG-E247, the configuration names no role, or one role twice; as `read_older_role_map`.
        NothingFoundError: PG-E349, there is no plan at all.
    """
    older = read_older_role_map(roles_before) if roles_before else []
    roles = read_role_map()
    if not (roles or older):
        raise wrong_role_map("", "there is no [[role]]", "of saved plans: policygen check --write-roles")
    if any(one.planned for one in roles):
        require_plans(folder)
    others = OtherTemplates(roles, unnamed_policies(), lambda name: account_of_plan(name, folder))
    unlisted = UnlistedRoles(others)
    checked = set[tuple[str, str]]()
    unjudged: list[PolicySource] = []
    for number, one in enumerate(roles):
        own = [one._replace(name="")]
        subject = by_plan(one.name, folder, "", own, of_same_role(older, one), others)
        key = subject.account, subject.role
        if key in checked:  # each would be checked without what the other one grants
            shown = f"role[{number}].name {one.name!r} is {subject.role}, which is there before"
            raise wrong_role_map("", shown)
        checked.add(key)
        if isinstance(subject, GateSubject):
            unlisted.see(subject.account, (one for one in subject.sources if one.name not in others.beside))
        else:  # its templates hold what they hold, whether it has a plan or not
            held = others.templates_of(one)
            unlisted.see(subject.account, held)
            unjudged += held
        yield subject
    unnamed = UnnamedFiles(others)
    unlisted.see(others.account, unnamed.templates)
    unnamed.templates += unjudged
    yield from unlisted.subjects()
    yield from unnamed.subjects()
    yield from (without_table(one, folder) for one in removed_roles(older, roles))
