"""What a change takes out of the gate: roles and policies that the older policygen.toml has checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from policygen.errors import PolicygenError
from policygen.gate.repository.files import files_of, is_arn, without_name
from policygen.gate.repository.policies import policies_named
from policygen.gate.repository.role_map import GateRole, place_in_configuration
from policygen.plan.saved import account_in
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.gate.findings import Finding
    from policygen.gate.sources import PolicySource
    from policygen.gate.templates.model import TemplateContext
    from policygen.rightsize.basis import CheckBasis


class TakenOut(NamedTuple):
    """One role that the gate checked before the change, and does not check after it."""

    role: str
    account: str
    """"" where the configuration does not say it."""
    taken: tuple[Finding, ...]
    sources: tuple[()] = ()
    days: int = 0
    days_with_events: int = 0
    last: str = ""
    plan: str = ""
    origin: str = ""
    gaps: int = 0

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings."""
        return self.taken

    def unchecked(self) -> tuple[str, ...]:
        """Return nothing: what was taken out is a finding."""
        return ()


def removed_roles(older: Sequence[GateRole], roles: Sequence[GateRole]) -> list[GateRole]:
    """Return the older tables of roles that no table names any more."""
    return [role for role in older if not of_same_role(roles, role)]


def of_removed_table(role: GateRole) -> TakenOut:
    """Return the role of an older table that is gone."""
    found = _finding(role, "its [[role]]", "the base branch has this table, and the change does not")
    return TakenOut(role.name.rpartition("/")[2], account_in(role.name), (found,))


def files_still_there(role: GateRole) -> list[str]:
    """Return the files of a table that are still there, of folders too."""
    return [file for one in role.policies if not is_arn(one) for file in _still_there(str(one))]


def removed_policies(
    older: Sequence[GateRole], role: GateRole, *, knows_attached: bool
) -> tuple[Finding, ...]:
    """Return a finding for each policy that was checked for a role, is not any more, and may be as it was or wider.

    A file that is deleted with its name grants nothing more. Of an attached policy the plan knows whether it is there
    today: it is told as such, and not here.

    Args:
        older: the tables of the configuration before the change.
        role: the table of the change.
        knows_attached: whether it is known which policies the role has today.
    """
    message = "the base branch has it checked, and the change does not, though"
    found = [
        _finding(before, one, f"{message} the file is still there") for before, one in _left_out(older, role)
    ]
    if not knows_attached:
        arns = ((before, name) for before, name in _not_named_any_more(older, role) if is_arn(name))
        found += [
            _finding(before, arn, f"{message} nothing tells whether it is attached") for before, arn in arns
        ]
    return tuple(found)


def files_left_out(older: Sequence[GateRole], role: GateRole) -> list[str]:
    """Return the files that were checked for a role, are still there, and that its table does not name any more."""
    return [file for _, file in _left_out(older, role)]


def _left_out(older: Sequence[GateRole], role: GateRole) -> Iterator[tuple[GateRole, str]]:
    read = _read_whole(role)
    for before, name in _not_named_any_more(older, role):
        if not is_arn(name):
            yield from ((before, one) for one in _still_there(name) if one not in read)


_OF_GRANTS = ("PG1", "PG4", "PG7")
"""How the rules begin that are about what a policy grants. What it denies, another file may allow."""


def still_granted(
    files: Iterable[str], context: TemplateContext, basis: CheckBasis, sources: Sequence[PolicySource] = ()
) -> tuple[Finding, ...]:
    """Return what files that a change takes out of the gate grant beyond what the role needs, as if they were checked.

    Of a file that cannot be read nothing but PG110 is known.

    Args:
        files: that were checked before, and are still there.
        context: the role.
        basis: what is known of it.
        sources: the policies that are checked.
    """
    from policygen.gate.judge.check import check

    left: list[PolicySource] = []
    for file in files:
        with suppress(PolicygenError):
            left += policies_named(Path(file), context)
    if not left:
        return ()
    known = check(sources, basis) if sources else ()
    names = {one.name for one in left}
    return tuple(
        one
        for one in check([*sources, *left], basis)
        if one.file in names and one.rule.id.startswith(_OF_GRANTS) and one not in known
    )


def attached_taken_out(older: Sequence[GateRole], role: GateRole) -> frozenset[str]:
    """Return the ARNs of attached policies that were checked for a role, and that its table does not name any more."""
    return frozenset(name for _, name in _not_named_any_more(older, role) if is_arn(name))


def deleted_files(older: Sequence[GateRole], role: GateRole) -> list[str]:
    """Return a sentence about the files that were checked for a role and that the change deletes."""
    gone = [
        escape_controls(name)
        for _, name in _not_named_any_more(older, role)
        if not is_arn(name) and not (Path(name).is_dir() or _still_there(name))
    ]
    if not gone:
        return []
    return [
        f"deleted in this change: {', '.join(gone)}; take what it granted from the role when this is merged"
    ]


def _not_named_any_more(older: Sequence[GateRole], role: GateRole) -> Iterator[tuple[GateRole, str]]:
    now = {normpath(one) for one in role.policies}
    for before in of_same_role(older, role):
        for name in dict.fromkeys(map(normpath, before.policies)):
            if name not in now:
                yield before, name


def _read_whole(role: GateRole) -> set[str]:
    """Return the files that are read for a role, without those of which a part is read."""
    named = [one for one in role.policies if not is_arn(one) and one.exists()]
    return {normpath(file) for one in named for file in files_of(one)}


def _still_there(name: str) -> list[str]:
    """Return what of a file, of ``FILE#NAME`` or of a folder is still there."""
    path = Path(name)
    if path.is_dir():
        return sorted(map(normpath, files_of(path)))
    return [name] if path.exists() or without_name(path).exists() else []


def newly_unplanned(older: Sequence[GateRole], role: GateRole) -> tuple[Finding, ...]:
    """Return a finding if a role without a plan failed the gate before, and `planned = false` lets it pass now."""
    planned = [before for before in of_same_role(older, role) if before.planned and not role.planned]
    return tuple(
        _finding(before, "planned = false", "the base branch expects a plan of it, and the change does not")
        for before in planned[:1]
    )


def of_same_role(older: Sequence[GateRole], role: GateRole) -> list[GateRole]:
    """Return the older tables that can be about a role: a name stands for the role of that name in any account."""
    return [one for one in older if not role.name or _same(one, role)]


def _same(one: GateRole, other: GateRole) -> bool:
    if one.name == other.name:
        return True
    accounts = {account_in(one.name), account_in(other.name)}
    return one.name.rpartition("/")[2] == other.name.rpartition("/")[2] and "" in accounts


def _finding(role: GateRole, subject: str, message: str) -> Finding:
    from policygen.gate.findings import RULES, Finding

    fix = "take it back, or have it accepted in the baseline of the base branch first"
    file, place = place_in_configuration(role.name)
    return Finding(RULES["PG110"], escape_controls(subject), message, fix, file, place)
