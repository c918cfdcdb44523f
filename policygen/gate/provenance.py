"""Where the plans of a gate come from: the run of GitHub Actions that made them, checked by what GitHub says of it.

A pull request may run workflows, keep caches and upload artifacts under any name. What it cannot do is make a run of
the repository's own default branch. So plans come from the artifact of a run that GitHub says is of this repository,
this workflow, the default branch and one of its commits, and that succeeded. The name of a branch alone tells little: a
fork and a tag may be called like the default branch.

Sources:
    https://docs.github.com/en/rest/actions/workflow-runs
    https://docs.github.com/en/rest/actions/artifacts
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import msgspec

from policygen.errors import IncompleteError, UsageError
from policygen.files import write_file
from policygen.text import escape_controls, pluralize

Api = Callable[[str], bytes]
"""A path of GitHub's REST API -> the body of the answer; raises `IncompleteError` where there is none."""

ARTIFACT = "policygen-plans"
"""What the action calls the artifact of a night."""

ORIGIN = "ORIGIN"
"""The file beside fetched plans that says where they are from."""

_EVENTS = frozenset({"schedule", "workflow_dispatch", "push"})
"""Events whose runs have the code of their own branch, and no stranger's."""

_MOST_BYTES = 1 << 30
"""Of plans, unpacked; 400 roles of a large account are 60 MB."""


class _Repository(msgspec.Struct):
    id: int


class _Run(msgspec.Struct):
    """A run, as GitHub lists it."""

    id: int
    path: str
    event: str
    head_branch: str | None
    head_sha: str
    status: str | None
    conclusion: str | None
    created_at: str
    repository: _Repository
    head_repository: _Repository | None = None


class _RunOfArtifact(msgspec.Struct):
    id: int | None = None
    repository_id: int | None = None
    head_repository_id: int | None = None
    head_sha: str | None = None


class _Artifact(msgspec.Struct):
    id: int
    name: str
    expired: bool
    digest: str | None = None
    workflow_run: _RunOfArtifact | None = None


class _Home(msgspec.Struct):
    id: int
    default_branch: str


class _Runs(msgspec.Struct):
    workflow_runs: list[_Run]


class _Artifacts(msgspec.Struct):
    artifacts: list[_Artifact]


class _Comparison(msgspec.Struct):
    status: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where fetched plans are from."""

    repository: str
    workflow: str
    run: int
    branch: str
    commit: str
    day: str
    """On which the run began, in UTC."""
    digest: str
    """Of the artifact, SHA-256 in hexadecimal."""
    files: Mapping[str, str]
    """Name of a plan's file -> its SHA-256 in hexadecimal."""

    @property
    def text(self) -> str:
        """The origin in words, without characters that could do anything."""
        told = f"run {self.run} of {self.workflow} on {self.branch} {self.commit[:12]}, sha256:{self.digest}"
        return escape_controls(told)


def fetch_plans(
    api: Api, repository: str, workflow: str, today: date, most_days: int | None
) -> tuple[Origin, Mapping[str, bytes]]:
    """Return the plans of the workflow's last success on the default branch, and where they are from.

    Args:
        api: asks GitHub.
        repository: OWNER/NAME.
        workflow: the name of its file.
        today: the day, in UTC.
        most_days: how old the run may be; None for any age.

    Raises:
        UsageError: PG-E253, the repository or the workflow is no name.
        IncompleteError: PG-E324, no plans of that origin.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or ".." in repository:
        raise _no_name("the repository", repository, "OWNER/NAME, as GITHUB_REPOSITORY has it")
    if not re.fullmatch(r"[\w.-]+\.ya?ml", workflow):
        raise _no_name(
            "the workflow", workflow, "the name of a file of .github/workflows: policygen-plans.yml"
        )
    base = f"repos/{repository}"
    home = _decode(api(base), _Home)
    branch = home.default_branch
    asked = f"branch={quote(branch, safe='')}&status=success&exclude_pull_requests=true&per_page=20"
    runs = _decode(api(f"{base}/actions/workflows/{quote(workflow)}/runs?{asked}"), _Runs).workflow_runs
    run = _trusted_run(runs, home, workflow)
    age = (today - _day(run.created_at)).days
    if most_days is not None and age > most_days:
        raise _refused(
            f"the last success of {workflow} on {branch} is {pluralize(age, 'day')} old, more than {most_days}"
        )
    if _decode(
        api(f"{base}/compare/{quote(branch, safe='')}...{quote(run.head_sha, safe='')}"), _Comparison
    ).status not in {
        "behind",
        "identical",
    }:
        raise _refused(
            f"run {run.id} of {workflow} is of commit {run.head_sha[:12]}, which is not on {branch}"
        )
    listed = _decode(api(f"{base}/actions/runs/{run.id}/artifacts?name={ARTIFACT}"), _Artifacts).artifacts
    artifact = _artifact_of(listed, run, home)
    packed = api(f"{base}/actions/artifacts/{artifact.id}/zip")
    digest = hashlib.sha256(packed).hexdigest()
    if artifact.digest is not None and artifact.digest != f"sha256:{digest}":
        raise _refused(
            f"the plans of run {run.id} are not those that it uploaded: their digest is sha256:{digest}"
        )
    plans = _unpacked(packed, run.id)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(plans.items())}
    return Origin(
        repository, workflow, run.id, branch, run.head_sha, run.created_at[:10], digest, files
    ), plans


def write_plans(folder: Path, origin: Origin, plans: Mapping[str, bytes]) -> None:
    """Write fetched plans into a folder, with `ORIGIN`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in plans.items():
        write_file(folder / name, content, private=True)
    write_file(folder / ORIGIN, json.dumps(asdict(origin), indent=1).encode(), private=True)


