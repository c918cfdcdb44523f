"""Compare the time of `suggest` with plain ``gzip`` + ``json.loads`` of the same files, on one core.

    python bench/bench_suggest.py [EVENTS] [REPEATS]

Each measurement is a fresh process; the two alternate. Prints the medians, their ratio, and the peak memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PLAIN = """
import gzip, json, pathlib, sys
n = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json.gz")):
    n += len(json.loads(gzip.decompress(path.read_bytes()))["Records"])
print(n)
"""
OURS = "import sys; sys.argv[0] = 'policygen'; from policygen.cli.start import start_command_line; start_command_line()"


def measure(command: list[str]) -> tuple[float, int]:
    """Run a command; return its seconds and its peak resident memory in MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command[:4])}")
    return time.perf_counter() - begin, usage.ru_maxrss // 1024


def main() -> None:
    """Measure and print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: the system never reports a child's peak memory as less than its parent's.
        maker = [sys.executable, "-m", "bench.corpora.trail", folder, str(events)]
        subprocess.run(maker, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        role = json.loads((Path(folder) / "corpus.json").read_text("utf-8"))["hot_role"]
        logs = str(Path(folder) / "AWSLogs")
        plain = [sys.executable, "-c", PLAIN, logs]
        ours = [sys.executable, "-c", OURS, "suggest", "-r", role, "--logs", logs, "-q", "-f", "policy"]
        times: dict[str, list[tuple[float, int]]] = {"plain": [], "suggest": []}
        for _ in range(repeats):
            times["plain"].append(measure(plain))
            times["suggest"].append(measure(ours))
    result = {
        name: {
            "seconds": round(statistics.median(t for t, _ in runs), 2),
            "peak_mib": max(memory for _, memory in runs),
        }
        for name, runs in times.items()
    }
    ratio = result["suggest"]["seconds"] / result["plain"]["seconds"]
    print(json.dumps({"events": events, **result, "suggest_to_plain": round(ratio, 2)}))


if __name__ == "__main__":
    main()
