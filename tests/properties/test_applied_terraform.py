"""What a role may do after a plan of Terraform is applied is within what the gate read of it, or it said "unknown".

The plan of a state hides what Terraform knows only after apply. Roles of one name in several accounts are one role to
who asks by its name: each must be within what was read. POLICYGEN_APPLIED=17,18 tries the plans of these seeds alone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.judges.deploy import Document, allowing
from tests.judges.deploy.plans import Planned, plan_of
from tests.judges.deploy.reading import Read, gate_read
from tests.judges.deploy.rights import Probe, wider
from tests.support.effort import THOROUGH

pytestmark = pytest.mark.sweep

_ONLY = os.environ.get("POLICYGEN_APPLIED")
SEEDS = list(map(int, _ONLY.split(","))) if _ONLY else range(2_000 if THOROUGH else 40)


class Applied(NamedTuple):
    """A plan, its roles when it is applied, and what was read of each."""

    seed: int
    planned: Planned
    reads: dict[str, Read]
    """Name of a role -> what the gate read."""

    @property
    def unknown(self) -> list[str]:
        return [why for read in self.reads.values() for why in read.unknown]


class Fault(NamedTuple):
    """A role that may do more than was read."""

    applied: Applied
    role: tuple[str, str]
    probe: Probe | str

    def __str__(self) -> str:
        return (
            f"plan {self.applied.seed}: what the role {self.role[1]} of {self.role[0]} may do was not read: "
            f"{self.probe}\nread: {self.applied.reads[self.role[1]]}\n{json.dumps(self.applied.planned.plan, indent=1)}"
        )


def applied(seed: int, folder: Path) -> Applied:
    """Have the gate read all roles of the plan of a seed."""
    planned = plan_of(seed)
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(planned.plan), "utf-8")
    names = dict.fromkeys(name for _, name in planned.roles)
    return Applied(seed, planned, {name: gate_read(path, name) for name in names})


def faults(one: Applied) -> list[Fault]:
    """Return the roles that may do more than was read."""
    return [
        Fault(one, role, found)
        for role, rights in one.planned.roles.items()
        if not one.reads[role[1]].unknown and (found := wider(rights, one.reads[role[1]]))
    ]


@pytest.fixture(scope="module")
def all_applied(tmp_path_factory: pytest.TempPathFactory) -> list[Applied]:
    folder = tmp_path_factory.mktemp("plans")
    return [applied(seed, folder) for seed in SEEDS]


def test_no_role_may_do_more_than_was_read(all_applied: list[Applied]) -> None:
    found = [fault for one in all_applied for fault in faults(one)]
    seeds = sorted({fault.applied.seed for fault in found})
    assert not found, (
        f"{len(seeds)} of {len(all_applied)} plans, of the seeds {seeds}; the first:\n{found[0]}"
    )


@pytest.mark.skipif(bool(_ONLY), reason="a few plans tell no share")
def test_most_plans_are_read_in_full(all_applied: list[Applied]) -> None:
    """Where the gate knows nothing, nothing is compared."""
    read = [one for one in all_applied if not one.unknown]
    assert len(read) >= 0.4 * len(all_applied)
    grants = [one for one in read if any(of.documents for of in one.reads.values())]
    assert len(grants) >= 0.35 * len(all_applied)


# --- The judge is judged: of readers of which it is known what they do ---


def _read_by(one: Applied, mistake: str) -> Applied:
    """Return a plan as somebody reads it who knows the final state, and makes a mistake."""
    reads = {}
    for (_, name), rights in one.planned.roles.items():
        denial: Document = allowing("*", "*")
        denial["Statement"][0]["Effect"] = "Deny"
        read = Read(rights.documents, rights.boundary, [], [rights.trust] if rights.trust else [])
        reads[name] = {
            "": read,
            "drops a document": read._replace(documents=read.documents[1:]),
            "adds a Deny": read._replace(documents=[*read.documents, denial]),
            "adds a boundary": read._replace(boundary=allowing("ec2:Describe*", "*")),
            "reads no trust policy": read._replace(trust=[]),
        }[mistake]
    return one._replace(reads=reads)


def _has_namesakes(one: Applied) -> bool:
    return len({name for _, name in one.planned.roles}) < len(one.planned.roles)


def test_the_judge_finds_nothing_in_what_is_applied(all_applied: list[Applied]) -> None:
    alone = [one for one in all_applied if not _has_namesakes(one)]
    assert alone
    assert not [fault for one in alone for fault in faults(_read_by(one, ""))]


@pytest.mark.skipif(bool(_ONLY), reason="the few may not have what is dropped")
@pytest.mark.parametrize(
    ("mistake", "most"),
    [
        ("drops a document", 0.6),
        ("adds a Deny", 0.6),
        ("adds a boundary", 0.6),
        ("reads no trust policy", 1.0),
    ],
)
def test_the_judge_finds_a_mistake(all_applied: list[Applied], mistake: str, most: float) -> None:
    found = [one for one in all_applied if faults(_read_by(one, mistake))]
    assert len(found) >= most * len(all_applied)


@pytest.mark.skipif(bool(_ONLY), reason="the few may have no role twice")
def test_the_judge_finds_a_reader_that_takes_one_of_two_roles_of_a_name(all_applied: list[Applied]) -> None:
    """The last one counts in `_read_by`."""
    namesakes = [one for one in all_applied if _has_namesakes(one)]
    assert namesakes
    assert all(faults(_read_by(one, "")) for one in namesakes)