def origin_of(plan: Path) -> str:
    """Return where a plan's file is from, in words; "" where it was not fetched, or has changed since."""
    try:
        origin = msgspec.json.decode((plan.parent / ORIGIN).read_bytes(), type=Origin)
        same = origin.files.get(plan.name) == hashlib.sha256(plan.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""
    return origin.text if same else ""


def _trusted_run(runs: Sequence[_Run], home: _Home, workflow: str) -> _Run:
    """Return the newest run that may be believed.

    Raises:
        IncompleteError: PG-E324, none of them may.
    """
    doubts = [_doubt(run, home, workflow) for run in runs]
    trusted = [run for run, doubt in zip(runs, doubts, strict=True) if not doubt]
    if not trusted:
        why = f"; the newest of the others {doubts[0]}" if doubts else ""
        raise _refused(f"{workflow} has not succeeded on {home.default_branch} of this repository{why}")
    return max(trusted, key=lambda run: (run.created_at, run.id))


def _doubt(run: _Run, home: _Home, workflow: str) -> str:
    """Return why a run is not to be believed; "" where it is."""
    if run.repository.id != home.id or run.head_repository is None or run.head_repository.id != home.id:
        return "is of another repository"
    if run.head_branch != home.default_branch:
        return f"is of branch {run.head_branch}"
    if run.path.partition("@")[0] != f".github/workflows/{workflow}":
        return f"is of {run.path}"
    if run.event not in _EVENTS:
        return f"is of the event {run.event}"
    if (run.status, run.conclusion) != ("completed", "success"):
        return "did not succeed"
    return ""


def _artifact_of(listed: Sequence[_Artifact], run: _Run, home: _Home) -> _Artifact:
    """Return the plans of a run.

    Raises:
        IncompleteError: PG-E324, it has none, or not any more.
    """
    own = [
        one
        for one in listed
        if one.name == ARTIFACT
        and one.workflow_run is not None
        and (one.workflow_run.id, one.workflow_run.head_sha) == (run.id, run.head_sha)
        and (one.workflow_run.repository_id, one.workflow_run.head_repository_id) == (home.id, home.id)
    ]
    kept = [one for one in own if not one.expired]
    if not kept:
        raise _refused(f"run {run.id} has no plans{' any more: they have expired' if own else ''}")
    return max(kept, key=lambda one: one.id)


def _unpacked(packed: bytes, run: int) -> Mapping[str, bytes]:
    """Return the files of an archive of plans.

    Raises:
        IncompleteError: PG-E324, it is damaged, too large, or has something else than plans.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = archive.infolist()
            names = [one.filename for one in members]
            if sum(one.file_size for one in members) > _MOST_BYTES:
                raise _refused(f"the plans of run {run} are larger than {_MOST_BYTES >> 20} MiB")
            if strange := [one for one in names if not _is_plan(one)] or (
                names if len(set(names)) < len(names) else []
            ):
                raise _refused(f"the artifact of run {run} holds what is no plan: {strange[0][:80]!r}")
            plans = {one.filename: archive.read(one) for one in members}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _refused(f"the artifact of run {run} cannot be unpacked: {error}") from error
    if not plans:
        raise _refused(f"run {run} has no plans")
    return plans


def _is_plan(name: str) -> bool:
    """Return whether an archive's name is that of a plan's file, beside the others."""
    return PurePosixPath(name).name == name and "\\" not in name and name.endswith((".json", ".json.gz"))


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except ValueError as error:
        raise _refused(f"GitHub's answer cannot be read: {error}") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise _refused(f"GitHub's answer cannot be read: {text[:40]!r} is no time") from error


def _refused(why: str) -> IncompleteError:
    return IncompleteError(
        f"no plans to check by: {escape_controls(why)}",
        "in GitHub Actions run the workflow with mode: plan on the default branch",
        code="PG-E324",
    )


def _no_name(what: str, value: str, form: str) -> UsageError:
    return UsageError(
        f"{what} {escape_controls(value)[:80]!r} is no name", f"its form: {form}", code="PG-E253"
    )
