"""Compare the processor time of commands on the samples with that of importing boto3 and pandas, which no command does.

    python bench/bench_startup.py [REPEATS]

Each measurement is a fresh process, and they alternate. Before the first of them each command runs once, so that
Python's bytecode is there; `suggest` reads all logs each time, and saves the plan that `check` asks. Prints the medians
of user and system time in seconds, and the ratio of each to the import.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
POLICYGEN = [sys.executable, "-m", "policygen"]
LOGS = ["--logs", str(SAMPLES / "trail"), "--snapshot", str(SAMPLES / "account.json")]
PLAIN = "import boto3, pandas"
POLICY = "orders-api.policy.json"
COMMANDS = {
    PLAIN: [sys.executable, "-c", PLAIN],
    "help": [*POLICYGEN, "--help"],
    "suggest": [*POLICYGEN, "suggest", "--role", "orders-api", "--days", "30", *LOGS],
    "check": [*POLICYGEN, "check", POLICY, "--plan", "orders-api"],
}

WRITE_POLICY = [*POLICYGEN, "report", "orders-api", "--export", POLICY]


def processor_seconds(command: list[str], folder: Path) -> float:
    """Run a command in a folder, with a cache of its own; return its user and system time."""
    environment = {**os.environ, "POLICYGEN_CACHE": f"{folder}/cache"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for command in (COMMANDS["suggest"], WRITE_POLICY, *COMMANDS.values()):
            processor_seconds(command, folder)
        for _ in range(repeats):
            for name, command in COMMANDS.items():
                times[name].append(processor_seconds(command, folder))
    typical = {name: statistics.median(found) for name, found in times.items()}
    ratios = {name: round(seconds / typical[PLAIN], 2) for name, seconds in typical.items()}
    rounded = {name: round(seconds, 3) for name, seconds in typical.items()}
    print(json.dumps({"seconds": rounded, "to_import": ratios}))


if __name__ == "__main__":
    main()
