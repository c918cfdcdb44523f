"""Where the policies of a role lie in a repository: by what a file holds, and else by how it is called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from policygen.errors import PolicygenError
from policygen.gate.repository.files import (
    SUFFIXES,
    PolicyFile,
    holds_policies,
    parse_file,
    policy_text,
    sources_of,
)
from policygen.gate.repository.policies import context_of
from policygen.gate.sources import PolicySource, policy_key
from policygen.iam.document import Policy, Statement, parse_policy
from policygen.plan.model import CurrentPolicy, Plan
from policygen.text import escape_controls, pluralize

Meaning = frozenset[Statement]
"""The statements of a policy as IAM reads them: in any order, without ids, actions in lower case."""

_OF_AWS = ":iam::aws:policy/"
NO_FILE = "no file holds it"
_ELSEWHERE = "where it has no policy of yours: policygen check FOLDER --write-roles looks below FOLDER alone"
_LISTED = 4
"""Files that a sentence names; the rest is counted."""


class FoundPolicies(NamedTuple):
    """Where the policies of one role lie."""

    files: tuple[Path, ...]
    arns: tuple[str, ...]
    """Of attached policies that no file holds."""
    by_name: tuple[Path, ...]
    """Those of the files that hold something else than the policy of today."""
    missing: tuple[str, ...]
    """A sentence for each policy that has no place."""
    several: bool
    """Whether several files hold one of them, so that a person has to choose."""


class _Document(NamedTuple):
    path: Path
    meanings: frozenset[Meaning]

    @property
    def statements(self) -> Meaning:
        return _statements(self.meanings)


class PolicyFinder:
    """The policy files of a repository, read once for all roles."""

    def __init__(self, places: Iterable[Path], plans: Sequence[Plan]) -> None:
        """Read the files below folders; those that cannot be read are in `unread`, with the reason.

        Args:
            places: files and folders.
            plans: of all roles, whose policies are told apart.

        Raises:
            UsageError: PG-E252, one is YAML, and PyYAML is not installed: what it has would be missing in the tables.
        """
        self.unread: list[str] = []
        self._documents: list[_Document] = []
        self._templates: list[tuple[Path, PolicyFile]] = []
        for path in dict.fromkeys(path for place in places for path in _files_in(place)):
            self._read(path)
        self._own = {_key(plan): frozenset(map(_meaning_of, plan.today or ())) for plan in plans}
        self._known = frozenset[Meaning]().union(*self._own.values())
        self._names = Counter(
            one.name.casefold() for plan in plans for one in plan.today or () if not one.arn
        )

    def _read(self, path: Path) -> None:
        try:
            file = parse_file(*policy_text(path))
            if file.is_template:
                self._templates.append((path, file))
                return
            documents = frozenset(_meaning(one.policy) for one in sources_of(file, None))
        except PolicygenError as error:
            if error.code == "PG-E252":
                error.hints = (*error.hints[:2], _ELSEWHERE)
                raise
            self._not_read(error)
        else:
            self._documents.append(_Document(path, documents))

    def _not_read(self, error: PolicygenError) -> None:
        reason = f"{error.message}  {error.code}"
        if reason not in self.unread:
            self.unread.append(reason)

    def find(self, plan: Plan) -> FoundPolicies:
        """Return where the policies that a plan's role has today lie."""
        role, templates, missing = plan.role.name, self._templates_of(plan), list[str]()
        several = len(templates) > 1
        files, by_name, arns = dict[Path, None](), list[Path](), list[str]()
        template = templates[0] if len(templates) == 1 else None
        if template:
            files[template[0]] = None
        elif several:
            missing.append(f"{_listed([path for path, _ in templates])} all have the role")
        for one in plan.today or ():
            found = _of_role(self._with_content(plan, one), role)
            if len(found) == 1:
                files[found[0]] = None
            elif template and _is_in(one, template[1]):
                continue
            elif found:
                several = True
                missing.append(f"{_called(one)}: {_listed(found)} all hold it")
            elif named := self._with_name(plan, one):
                files[named] = None
                by_name.append(named)
            elif one.arn:
                arns.append(one.arn)
            else:
                missing.append(f"{_called(one)}: {NO_FILE}")
        missing += [f"{arn}: the plan does not have its document" for arn in plan.today_unread]
        return FoundPolicies(tuple(files), tuple(arns), tuple(by_name), tuple(missing), several)

    def _templates_of(self, plan: Plan) -> list[tuple[Path, list[PolicySource]]]:
        """Return the templates that have the role of a plan, each with what it says of it."""
        context, own, found = context_of(plan), self._own[_key(plan)], []
        for path, file in self._templates:
            try:
                sources = sources_of(file, context)
            except PolicygenError as error:
                if error.code != "PG-E250":
                    self._not_read(error)
                continue
            # A stack makes up names, and many templates call a role "Role": this one has to have something of the role.
            if plan.role.name.casefold() in file.text.casefold() or any(
                _meaning(one.policy) in own for one in sources
            ):
                found.append((path, sources))
        return found

    def _with_content(self, plan: Plan, one: CurrentPolicy) -> list[Path]:
        """Return the files that hold a policy of a role and nothing that it does not have: alone, else among others."""
        if _OF_AWS in one.arn:
            return []  # those are in no file
        wanted, own = _meaning_of(one), self._own[_key(plan)]
        alone = [file.path for file in self._documents if wanted in file.meanings and file.meanings <= own]
        return alone or [
            file.path for file in self._documents if wanted <= file.statements <= _statements(own)
        ]

    def _with_name(self, plan: Plan, one: CurrentPolicy) -> Path | None:
        """Return the only file that is called like a policy, and holds that of no role; None for none or several."""
        if _OF_AWS in one.arn:
            return None
        role, name = plan.role.name.casefold(), one.name.casefold()
        single = not one.arn and len([1 for other in plan.today or () if not other.arn]) == 1
        of_one = bool(one.arn) or self._names[name] == 1
        named = []
        for path, meanings in self._documents:
            *folders, last = _parts(path)
            by_policy = last == f"{role}-{name}" or (last == name and (of_one or role in folders))
            by_role = last == role or (role in folders and last in {"policy", "inline"})
            if (by_policy or (single and by_role)) and self._known.isdisjoint(meanings):
                named.append(path)
        return named[0] if len(named) == 1 else None


