"""Render the measurements as a table, and as the page docs/concepts/performance.md."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple

from baselines.contenders import PLAIN

JOBS = {
    "floor": "unpack every file",
    "one role": "the busiest role, cold",
    "one role, as `suggest`": "the busiest role, as `suggest` reads",
    "rare role": "a rare role, cold",
    "rare role, as `suggest`": "a rare role, as `suggest` reads",
    "all roles": "all roles, cold",
    "again": "the busiest role, one new day of 30",
    "small floor": "unpack every file of ten records",
    "small files": "the busiest role, files of ten records",
}
"""Job -> its name in the table, in the table's order."""


COMMANDS, FRAMES = "## Whole commands", "## A log as a frame"
COMPILED = "## What a compiled part would give"
SECTIONS = (COMMANDS, FRAMES, COMPILED)
"""The heads of the last sections: those which `bench_commands` and `bench_frames` write, and one about a prototype."""


class Measured(NamedTuple):
    """All runs of a contender at one job."""

    name: str
    job: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    peak: float
    """Peak memory in MB."""
    events: int | None
    """The number of events that it counted; None if it prints none."""
    groups: int | None


class Setting(NamedTuple):
    """The corpus and the machine of a measurement."""

    corpus: dict[str, Any]
    """The content of corpus.json."""
    packed: int
    """Bytes of all compressed files."""
    cores: int
    repeats: int
    others: int
    """Repeats of the other programs."""
    missing: tuple[str, ...]
    """A line for each contender that is not installed."""


def with_sections(text: str, sections: Mapping[str, str]) -> str:
    """Return the page with these last sections, by their heads; those that it has already stay in its place."""
    main = re.split(f"^(?:{'|'.join(SECTIONS)})$", text, maxsplit=1, flags=re.MULTILINE)[0]
    found = sections_of(text) | sections
    return "\n\n".join([main.rstrip(), *(found[head].rstrip() for head in SECTIONS if head in found)]) + "\n"


def sections_of(text: str) -> dict[str, str]:
    """Return the last sections of the page, by their heads."""
    parts = re.split("^(?=## )", text, flags=re.MULTILINE)
    return {head: part for part in parts if (head := part.partition("\n")[0]) in SECTIONS}


def table(measured: Sequence[Measured]) -> str:
    """Return a Markdown table: medians, their spread, and ratios of CPU time to the floor's and plain Python's."""
    cpu = {(one.name, one.job): median(one.cpu) for one in measured}
    floor = next((seconds for (_, job), seconds in cpu.items() if job == "floor"), None)
    lines = [
        "| job | pass | s | min–max | CPU s | × floor | × plain Python | peak MB | events | groups |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for job, what in JOBS.items():
        plain = cpu.get((PLAIN, job if job == "all roles" else "one role"))
        base = cpu.get(("python-isal", "small floor")) if job.startswith("small") else floor
        rows = [one for one in measured if one.job == job]
        for one in sorted(rows, key=lambda one: cpu[one.name, one.job]):
            seconds = cpu[one.name, one.job]
            cells = [
                what,
                one.name,
                f"{median(one.seconds):.2f}",
                f"{min(one.seconds):.2f}–{max(one.seconds):.2f}",
                f"{seconds:.2f}",
                _ratio(seconds, base),
                "" if "floor" in job else _ratio(seconds, plain),
                f"{one.peak:,.0f}",
                "" if one.events is None else f"{one.events:,}",
                "" if one.groups is None else f"{one.groups:,}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(seconds: float, base: float | None) -> str:
    return f"{seconds / base:.2f}" if base else ""


def page(setting: Setting, measured: Sequence[Measured]) -> str:
    """Return the text of docs/concepts/performance.md."""
    corpus = setting.corpus
    options = f"--others {setting.others} --roles {corpus['roles']} --accounts {corpus['accounts']}"
    return _PAGE.format(
        command=f"python bench/bench_reader.py {corpus['events']} {setting.repeats} {options} --write",
        events=f"{corpus['events']:,}",
        roles=f"{corpus['roles']:,}",
        accounts=corpus["accounts"],
        files=f"{corpus['files']:,}",
        packed=f"{setting.packed / 1e6:,.0f} MB",
        unpacked=f"{corpus['json_bytes'] / 1e6:,.0f} MB",
        day=datetime.now(UTC).date(),
        cores=setting.cores,
        machine=f"{platform.machine()}, {platform.system()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        repeats=setting.repeats,
        others=setting.others,
        table=table(measured),
        left_out="".join(f"\nLeft out: {line}.\n" for line in setting.missing),
    )


_PAGE = """# Performance

How long it takes to turn a month of CloudTrail files into what each role did, compared with other ways to do the same.

```sh
{command}
```

makes the logs, measures, and writes this page but for its last sections; `python bench/bench_all.py --write` writes
those as well. It needs the `dev` extra; the other tools are used where they are installed; policygen does not depend on
them.

## What is read

{events} invented events of {roles} roles, in {files} files as an organization's trail delivers them:
{packed} packed, {unpacked} of JSON. Accounts: {accounts}; three regions, thirty days. The busiest role makes 6 % of
the events, and there is a long tail of roles and of operations; 16 % are data events, 5 % failed, 8 % are of
no role; some records are delivered twice, some are another account's copy of a call. `bench/corpora/trail.py` says
more; it makes the same bytes every time, for one version of Python, zlib and botocore. Real logs differ in all of
this, most of all in the number of files: what counts here are the ratios.

## What is done

- **Unpack every file**: the floor. Nothing can read the logs in less time with the same library.
- **The busiest role, cold**: what it did, with an empty cache. The busiest role is the hardest.
- **A rare role, cold**: what a role of a few hundred events did.
- **As `suggest` reads**: the same two, without the logs of other accounts that
  [can be left out](../reference/logs.md#logs-of-other-accounts). The logs are invented so that some records of the
  role's own account are missing, and of these calls the copies are left out too. The account of the rare role has no
  file of many days in one of the three regions, so there the files of others are read.
- **All roles, cold**: what every role did.
- **The busiest role, one new day of 30**: a second run. The first, not timed, has read the other 29 days.
- **Files of ten records**: the same records, each file cut into many; the ratio is to unpacking these.

*What a role did* is, in every pass, groups of calls with their count, first and last time. A group is the role,
event source, event name, region, error, service between, day, identifying parameters and ARNs.

- **policygen** keeps more of each group: users, sessions, addresses, event ids. Calls of all roles go to
  disk and come back role by role, as in `policygen batch`.
- **gzip + json** (plain Python) is `bench/baselines/reference.py`: the shortest program that counts the same events.
  It shares no code with policygen, and the benchmark stops where the two count differently.
- **DuckDB**, **pandas** and **jq** make the same groups but do less: they count duplicates and other accounts'
  copies as they come.
- **trailscraper** selects the role's records and writes a policy of them; it prints no counts.

## What was measured

| | |
|---|---|
| measured on | {day} |
| machine | {cores} cores, {machine} |
| Python | {python} |
| runs | {repeats} of policygen and the floor, {others} of the others, in alternation |

{table}
{left_out}
Each run is a fresh process on the same one core. Seconds are medians and include the start of the process; the files
are in the page cache; *min–max* is the noise of the machine. *CPU s* is the computing alone, all processes of a pass
together; the ratios compare its medians. *Peak MB* is the resident memory of the largest process.
"""
