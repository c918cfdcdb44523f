"""Values that are nested without end: the file is named, in whatever role it was given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policygen.errors import UsageError
from policygen.rightsize.decisions.load import parse_decisions
from tests.support.accounts import snapshot
from tests.support.command import READ, run
from tests.support.records import ROLE, crowd, write_logs

DEPTHS = (200, 990, 5_000, 100_000)

GOOD = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "attack" / "D3_decisions_nested.toml"


def nested(depth: int, within: str = "{}") -> str:
    return within.replace("{}", "[" * depth + "]" * depth)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("nested")
    write_logs(at / "logs", crowd([READ]))
    (at / "good.json").write_text(json.dumps(GOOD))
    return at


ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "decisions": ("keep = {}", ("suggest", "-r", ROLE, "-l", "logs", "--decisions", "deep")),
    "decisions in a table": (
        "[[keep]]\naction = {}",
        ("suggest", "-r", ROLE, "-l", "logs", "--decisions", "deep"),
    ),
    "a snapshot": ("{}", ("suggest", "-r", ROLE, "-l", "logs", "-s", "deep")),
    "the roles of a snapshot": (
        '{"policygen_snapshot": 1, "authorization": {"RoleDetailList": {}}}',
        ("suggest", "-r", ROLE, "-l", "logs", "-s", "deep"),
    ),
    "a policy to check": ("{}", ("check", "deep", "-r", ROLE, "-l", "logs")),
    "a statement to check": ('{"Statement": {}}', ("check", "deep", "-r", ROLE, "-l", "logs")),
    "a policy to compare": ('{"Statement": [{"Effect": {}}]}', ("diff", "good.json", "deep")),
    "a plan": ('{"schema_version": 1, "role": {}}', ("report", "deep")),
}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("within", "words"), ROLES.values(), ids=ROLES)
def test_what_is_nested_too_deeply_is_named(
    within: str, words: tuple[str, ...], depth: int, world: Path
) -> None:
    # The braces of JSON are part of the text; what stands for the brackets is the empty pair.
    (world / "deep").write_text(nested(depth, within))
    done = run(world, *words, "-q" if words[0] not in ("diff",) else "--all")
    assert done.code == 2, done.stderr
    assert "deep" in done.stderr.splitlines()[0]
    assert done.stdout == ""


def test_the_nested_policy_of_a_role_names_the_role(world: Path) -> None:
    made = snapshot({"policies": [GOOD]})
    made["authorization"]["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"] = nested(100_000)
    (world / "account.json").write_text(json.dumps(made))
    done = run(world, "suggest", "-r", ROLE, "-l", "logs", "-s", "account.json", "-q")
    assert done.code == 2
    assert "account.json: role orders" in done.stderr


@pytest.mark.skipif(not SHARED.exists(), reason="without the inputs beside the project")
def test_the_file_that_broke_it_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        parse_decisions(SHARED.read_text("utf-8"), str(SHARED))
    assert (caught.value.code, SHARED.name in caught.value.message) == ("PG-E360", True)
