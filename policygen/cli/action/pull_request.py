"""The check of a pull request: by the plans of the night, by what the base branch accepts, and told in one comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from policygen.cli.action.plans import FETCH_ERRORS
from policygen.cli.action.runner import Runner, annotate, cause, not_done

_NOTHING_ACCEPTED = '{"policygen_baseline": 1, "accepted": []}\n'
_NOT_CHECKED = "gate **not checked**"
_TITLE = "policygen gate not checked"
_MARKER = re.compile(r"<!-- policygen:check:([^: ]*):([^ ]*) -->")
"""How a comment of the check begins: the account, "" where no plan tells it, and the role."""

_MADE = {
    "comment": "comment.md",
    "sarif": "policygen.sarif",
    "junit": "junit.xml",
    "baseline": "policygen-baseline.json",
}
"""The outputs of the check, and their files."""


# --- The base branch ---


def read_base_branch(runner: Runner) -> None:
    """Read what the base branch says of the gate: from GitHub, since the checkout may be shallow, or a fork's alone."""
    before = _before(runner)
    for one in before.glob("*"):
        one.unlink()
    branch = runner.value("BASE_REF")
    base = f"refs/heads/{branch}" if branch else runner.value("QUEUE_BASE")
    if not base:
        return
    before.mkdir(exist_ok=True)
    if not runner.value("GH_TOKEN"):
        reason = "github-token is empty, so what the base branch accepts cannot be read"
        runner.refuse(f"{reason}: leave the input out, or give it a token", _TITLE, _NOT_CHECKED)
    if not _read_file(runner, "policygen.toml", base, before / "policygen.toml"):
        _read_file(runner, "pyproject.toml", base, before / "pyproject.toml")
    baseline = runner.value("BASELINE").removeprefix("./")
    if baseline and not _read_file(runner, baseline, base, before / "baseline.json"):
        (before / "baseline.json").write_text(_NOTHING_ACCEPTED, "utf-8")
        annotate("notice", "the base branch has no baseline: every finding counts")


def _before(runner: Runner) -> Path:
    return runner.temporary("policygen-before")


def _read_file(runner: Runner, path: str, base: str, to: Path) -> bool:
    """Return whether the base branch has the file, and write it; the job ends where GitHub does not say."""
    place = f"repos/{runner.value('GITHUB_REPOSITORY')}/contents/{quote(path)}?ref={quote(base)}"
    ended = runner.github("--header", "Accept: application/vnd.github.raw+json", place)
    if not ended.code:
        to.write_bytes(ended.output)
        return True
    if "HTTP 404" not in ended.errors:
        runner.refuse(f"{path} of {base} could not be read: {ended.errors}", _TITLE, _NOT_CHECKED)
    return False


# --- The check ---


def check_change(runner: Runner) -> None:
    """Check the policies, and put out the files that tell of it; a later step ends the job as this one says."""
    out = Path(runner.value("OUT"))
    out.mkdir(parents=True, exist_ok=True)
    for name in _MADE.values():
        (out / name).unlink(missing_ok=True)
    policies = runner.lines("POLICY")
    options = [*_baseline_options(runner), *_options(runner, policies)]
    if int(runner.value("FETCHED") or 0):  # without plans of the night there is nothing to compare with
        status = int(runner.value("FETCHED"))
        errors = runner.temporary(FETCH_ERRORS).read_text("utf-8")
        runner.summarize(not_done(_NOT_CHECKED, errors))
    else:
        exports = (f"--export={out / _MADE[name]}" for name in ("comment", "sarif", "junit"))
        words = ("--summary", "--format=github", *exports, "--", *policies)
        ended = runner.policygen("check", *options, *words, shown=True)
        status, errors = ended.code, ended.errors
    if status > 1 and not (out / _MADE["comment"]).exists():
        _tell_of_no_report(runner, errors, out / _MADE["comment"])
    if status == 1:  # what the owners of the baseline may take, beside all that is accepted already
        accepted = _before(runner) / "baseline.json"
        known = runner.value("BASELINE")
        if known and not Path(known).exists() and accepted.exists():
            options.append(f"--baseline={accepted}")
        runner.policygen(
            "check", *options, f"--write-baseline={out / _MADE['baseline']}", "--", *policies, shown=True
        )
    paths = {name: out / file for name, file in _MADE.items()}
    runner.put_out(
        **{name: str(path) if path.exists() else "" for name, path in paths.items()}, status=str(status)
    )


