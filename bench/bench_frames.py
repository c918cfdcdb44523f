"""Measure what it takes to have a log as a frame: `policygen.load`, `pandas.json_normalize` and DuckDB.

    python bench/bench_frames.py [EVENTS] [REPEATS] [--part 50000] [--roles 400] [--accounts 5] [--corpus FOLDER]
        [--write]

Makes the corpus (or uses the one in FOLDER), then runs all three in turn, REPEATS times, each in a fresh process pinned
to one core. json_normalize reads about ``--part`` records, of files throughout the log: a machine of 24 GB has no room
for more than some hundred thousand. Prints a table; ``--write`` writes it into docs/concepts/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from baselines.contenders import FOLDER
from bench_page import FRAMES, with_sections
from bench_reader import PAGE, Run, corpus_in, log_line, pin, run

OURS, NORMALIZE, DUCKDB = "`pg.load(logs).requests`", "`pandas.json_normalize`", "DuckDB"

_LOAD = """
import json, sys
import policygen as pg
rows = len(pg.load(sys.argv[1], days=40).requests)
print(json.dumps({"records": int(sys.argv[2]), "rows": rows}))
"""


def commands(logs: Path, events: int, part: int) -> dict[str, list[str]]:
    """Return what is measured: a name, and its command."""
    script = str(FOLDER / "to_frame.py")
    return {
        OURS: [sys.executable, "-c", _LOAD, str(logs), str(events)],
        DUCKDB: [sys.executable, script, "duckdb", str(logs), str(events)],
        NORMALIZE: [sys.executable, script, "pandas", str(logs), str(max(1, events // part))],
    }


def table(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a Markdown table, with ratios to policygen by record."""
    lines = [
        "| frame | records | rows | CPU s | µs a record | peak MB | kB a record | × time | × memory |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    ours = _costs(runs[OURS])
    for name, own in runs.items():
        time, memory = _costs(own)
        cells = [
            name,
            f"{own[0].output['records']:,}",
            f"{own[0].output['rows']:,}",
            f"{median(one.cpu for one in own):.1f}",
            f"{1e6 * time:.0f}",
            f"{max(one.peak for one in own):,.0f}",
            f"{1e3 * memory:.1f}",
            f"{time / ours[0]:.1f}",
            f"{memory / ours[1]:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _costs(runs: Sequence[Run]) -> tuple[float, float]:
    """Return CPU seconds and megabytes of one record."""
    records = runs[0].output["records"]
    return median(one.cpu for one in runs) / records, max(one.peak for one in runs) / records


def section(runs: Mapping[str, Sequence[Run]], command: str) -> str:
    """Return the section of the page."""
    return f"""{FRAMES}

What it takes to have what all roles asked for in a frame of pandas, from the same logs.

```sh
{command}
```

{table(runs)}

Measured on {datetime.now(UTC).date()}, each in fresh processes on the same one core. *× time* and *× memory* compare a
record's share with that of `pg.load`, whose rows are permissions: an action on a resource, a day and a user. DuckDB
groups by the parameters that are named to it, and knows no permissions. json_normalize was given records of some files
throughout the log, since its memory grows with their number times the fields of any of them.
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measures logs as frames.")
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("repeats", type=int, nargs="?", default=1)
    parser.add_argument("--part", type=int, default=50_000, help="records for json_normalize")
    parser.add_argument("--roles", type=int, default=400)
    parser.add_argument("--accounts", type=int, default=5)
    parser.add_argument("--corpus", type=Path, help="where the corpus is, or is to be kept")
    parser.add_argument("--write", action="store_true", help="write docs/concepts/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        corpus = corpus_in(folder, options.events, options.roles, options.accounts)
        pin()
        wanted = commands(corpus.logs, options.events, options.part)
        runs: dict[str, list[Run]] = {name: [] for name in wanted}
        for _ in range(options.repeats):
            for name, command in wanted.items():
                runs[name].append(run(command))
                log_line(f"{name}: {runs[name][-1].cpu:.1f} s, {runs[name][-1].peak:.0f} MB")
    print(table(runs))
    if options.write:
        command = (
            f"python bench/bench_frames.py {options.events} {options.repeats} --part {options.part} --write"
        )
        PAGE.write_text(with_sections(PAGE.read_text("utf-8"), {FRAMES: section(runs, command)}), "utf-8")


if __name__ == "__main__":
    main()
