"""Writes the ``[[role]]`` tables of the configuration from saved plans: which policies belong to which role."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from policygen.configuration import OWN, SHARED, read_configuration
from policygen.errors import NothingFoundError
from policygen.files import write_file
from policygen.gate.repository.found_policies import NO_FILE, FoundPolicies, PolicyFinder
from policygen.gate.repository.role_map import configured_role, read_role_map, wrong_role_map
from policygen.gate.repository.unread_code import unread_code_below
from policygen.plan.model import Plan
from policygen.plan.saved import every_plan, plan_of
from policygen.text import escape_controls, pluralize

_LISTED = 8
"""Roles that a line names; the rest is counted."""
_BY_NAME = " (by its name: the role has another policy today)"


class _Placed(NamedTuple):
    """One role that gets a table."""

    name: str
    """Its name; its ARN where several accounts have a role of that name."""
    found: FoundPolicies

    @property
    def policies(self) -> list[str]:
        return [*(one.as_posix() for one in self.found.files), *self.found.arns]

    @property
    def told(self) -> str:
        """What it gets, for people."""
        files = [f"{one}{_BY_NAME * (one in self.found.by_name)}" for one in self.found.files]
        return ", ".join([*files, *([pluralize(len(self.found.arns), "ARN")] if self.found.arns else [])])


def write_roles(
    names: Sequence[str],
    folder: Path | None,
    places: Sequence[Path],
    notify: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Add a table for each role that has a plan and none yet; tables that are there stay as they are.

    Args:
        names: roles, or files of plans; none for all saved plans of which a file of the repository has a policy.
        folder: of the plans; None for policygen's own.
        places: files and folders in which policies lie; none for the folder of the configuration.
        notify: takes what was written.
        warn: takes what has no place.

    Raises:
        NothingFoundError: PG-E349, there is no plan; PG-E348, no policy of any role was found.
        UsageError: PG-E247, of the tables that are there; PG-E220, the file cannot be written; PG-E252, as the finder.
    """
    plans = [plan_of(one, folder) for one in names] or every_plan(folder, warn)
    path = read_configuration().path or Path(OWN)
    there = read_role_map()
    new = [one for one in plans if not configured_role(there, one.role.name, one.role.account)]
    places = places or [path.parent]
    finder = PolicyFinder(places, plans)
    outcome = _outcome(new, _names_of(plans), finder, path.parent, asked=bool(names))
    for line in (*_warnings(outcome, finder), *_unread(outcome, places, path.parent)):
        warn(line)
    if not outcome.placed and len(new) == len(plans):
        raise _nothing_found(places[0], new)
    if outcome.placed:
        _append(path, outcome.placed)
    kept = f"; {len(plans) - len(new):,} had a [[role]], and keep it" if len(new) < len(plans) else ""
    notify(f"{escape_controls(str(path))}: {pluralize(len(outcome.placed), 'role')} added{kept}")
    width = max((len(one.name) for one in outcome.placed), default=0)
    for one in outcome.placed:
        notify(f"  {one.name:<{width}}  {one.told}")
    if outcome.left:
        lacking = "no file that could be read has" if finder.unread else "no file here has"
        notify(f"  left out: {_some(outcome.left)}: {lacking} their policies; --plan NAME adds the ARNs")
    if outcome.placed:
        where = f" --plans {shlex.quote(str(folder))}" if folder else ""
        notify(f"next: policygen check --all{where} --write-baseline policygen-baseline.json")


class _Outcome(NamedTuple):
    """Roles without a table, by what becomes of them."""

    placed: list[_Placed]
    unplaced: list[_Placed]
    """That somebody asked for, or that several files hold, and that get no table."""
    left: list[str]
    """Nobody asked for them, and no file here has a policy of them."""
    unknown: list[str]
    """Their plans do not have the policies of today."""