def _files_in(place: Path) -> Iterator[Path]:
    """Yield the files that seem to hold policies of roles; in a folder, without what is hidden, linked or installed."""
    if place.is_file():
        yield place
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != "node_modules")
        paths = [Path(folder, one) for one in sorted(files) if one.lower().endswith(SUFFIXES)]
        yield from (path for path in paths if not path.is_symlink() and holds_policies(path))


def _is_in(one: CurrentPolicy, sources: Sequence[PolicySource]) -> bool:
    """Return whether a template has a policy of the role: the document, the managed policy, or the role itself."""
    rests = [source.rest for source in sources if source.rest]
    if _meaning_of(one) in {_meaning(source.policy) for source in sources}:
        return True
    if one.arn:
        return any(policy_key(one.arn) in rest.managed for rest in rests)
    return any(rest.definitions for rest in rests)


def _of_role(paths: list[Path], role: str) -> list[Path]:
    """Return the only one of several files that lies at the role's name; all of them where there is no such one."""
    named = [one for one in paths if role.casefold() in _parts(one)]
    return named if len(named) == 1 else paths


def _parts(path: Path) -> list[str]:
    """Return the folders and the name of a file, without what stands after a dot."""
    return [part.partition(".")[0].casefold() for part in path.parts]


def _meaning_of(one: CurrentPolicy) -> Meaning:
    return _meaning(parse_policy(one.document, one.name))


def _meaning(policy: Policy) -> Meaning:
    return frozenset(
        replace(
            one,
            sid="",
            actions=tuple(sorted({action.lower() for action in one.actions})),
            resources=tuple(sorted(set(one.resources))),
        )
        for one in policy.statements
    )


def _statements(meanings: Iterable[Meaning]) -> Meaning:
    return frozenset[Statement]().union(*meanings)


def _key(plan: Plan) -> tuple[str, str]:
    return plan.role.account, plan.role.name


def _called(one: CurrentPolicy) -> str:
    return escape_controls(one.arn or f"its inline policy {one.name!r}")


def _listed(paths: Sequence[Path]) -> str:
    shown = ", ".join(escape_controls(str(one)) for one in paths[:_LISTED])
    rest = len(paths) - _LISTED
    return f"{shown} and {pluralize(rest, 'more file')}" if rest > 0 else shown