def _baseline_options(runner: Runner) -> Iterator[str]:
    baseline = runner.value("BASELINE")
    before = _before(runner) / "baseline.json"
    if baseline and Path(baseline).exists():
        yield f"--baseline={baseline}"
        if before.exists():
            yield f"--baseline-before={before}"
    elif baseline:
        annotate(
            "notice",
            "there is no baseline yet: every finding counts; policygen check --write-baseline writes one",
        )


def _options(runner: Runner, policies: list[str]) -> Iterator[str]:
    yield "--quiet"
    for option, name in (("fail-on", "FAIL_ON"), ("max-plan-age", "MAX_PLAN_AGE")):
        if value := runner.value(name):
            yield f"--{option}={value}"
    if not policies:
        for name in ("policygen.toml", "pyproject.toml"):
            if (file := _before(runner) / name).exists():
                yield f"--roles-before={file}"
    roles = runner.lines("ROLES")
    yield from (f"--plan={role}" for role in roles)
    if not roles:
        yield "--all"


def _tell_of_no_report(runner: Runner, errors: str, comment: Path) -> None:
    """Tell of a check that ended before any role, in an annotation and in the comment."""
    annotate("error", cause(errors), _TITLE)
    account, role = "", "%2A"
    if len(roles := runner.lines("ROLES")) == 1:
        role = roles[0].rpartition("/")[2]
        if re.match("arn:[^:]*:[^:]*:[^:]*:[^:]*:.*/", roles[0]):
            account = roles[0].split(":")[4]
    comment.write_text(
        f"<!-- policygen:check:{account}:{role} -->\n\n{not_done(_NOT_CHECKED, errors)}", "utf-8"
    )


# --- The comment ---


def write_comment(runner: Runner) -> None:
    """Write the comment, over the one of an earlier check of the same role."""
    comment = Path(runner.value("OUT"), _MADE["comment"]).absolute()
    body = comment.read_text("utf-8")
    issues = f"repos/{runner.value('GITHUB_REPOSITORY')}/issues"
    comments = f"{issues}/{runner.value('NUMBER')}/comments"
    listed = runner.github("--paginate", comments)
    found = [one["id"] for one in _pages(listed.output) if _is_same(one, body)] if not listed.code else []
    write = ("PATCH", f"{issues}/comments/{found[-1]}") if found else ("POST", comments)
    if runner.github("--silent", "--method", *write, "--field", f"body=@{comment}").code:
        reason = "the comment was not written: the token needs pull-requests: write, which forks do not get"
        annotate("warning", reason)


def _pages(answer: bytes) -> Iterator[dict[str, Any]]:
    """Yield the comments of all pages, which `gh` writes one after the other, each a list of its own."""
    text, decoder = answer.decode("utf-8", "replace").strip(), json.JSONDecoder()
    while text:
        page, end = decoder.raw_decode(text)
        yield from page
        text = text[end:].lstrip()


def _is_same(comment: dict[str, Any], body: str) -> bool:
    """Return whether an earlier comment is of the same role; where one of them tells no account, it fits any."""
    own, other = _MARKER.match(body), _MARKER.match(comment.get("body") or "")
    if not own or not other or comment["user"]["type"] != "Bot":
        return False
    return own[2] == other[2] and (own[1] == other[1] or not own[1] or not other[1])
