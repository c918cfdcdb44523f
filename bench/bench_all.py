"""Measure all that docs/concepts/performance.md shows, and write the page: some twenty minutes of a quiet machine.

    python bench/bench_all.py [EVENTS] [REPEATS] [--corpus FOLDER] [--write]

Runs `bench_reader` (the other programs once), `bench_commands` and `bench_frames`, one after the other, on one corpus.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures all that the page on performance shows.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("repeats", type=int, nargs="?", default=3)
    parser.add_argument("--corpus", type=Path, help="where the corpora are, or are to be kept")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        more = ["--corpus", str(options.corpus or temporary), *(["--write"] if options.write else [])]
        for script, repeats in (
            ("bench_reader.py", [str(options.repeats), "--others", "1"]),
            ("bench_commands.py", [str(options.repeats)]),
            ("bench_frames.py", ["1"]),
        ):
            subprocess.run([sys.executable, HERE / script, str(options.events), *repeats, *more], check=True)


if __name__ == "__main__":
    main()
