"""Run the outside judge of policy evaluation, in a process of its own. See README.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_MODULES = Path("node_modules", "@cloud-copilot", "iam-simulate")
_OUTCOMES = {
    "Allowed": "ALLOWED",
    "ExplicitlyDenied": "EXPLICIT_DENY",
    "ImplicitlyDenied": "IMPLICIT_DENY",
}


def folder() -> Path:
    """Return the folder with the judge's node_modules: this one, or the one in POLICYGEN_ORACLE."""
    return Path(os.environ.get("POLICYGEN_ORACLE") or Path(__file__).parent).resolve()


def available() -> bool:
    """Whether node and the simulator are installed."""
    return shutil.which("node") is not None and (folder() / _MODULES).is_dir()


def row(
    policies: Sequence[dict[str, Any]],
    action: str,
    resource: str,
    context: dict[str, Sequence[str]] | None = None,
    boundary: dict[str, Any] | None = None,
    scps: Sequence[Sequence[dict[str, Any]]] = (),
    rcps: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return one row for the judge: policy documents, and a request with all its condition keys in `context`.

    `scps` are the levels of an organization. `rcps` do not include RCPFullAWSAccess: the judge adds it.
    """
    present = {key: list(values) for key, values in (context or {}).items() if values}
    return {
        "policies": list(policies),
        "boundary": boundary,
        "scps": [list(level) for level in scps],
        "rcps": list(rcps),
        "action": action,
        "resource": resource,
        "context": present,
    }


def judge(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the outcome of each row in policygen's words, or ``error: …``. One process judges all rows."""
    here = Path(__file__).with_name("judge.mjs")
    if folder() != here.parent:  # node looks for modules beside the program
        copy = folder() / here.name
        copy.write_bytes(here.read_bytes())
        here = copy
    answer = subprocess.run(
        ["node", str(here)],
        input="".join(json.dumps(each) + "\n" for each in rows),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=True,
    )
    decisions = [_OUTCOMES.get(line, line) for line in answer.stdout.splitlines()]
    if len(decisions) != len(rows):
        raise RuntimeError(f"{len(rows)} questions, {len(decisions)} answers: {answer.stderr[-500:]}")
    return decisions
