"""Measure `suggest` for a role that makes up names by the million: each kind of `bench.corpora.names`, a row each.

    python -m bench.bench_names [EVENTS] [KIND ...]

Prints a table in Markdown: CPU seconds and peak memory of a fresh process, and the resources of the policy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .corpora.names import KINDS, ROLE, write

SUGGEST = [sys.executable, "-m", "policygen", "suggest", "-r", ROLE, "-q", "-f", "policy", "--no-cache"]


def row(kind: str, events: int) -> str:
    """Write the corpus of a kind, measure, and return the row."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out:
        # In a process of its own: the system never reports a child's peak memory as less than its parent's.
        if (child := os.fork()) == 0:
            list(write(Path(folder), kind, events))
            os._exit(0)
        os.waitpid(child, 0)
        process = subprocess.Popen([*SUGGEST, "--logs", folder], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    statements = json.loads(text)["Statement"] if process.returncode == 0 else []
    granted = ", ".join(resource for one in statements for resource in one["Resource"])
    seconds = usage.ru_utime + usage.ru_stime
    shown = granted[:80] or f"exit {process.returncode}"
    return f"| {kind} | {events:,} | {seconds:.1f} | {usage.ru_maxrss // 1024} | {shown} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures roles that make up names.")
    parser.add_argument("events", type=int, nargs="?", default=500_000)
    parser.add_argument(
        "kinds", nargs="*", choices=[*KINDS, []], default=[one for one in KINDS if one != "tables"]
    )
    options = parser.parse_args()
    print("| names | events | CPU s | MB | the policy allows |\n|---|--:|--:|--:|---|")
    for kind in options.kinds:
        print(row(kind, options.events), flush=True)


if __name__ == "__main__":
    main()
