"""Runs one step of the action: ``python -I -m policygen.cli.action STEP``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from policygen.cli.action import night, plans, pull_request
from policygen.cli.action.runner import Runner

STEPS: Mapping[str, Callable[[Runner], None]] = {
    "empty-plans": plans.empty,
    "fetch-plans": plans.fetch,
    "plan": night.make_plans,
    "base-branch": pull_request.read_base_branch,
    "check": pull_request.check_change,
    "comment": pull_request.write_comment,
}

if __name__ == "__main__":
    STEPS[sys.argv[1]](Runner(dict(os.environ)))
