"""The table of what was measured, and docs/concepts/performance.md around it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from baselines.contenders import PLAIN

JOBS = {
    "floor": "unpack every file",
    "one role": "one role, cold",
    "all roles": "all roles, cold",
    "again": "one role, one new day of 30",
}
"""How a job is called in the table, in its order."""


class Measured(NamedTuple):
    """All runs of a contender at one job."""

    name: str
    job: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    peak: float
    """MB."""
    events: int | None
    """As it counted them; None where it does not say."""
    groups: int | None


class Setting(NamedTuple):
    """What was measured, and on what."""

    corpus: dict[str, Any]
    """What corpus.json says."""
    packed: int
    """Bytes of all files as stored."""
    cores: int
    repeats: int
    missing: tuple[str, ...]
    """A line for each that could not run."""


def table(found: Sequence[Measured]) -> str:
    """A table in Markdown: medians, their spread, and ratios of the computing to the floor's and plain Python's."""
    cpu = {(one.name, one.job): median(one.cpu) for one in found}
    floor = next((seconds for (_, job), seconds in cpu.items() if job == "floor"), None)
    lines = [
        "| job | pass | s | min–max | CPU s | × floor | × plain Python | peak MB | events | groups |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for job, what in JOBS.items():
        plain = cpu.get((PLAIN, "one role" if job == "again" else job))
        rows = [one for one in found if one.job == job]
        for one in sorted(rows, key=lambda one: cpu[one.name, one.job]):
            own = cpu[one.name, one.job]
            cells = [
                what,
                one.name,
                f"{median(one.seconds):.2f}",
                f"{min(one.seconds):.2f}–{max(one.seconds):.2f}",
                f"{own:.2f}",
                _ratio(own, floor),
                _ratio(own, plain),
                f"{one.peak:,.0f}",
                "" if one.events is None else f"{one.events:,}",
                "" if one.groups is None else f"{one.groups:,}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(seconds: float, base: float | None) -> str:
    return f"{seconds / base:.2f}" if base else ""


def page(setting: Setting, found: Sequence[Measured]) -> str:
    """The whole of docs/concepts/performance.md."""
    made = setting.corpus
    options = f"--roles {made['roles']} --accounts {made['accounts']}"
    return _PAGE.format(
        command=f"python bench/bench_reader.py {made['events']} {setting.repeats} {options} --write",
        events=f"{made['events']:,}",
        roles=f"{made['roles']:,}",
        accounts=made["accounts"],
        files=f"{made['files']:,}",
        packed=f"{setting.packed / 1e6:,.0f} MB",
        unpacked=f"{made['json_bytes'] / 1e6:,.0f} MB",
        cores=setting.cores,
        machine=f"{platform.machine()}, {platform.system()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        repeats=setting.repeats,
        table=table(found),
        left_out="".join(f"\nLeft out: {line}.\n" for line in setting.missing),
    )


_PAGE = """# Performance

How long it takes to turn a month of CloudTrail files into what each role did, beside other ways to do the same.

```sh
{command}
```

makes the logs, measures, and writes this page. It needs the `dev` extra; the other tools are used where they are
installed and are no dependency of policygen.

## What is read

{events} invented events of {roles} roles, in {files} files as an organisation's trail delivers them:
{packed} packed, {unpacked} of JSON. Accounts: {accounts}; three regions, thirty days. The busiest role makes 6 % of
the events, and there is a long tail of roles and of operations; 16 % are data events, 5 % failed, 8 % are of
no role; some records are delivered twice, some are another account's copy of a call. `bench/corpora/trail.py` says
more; it makes the same bytes every time, for one version of Python, zlib and botocore. Real logs differ in all of
this, most of all in the number of files: what counts here are the ratios.

## What is done

- **Unpack every file**: the floor. Nobody can know what is in the logs in less time with the same library.
- **One role, cold**: what the busiest role did, nothing known before. The busiest is the hardest.
- **All roles, cold**: what every role did.
- **One role, one new day of 30**: a second run. The first, not timed, has read the other 29 days.

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
| machine | {cores} cores, {machine} |
| Python | {python} |
| runs | {repeats} of each, in alternation, each a fresh process on the same one core |

{table}
{left_out}
Seconds are medians and include the start of the process; the files are in the page cache; *min–max* is the noise of
the machine. *CPU s* is the computing alone, all processes of a pass together; the ratios compare its medians.
*Peak MB* is the resident memory of the largest process.
"""
