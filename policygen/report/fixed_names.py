"""Folders in which the proposal allows only names like those seen, where the workload makes names up as it goes."""

from __future__ import annotations

import re
import shlex

import msgspec

from policygen.iam import arn
from policygen.iam.arn import service_of
from policygen.plan.model import Plan
from policygen.report.figures import grouped
from policygen.rightsize.generate.generalise import makes_up_names

_ESCAPED = re.compile(r"\$\{[*?$]\}")
"""A character that IAM would read as a wildcard, escaped."""


class FixedNames(msgspec.Struct, frozen=True):
    """A folder in which other names will be denied."""

    folder: str
    """Its ARN pattern, up to the last separator."""
    names: tuple[str, ...]
    """What is allowed in it: names as seen, and patterns of fixed width."""
    actions: tuple[str, ...]

    @property
    def option(self) -> str:
        """The option that allows every name in it, as far as today's policies do."""
        return "--keep " + shlex.quote(f"{','.join(self.actions)} on {self.folder}*")

    @property
    def short(self) -> str:
        """The last part of the folder's name."""
        return self.folder[len(_folder_of(self.folder[:-1])) :]


def fixed_names(plan: Plan) -> list[FixedNames]:
    """Return the folders, by name. Those whose names today's policies limit as well are none of them."""
    grants = grouped((one.action, one.resource) for one in plan.grants)
    closed = {(one.action, one.type, one.why) for one in plan.names if one.choice == "closed"}
    found: set[tuple[str, str, str]] = set()
    for one in plan.evidence.granted:
        if (one.action, f"{service_of(one.action)}:{one.type}", one.rule) in closed:
            continue  # the evidence shows that there are no others
        name = one.written_as
        if name is None or name not in grants.get(one.action, ()) or "*" in _ESCAPED.sub("", name):
            continue
        if not makes_up_names(one.action, one.type):
            continue
        folder = _folder_of(name)
        if not any(arn.contains(grant, f"{folder}*") for grant in grants[one.action]):
            found.add((folder, one.action, name))
    if found and plan.today is not None:
        today = {one.action: one.now for one in plan.changes}
        found = {one for one in found if _allows(today.get(one[1], ()), f"{one[0]}*")}
    folders = grouped((folder, (action, name)) for folder, action, name in sorted(found))
    return [
        FixedNames(
            folder,
            tuple(sorted({name[len(folder) :] for _, name in some})),
            tuple(sorted({action for action, _ in some})),
        )
        for folder, some in folders.items()
    ]


def _folder_of(name: str) -> str:
    return name[: name.rfind("/" if "/" in name else ":") + 1]


def _allows(patterns: tuple[str, ...], every: str) -> bool:
    """Return whether today's patterns allow every name; ``!`` stands before what a NotResource leaves out."""
    left_out = [one[1:] for one in patterns if one.startswith("!")]
    named = any(arn.contains(one, every) for one in patterns if not one.startswith("!"))
    return named or bool(left_out and not any(arn.overlaps(one, every) for one in left_out))
