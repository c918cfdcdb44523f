"""What a role may do after a template is deployed is within what the gate read of it, or the gate said "unknown".

Each template is deployed in three worlds, since the gate sees the template and not who deploys it: with the defaults of
its parameters; with other values for those that are in conditions alone; and with other values for all, where the gate
has to say of which parameters it took the defaults. POLICYGEN_DEPLOYED=17,18 tries the templates of these seeds alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.judges.deploy import Document, allowing
from tests.judges.deploy.moto_stacks import LEGACY, Account, account
from tests.judges.deploy.reading import Read, gate_read
from tests.judges.deploy.rights import Probe, Rights, may, probes, wider
from tests.judges.deploy.sam import TRUST
from tests.judges.deploy.templates import Deployable, template_of
from tests.judges.iam_simulate.judge import available, judge, row
from tests.support.effort import THOROUGH

pytestmark = pytest.mark.sweep

WORLDS = ("defaults", "conditions", "other")
_ONLY = os.environ.get("POLICYGEN_DEPLOYED")
SAMPLE, PARTS = 40, 8
SEEDS = list(map(int, _ONLY.split(","))) if _ONLY else range(2_000 if THOROUGH else SAMPLE)


class Deployed(NamedTuple):
    """A template, its roles as they are in each world, and what was read of each by its name."""

    seed: int
    template: Deployable
    worlds: dict[str, dict[str, tuple[str, Rights]]]
    reads: dict[str, Read]
    """Logical name of a role -> what the gate read."""

    @property
    def unknown(self) -> list[str]:
        return [why for read in self.reads.values() for why in read.unknown]


class Fault(NamedTuple):
    """A role that may do more than was read."""

    deployed: Deployed
    world: str
    role: str
    probe: Probe | str

    def __str__(self) -> str:
        values = getattr(self.deployed.template, self.world)
        return (
            f"template {self.deployed.seed}, deployed with {self.world} {values}: what {self.role} may do was "
            f"not read: {self.probe}\nread: {self.deployed.reads[self.role]}\n{self.deployed.template.text}"
        )


def deployed(seed: int, there: Account, folder: Path) -> Deployed:
    """Deploy the template of a seed in all worlds, and have the gate read its roles."""
    template = template_of(seed)
    path = folder / f"{seed}{template.suffix}"
    path.write_text(template.text, "utf-8")
    worlds = {
        world: there.deploy(template.text, getattr(template, world))
        for world in WORLDS
        if world == "defaults" or getattr(template, world) != template.defaults
    }
    # A stack makes up some names, and parameters others: a role is asked for by the first name that it has.
    names: dict[str, str] = {}
    for roles in worlds.values():
        names = {logical: name for logical, (name, _) in roles.items()} | names
    return Deployed(seed, template, worlds, {one: gate_read(path, name) for one, name in names.items()})


def faults(one: Deployed) -> Iterator[Fault]:
    """Yield the roles that may do more than was read, once for each world."""
    for world, roles in one.worlds.items():
        for logical, (_, rights) in roles.items():
            read = one.reads[logical]
            # Of the role that was there before, and of SAM's own trust policy, the template says nothing.
            is_written = logical != LEGACY and rights.trust != TRUST
            has = rights if is_written else rights._replace(trust=None)
            is_told = read.unknown or (world == "other" and read.by_default)
            if not is_told and (found := wider(has, read)):
                yield Fault(one, world, logical, found)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_role_may_do_more_than_was_read(part: int, tmp_path: Path) -> None:
    """In parts, so that several processes share them."""
    seeds = SEEDS[part::PARTS]
    with account() as there:
        found = [fault for seed in seeds for fault in faults(deployed(seed, there, tmp_path))]
    wrong = sorted({(fault.deployed.seed, fault.world) for fault in found})
    assert not found, f"{len(wrong)} of {len(seeds)} templates, {wrong}; the first:\n{found[0]}"


@pytest.fixture(scope="module")
def all_deployed(tmp_path_factory: pytest.TempPathFactory) -> list[Deployed]:
    """A sample, for what is asked of many at once."""
    folder = tmp_path_factory.mktemp("templates")
    with account() as there:
        return [deployed(seed, there, folder) for seed in SEEDS[:SAMPLE]]


@pytest.mark.skipif(bool(_ONLY), reason="a few templates tell no share")
def test_most_templates_are_read_in_full(all_deployed: list[Deployed]) -> None:
    """Where the gate knows nothing, nothing is compared."""
    read = [one for one in all_deployed if not one.unknown]
    assert len(read) >= 0.4 * len(all_deployed)
    grants = [one for one in read if any(of.documents for of in one.reads.values())]
    assert len(grants) >= 0.35 * len(all_deployed)


# --- The judge is judged: of readers of which it is known what they do ---


def _known(rights: Rights) -> Read:
    return Read(rights.documents, rights.boundary, [], [rights.trust] if rights.trust else [])


def _with(one: Deployed, world: str, change: str) -> Deployed:
    """Return a template as somebody reads it who sees one world, and makes a mistake there."""
    reads = {}
    for logical, (_, rights) in one.worlds[world].items():
        read = _known(rights)
        denial: Document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
        }
        reads[logical] = {
            "": read,
            "drops a document": read._replace(documents=read.documents[1:]),
            "drops a statement": read._replace(documents=[*map(_shorter, read.documents)]),
            "adds a Deny": read._replace(documents=[*read.documents, denial]),
            "adds a boundary": read._replace(boundary=allowing("ec2:Describe*", "*")),
            "reads no trust policy": read._replace(trust=[]),
        }[change]
    return one._replace(worlds={world: one.worlds[world]}, reads=reads)


def _shorter(document: Document) -> Document:
    statements: Sequence[Document] = document["Statement"]
    return {**document, "Statement": statements[1:] if isinstance(statements, list) else []}


def test_the_judge_finds_nothing_in_what_is_deployed(all_deployed: list[Deployed]) -> None:
    assert not [fault for one in all_deployed for fault in faults(_with(one, "defaults", ""))]


@pytest.mark.skipif(bool(_ONLY), reason="the few may not have what is dropped")
@pytest.mark.parametrize(
    ("mistake", "most"),
    [
        ("drops a document", 0.8),
        ("drops a statement", 0.8),
        ("adds a Deny", 0.8),
        ("adds a boundary", 0.8),
        ("reads no trust policy", 0.6),
    ],
)
def test_the_judge_finds_a_mistake(all_deployed: list[Deployed], mistake: str, most: float) -> None:
    found = [one for one in all_deployed if any(faults(_with(one, "defaults", mistake)))]
    assert len(found) >= most * len(all_deployed)


@pytest.mark.skipif(bool(_ONLY), reason="the few may have no condition")
@pytest.mark.parametrize(("world", "most"), [("conditions", 0.05), ("other", 0.12)])
def test_the_judge_finds_a_reader_that_sees_the_defaults_alone(
    all_deployed: list[Deployed], world: str, most: float
) -> None:
    """A condition that is taken for what it is with the defaults."""
    found = []
    for one in all_deployed:
        if world in one.worlds:
            first = _with(one, "defaults", "").reads
            reads = {logical: first.get(logical, Read([])) for logical in one.worlds[world]}
            found += (
                [one] if any(faults(one._replace(worlds={world: one.worlds[world]}, reads=reads))) else []
            )
    assert len(found) >= most * len(all_deployed)


@pytest.mark.oracle
@pytest.mark.skipif(not available(), reason="node or tests/judges/iam_simulate/node_modules is missing")
def test_the_evaluator_agrees_with_the_outside_judge(all_deployed: list[Deployed]) -> None:
    roles = [rights for one in all_deployed for _, rights in one.worlds["defaults"].values()]
    asked = [(rights, probe) for rights in roles for probe in probes(rights, rights)[::3]][:3_000]
    answers = judge(
        [
            row(
                of.documents,
                one.action,
                one.resource,
                {key: [value] for key, value in one.context},
                of.boundary,
            )
            for of, one in asked
        ]
    )
    differing = [
        (of, one, answer)
        for (of, one), answer in zip(asked, answers, strict=True)
        if may(of, one) != (answer == "ALLOWED")
    ]
    assert not differing, f"{len(differing)} of {len(asked)} differ; the first: {differing[0]}"
