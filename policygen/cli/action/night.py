"""The plans of a night: one of each role, made with access to logs and account.

A role that cannot be planned does not stop the others, and keeps the plan of an earlier night. The step after the
upload ends the job as this one says.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policygen.cli.action.runner import Ended, Runner, annotate, cause, commands_stopped

_UNUSED = re.compile(r"^error: .*PG-E30[13], exit 4$", re.M)
"""A role made no call, or none that was allowed."""

_OF_ACCOUNT = re.compile("(.+)-[0-9]{12}")
_EMPTY = 4


@dataclass
class _Night:
    """What came of it: how many plans, the first exit code that fails it, and what people are told at its end."""

    made: int = 0
    status: int = 0
    told: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, text: str, status: int) -> None:
        self.told.append(("error", text))
        self.status = self.status or status


def make_plans(runner: Runner) -> None:
    """Make the plans of the roles that are asked for, of those of policygen.toml, or of the account."""
    out, plans = Path(runner.value("OUT")), Path(runner.value("PLANS"))
    for folder in (out, plans):
        folder.mkdir(parents=True, exist_ok=True)
    night = _Night()
    with commands_stopped():
        roles = runner.lines("ROLES") or _configured(runner, night)
        if roles:
            _plan_roles(runner, night, roles, plans)
        elif not night.status:
            _plan_account(runner, night, out / "batch", plans)
    if not night.made and not night.status:
        night.fail("no plan was made", _EMPTY)
    for level, text in night.told:
        annotate(level, text, "policygen plan")
    runner.put_out(kept=str(bool(night.made)).lower(), status=str(night.status))


def _configured(runner: Runner, night: _Night) -> list[str]:
    ended = runner.policygen("config", "--format=json")
    if ended.code:
        night.fail(cause(ended.errors), ended.code)
        return []
    return list(json.loads(ended.output)["roles"])


def _options(runner: Runner) -> list[str]:
    snapshot = runner.value("SNAPSHOT")
    return [
        f"--days={runner.value('DAYS')}",
        "--quiet",
        *(f"--logs={one}" for one in runner.lines("LOGS")),
        f"--snapshot={snapshot}" if snapshot else "--live",
        *(["--allow-incomplete"] if runner.value("ALLOW_INCOMPLETE") == "true" else []),
    ]


def _plan_roles(runner: Runner, night: _Night, roles: Sequence[str], plans: Path) -> None:
    failed = []
    for role in roles:
        asked = ("suggest", *_options(runner), f"--role={role}", f"--plans={plans}", "--summary")
        ended = runner.policygen(*asked, shown=True)
        if not ended.code:
            night.made += 1
            _supersede(plans, role.rpartition("/")[2])
        elif _UNUSED.search(ended.errors):
            night.told.append(("warning", f"{role}: {cause(ended.errors)}"))
        else:
            failed.append(role)
            night.fail(f"{role}: {cause(ended.errors)}", ended.code)
    if failed:
        night.fail(f"no plan of {len(failed)} of {len(roles)} roles: {', '.join(failed)}", night.status)


def _plan_account(runner: Runner, night: _Night, out: Path, plans: Path) -> None:
    """Plan every role; a batch that fails has written the plans of all roles but the failed ones."""
    ended = runner.policygen("batch", *_options(runner), f"--out={out}")
    _show(runner, ended)
    if ended.code:
        night.fail(cause(ended.errors), ended.code)
    made = list((out / "plans").glob("*.json*"))
    for plan in made:
        name = plan.name.removesuffix(".gz").removesuffix(".json")
        _supersede(plans, name)
        if bare := _OF_ACCOUNT.fullmatch(name):
            _remove(plans, f"{bare[1]}.json", f"{bare[1]}.json.gz")
        _remove(plans, f"{name}.json")
    night.made = len(made)
    if made:
        shutil.copytree(out / "plans", plans, dirs_exist_ok=True)


def _show(runner: Runner, ended: Ended) -> None:
    screen = ended.output.decode("utf-8", "replace")
    print(screen, end="", flush=True)
    runner.summarize(f"````text\n{screen}````\n")


def _supersede(plans: Path, name: str) -> None:
    """Remove what an earlier night has of a role by any other name than ``NAME.json``."""
    of_accounts = re.compile(re.escape(name) + r"-[0-9]{12}\.json(\.gz)?")
    _remove(
        plans, f"{name}.json.gz", *(one.name for one in plans.iterdir() if of_accounts.fullmatch(one.name))
    )


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