def _outcome(
    plans: Sequence[Plan], name_of: Callable[[Plan], str], finder: PolicyFinder, folder: Path, *, asked: bool
) -> _Outcome:
    result = _Outcome([], [], [], [])
    for plan in sorted(plans, key=lambda one: (one.role.name, one.role.account)):
        name = name_of(plan)
        one = _Placed(name, _seen_from(folder, finder.find(plan)))
        if plan.today is None:
            result.unknown.append(name)
        elif one.found.files or (asked and one.found.arns):
            result.placed.append(one)
        elif asked or one.found.several:
            result.unplaced.append(one)
        else:
            result.left.append(name)
    return result


def _names_of(plans: Sequence[Plan]) -> Callable[[Plan], str]:
    """Return what calls a role in a table: its name, or its ARN where several accounts have a role of that name."""
    times = Counter(name for name, _ in {(one.role.name, one.role.account) for one in plans})
    return lambda plan: plan.role.arn if times[plan.role.name] > 1 and plan.role.arn else plan.role.name


def _warnings(found: _Outcome, finder: PolicyFinder) -> Iterator[str]:
    """Yield what has no place, and why, and the files that could not be read."""
    without = [one for one in (*found.placed, *found.unplaced) if one.found.missing]
    for one in without:
        yield from (f"warning: {one.name}: not placed: {missing}" for missing in one.found.missing)
    if any(NO_FILE in missing for one in without for missing in one.found.missing):
        yield "  hint: save it: aws iam get-role-policy --role-name ROLE --policy-name POLICY --query PolicyDocument"
    if found.unknown:
        yield f"warning: not placed: {_some(found.unknown)}: the plan has no policies of today; --live adds them"
    yield from (f"warning: not looked at: {reason}" for reason in finder.unread)


def _unread(found: _Outcome, places: Sequence[Path], folder: Path) -> list[str]:
    """Return a warning for each kind of code that may have what no file has, and how it is read."""
    if not (found.left or found.unplaced or any(one.found.missing for one in found.placed)):
        return []
    checked = [folder / file for one in found.placed for file in one.found.files]
    return [f"warning: {one}" for one in unread_code_below(places, checked)]


def _nothing_found(place: Path, plans: Sequence[Plan]) -> NothingFoundError:
    return NothingFoundError(
        f"no file below {escape_controls(str(place))!r} has a policy of {pluralize(len(plans), 'role')} with a plan",
        "name the folder of the policies: policygen check FOLDER --write-roles",
        "of Terraform: terraform plan -out=tfplan && terraform show -json tfplan > tfplan.json",
        "of a role without RoleName: [[role]] name = ROLE, policy = FILE#LOGICAL_NAME in policygen.toml",
        code="PG-E348",
    )


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    rest = len(names) - _LISTED
    shown = escape_controls(", ".join(names[:_LISTED]))
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _seen_from(folder: Path, found: FoundPolicies) -> FoundPolicies:
    """Return files as the configuration names them: relative to its folder."""
    relative = {one: Path(os.path.relpath(one, folder)) for one in found.files}
    return found._replace(
        files=tuple(relative.values()), by_name=tuple(relative[one] for one in found.by_name)
    )


def _append(path: Path, placed: Sequence[_Placed]) -> None:
    """Write the tables after what the file has.

    Raises:
        UsageError: PG-E247, the file has its roles in another form, after which no table may follow.
    """
    before = path.read_text("utf-8") if path.exists() else ""
    header = "[[tool.policygen.role]]" if path.name == SHARED else "[[role]]"
    start = before + "\n" * (bool(before) and not before.endswith("\n"))
    text = start + "".join(
        "\n" * bool(start or number) + _table(header, one) for number, one in enumerate(placed)
    )
    try:
        tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError:
        raise wrong_role_map(
            escape_controls(str(path)), f"role must be tables, each under {header}"
        ) from None
    write_file(path, text)


def _table(header: str, role: _Placed) -> str:
    """Return the table of a role."""
    listed = [json.dumps(one, ensure_ascii=False) for one in role.policies]
    policy = listed[0] if len(listed) == 1 else "[\n" + "".join(f"  {one},\n" for one in listed) + "]"
    missing = "".join(f"# not placed: {one}\n" for one in role.found.missing)
    return f"{header}\nname = {json.dumps(role.name, ensure_ascii=False)}\n{missing}policy = {policy}\n"
