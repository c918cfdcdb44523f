"""Plans are of the default branch, by what GitHub says of their run, or there are none."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policygen.errors import IncompleteError, UsageError
from policygen.gate.provenance import ORIGIN, fetch_plans, origin_of, write_plans

TODAY = date(2026, 11, 25)
SHA = "a1" * 20
HOME = 11
FORK = 99


def packed(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


PLANS = {"orders-api.json": b'{"a": 1}', "image-resizer.json.gz": b"\x1f\x8b"}
ZIP = packed(PLANS)
RUN = {
    "id": 7, "path": ".github/workflows/policygen-plans.yml", "event": "schedule", "head_branch": "main",
    "head_sha": SHA, "status": "completed", "conclusion": "success", "created_at": "2026-11-24T03:17:09Z",
    "repository": {"id": HOME, "full_name": "acme/shop"}, "head_repository": {"id": HOME, "full_name": "acme/shop"},
}  # fmt: skip
ARTIFACT = {
    "id": 70, "name": "policygen-plans", "expired": False, "digest": f"sha256:{hashlib.sha256(ZIP).hexdigest()}",
    "workflow_run": {"id": 7, "repository_id": HOME, "head_repository_id": HOME, "head_sha": SHA},
}  # fmt: skip

World = dict[str, Any]


def world() -> World:
    """What GitHub says of a repository whose night went well."""
    return {
        "home": {"id": HOME, "full_name": "acme/shop", "default_branch": "main"},
        "runs": [deepcopy(RUN)],
        "comparison": {"status": "behind"},
        "artifacts": [deepcopy(ARTIFACT)],
        "zip": ZIP,
    }


def answers(told: World) -> Callable[[str], bytes]:
    """GitHub's API of a world."""

    def ask(path: str) -> bytes:
        place, _, query = path.partition("?")
        if place == "repos/acme/shop":
            return json.dumps(told["home"]).encode()
        if place == "repos/acme/shop/actions/workflows/policygen-plans.yml/runs":
            assert "branch=main" in query
            assert "status=success" in query
            return json.dumps({"total_count": 1, "workflow_runs": told["runs"]}).encode()
        if place.startswith("repos/acme/shop/compare/main..."):
            return json.dumps(told["comparison"]).encode()
        if place == f"repos/acme/shop/actions/runs/{told['runs'][-1]['id']}/artifacts":
            return json.dumps({"total_count": 1, "artifacts": told["artifacts"]}).encode()
        assert place == f"repos/acme/shop/actions/artifacts/{told['artifacts'][-1]['id']}/zip"
        body: bytes = told["zip"]
        return body

    return ask


def fetched(told: World, most_days: int | None = 14) -> Any:
    return fetch_plans(answers(told), "acme/shop", "policygen-plans.yml", TODAY, most_days)


def test_the_plans_of_the_last_success_are_taken_and_their_origin_is_told(tmp_path: Path) -> None:
    told = world()
    told["runs"].insert(0, deepcopy(RUN) | {"id": 6, "created_at": "2026-11-20T03:17:09Z"})
    origin, plans = fetched(told)
    assert plans == PLANS
    assert origin.text == (
        f"run 7 of policygen-plans.yml on main {SHA[:12]}, sha256:{hashlib.sha256(ZIP).hexdigest()}"
    )
    write_plans(tmp_path / "night", origin, plans)
    first = tmp_path / "night" / "orders-api.json"
    assert origin_of(first) == origin.text
    first.write_bytes(b'{"a": 2}')
    assert origin_of(first) == ""  # another plan than the one that was fetched
    (tmp_path / "night" / "new.json").write_bytes(b"{}")
    assert origin_of(tmp_path / "night" / "new.json") == ""
    (tmp_path / "night" / ORIGIN).write_text("[]", "utf-8")
    assert origin_of(tmp_path / "night" / "image-resizer.json.gz") == ""


def of_run(**changed: Any) -> Callable[[World], None]:
    return lambda told: told["runs"][0].update(changed)


def of_artifact(**changed: Any) -> Callable[[World], None]:
    return lambda told: told["artifacts"][0].update(changed)


def of_zip(content: bytes) -> Callable[[World], None]:
    def change(told: World) -> None:
        told["zip"] = content
        told["artifacts"][0]["digest"] = f"sha256:{hashlib.sha256(content).hexdigest()}"

    return change


REFUSED: dict[str, tuple[Callable[[World], None], str]] = {
    "a fork whose branch is called main": (of_run(head_repository={"id": FORK}), "is of another repository"),
    "a fork that was deleted": (of_run(head_repository=None), "is of another repository"),
    "another branch": (of_run(head_branch="feature"), "is of branch feature"),
    "another workflow": (of_run(path=".github/workflows/own.yml"), "is of .github/workflows/own.yml"),
    "a pull request": (of_run(event="pull_request"), "is of the event pull_request"),
    "a pull request with the base's token": (of_run(event="pull_request_target"), "is of the event"),
    "a run that failed": (of_run(conclusion="failure"), "did not succeed"),
    "a run that goes on": (of_run(status="in_progress", conclusion=None), "did not succeed"),
    "no run at all": (lambda told: told["runs"].clear(), "has not succeeded on main of this repository"),
    "a run that is too old": (of_run(created_at="2026-11-10T03:00:00Z"), "is 15 days old, more than 14"),
    "a tag called main": (lambda told: told["comparison"].update(status="diverged"), "which is not on main"),
    "a commit ahead of the branch": (lambda told: told["comparison"].update(status="ahead"), "which is not on main"),
    "an artifact of another run": (of_artifact(workflow_run=ARTIFACT["workflow_run"] | {"id": 8}), "has no plans"),  # type: ignore[operator]
    "an artifact of another name": (of_artifact(name="policygen-plans-2"), "has no plans"),
    "an artifact that has expired": (of_artifact(expired=True), "any more: they have expired"),
    "no artifact": (lambda told: told["artifacts"].clear(), "has no plans"),
    "another content": (of_artifact(digest="sha256:" + "0" * 64), "not those that it uploaded"),
    "a damaged archive": (of_zip(b"PK\x03\x04"), "cannot be unpacked"),
    "an archive with a path": (of_zip(packed({"../orders-api.json": b"{}"})), "holds what is no plan"),
    "an archive with another file": (of_zip(packed({"a.json": b"{}", "ORIGIN": b"{}"})), "holds what is no plan"),
    "an empty archive": (of_zip(packed({})), "has no plans"),
    "a time that is none": (of_run(created_at="yesterday"), "is no time"),
    "an answer of another shape": (of_run(head_sha=5), "answer cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_plans_of_any_other_origin_are_refused(name: str) -> None:
    change, why = REFUSED[name]
    told = world()
    change(told)
    with pytest.raises(IncompleteError, match=why) as caught:
        fetched(told)
    assert (caught.value.code, caught.value.exit_code) == ("PG-E324", 3)


def test_an_older_success_counts_where_newer_runs_are_of_others() -> None:
    told = world()
    told["runs"].insert(
        0, deepcopy(RUN) | {"id": 8, "head_repository": {"id": FORK}, "created_at": "2026-11-25T01:00:00Z"}
    )
    assert fetched(told)[0].run == 7


def test_without_a_limit_any_age_counts() -> None:
    told = world()
    told["runs"][0]["created_at"] = "2025-01-01T00:00:00Z"
    assert fetched(told, None)[0].day == "2025-01-01"


@pytest.mark.parametrize(
    ("repository", "workflow"),
    [
        ("shop", "a.yml"),
        ("a/..", "a.yml"),
        ("a/b?x", "a.yml"),
        ("a/b", "../a.yml"),
        ("a/b", "a"),
        ("a/b", "a.yml?x"),
    ],
)
def test_what_is_no_name_never_reaches_github(repository: str, workflow: str) -> None:
    def ask(path: str) -> bytes:
        raise AssertionError(path)

    with pytest.raises(UsageError, match="is no name"):
        fetch_plans(ask, repository, workflow, TODAY, None)
