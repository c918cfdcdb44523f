"""Write an organisation's trail of any size: many roles, many services, records as CloudTrail writes them.

    python -m bench.corpora.trail FOLDER [EVENTS] [--roles 400] [--accounts 5] [--workers 2] [--seed 1]

Run it in the root of the repository. It writes FOLDER/AWSLogs, and FOLDER/corpus.json with the corpus's parameters. For
one account with many roles use ``--roles 1000 --accounts 1``.

The bytes are the same with any number of workers, for one version of Python, zlib and botocore. There are five
accounts, three regions and thirty days. File names are those of an organisation's trail (2.1). A million events are
about 1.6 GB of JSON in 3,000 files.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from math import log
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from .organization.operations import Place, operations
from .organization.others import crossing, deployed, other, stopped
from .organization.record import Caller, Record, record, session
from .organization.roles import (
    ACCOUNTS,
    GLOBAL_REGION,
    NO_ROLE,
    ORGANISATION,
    REGIONS,
    Role,
    Shape,
    residents,
    roles,
)

END = datetime(2026, 11, 25, tzinfo=UTC)
DAYS = 30
MEDIAN, SPREAD, SMALLEST, LARGEST = 170, 1.12, 10, 5_000
"""Records in a file: a distribution with a long tail and a mean of about 320."""
DUPLICATED = 0.001
"""Share of records that are delivered twice, in two files (2.1.7)."""
CROSSINGS = 0.003
"""Share of records that are another account's copy of a call."""
LOST = 0.2
"""Share of these copies for which the caller's own record is in no file (1.4.4)."""

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Planned(NamedTuple):
    """A record that must match a record of another file, or that every corpus contains."""

    kind: str
    """``duplicate``, ``own``, ``copy``, ``stopped`` or ``deployed``."""
    number: int
    home: int
    """Number of the file with the caller's own record."""
    other: int
    """Number of the file with the second copy."""


@dataclass(slots=True)
class LogFile:
    """One file to write."""

    number: int
    account: str
    region: str
    published: datetime
    size: int
    """Number of records."""
    planned: list[Planned] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The object's key in the bucket."""
        rng = Random(f"name/{self.number}")
        random = "".join(rng.choices(_SUFFIX, k=16))
        name = f"{self.account}_CloudTrail_{self.region}_{self.published:%Y%m%dT%H%MZ}_{random}.json.gz"
        place = f"AWSLogs/{ORGANISATION}/{self.account}/CloudTrail/{self.region}/{self.published:%Y/%m/%d}"
        return f"{place}/{name}"


def hot_role(shape: Shape) -> Role:
    """Return the role with the most events."""
    return roles(shape)[0]


def rare_role(shape: Shape) -> Role:
    """Return a role of the long tail, with few events."""
    return roles(shape)[shape.roles * 5 // 8]


# ---- the plan -------------------------------------------------------------------------------------------


def plan(shape: Shape) -> list[LogFile]:
    """Return all files, in the order of their numbers."""
    rng = Random(f"{shape.seed}/plan")
    places = [(account, region) for account in ACCOUNTS[: shape.accounts] for region in REGIONS]
    weights = [residents(shape, *place)[1][-1] for place in places]
    # Fewer calls at night and at weekends.
    hours = [1 + 3 * (7 <= hour < 19) for hour in range(24)]
    days = [1 if (END - timedelta(days=back)).weekday() < 5 else 0.4 for back in range(1, DAYS + 1)]
    largest = min(LARGEST, max(SMALLEST, shape.events // 40))  # a small corpus has many files as well
    files: list[LogFile] = []
    left = shape.events
    while left:
        size = min(left, largest, max(SMALLEST, round(rng.lognormvariate(log(MEDIAN), SPREAD))))
        account, region = rng.choices(places, weights)[0]
        back = rng.choices(range(1, DAYS + 1), days)[0]
        minute = 60 * rng.choices(range(24), hours)[0] + 5 * rng.randrange(12)
        published = END - timedelta(days=back) + timedelta(minutes=minute)
        files.append(LogFile(len(files), account, region, published, size))
        left -= size
    _add_planned(rng, shape, files)
    return files


def _add_planned(rng: Random, shape: Shape, files: list[LogFile]) -> None:
    room = [file.size for file in files]

    def put(kind: str, number: int, home: LogFile, other: LogFile, into: LogFile) -> None:
        if room[into.number]:
            room[into.number] -= 1
            into.planned.append(Planned(kind, number, home.number, other.number))

    for number, (home, twin) in enumerate(_pairs(rng, files, shape.events * DUPLICATED, abroad=False)):
        put("duplicate", number, home, twin, home)
        put("duplicate", number, home, twin, twin)
    for number, (home, twin) in enumerate(_pairs(rng, files, shape.events * CROSSINGS, abroad=True)):
        if rng.random() >= LOST:
            put("own", number, home, twin, home)
        put("copy", number, home, twin, twin)
    for kind, every in (("stopped", 200_000), ("deployed", 50_000)):
        for number in range(max(2, shape.events // every)):
            home = rng.choice(files)
            put(kind, number, home, home, home)


def _pairs(
    rng: Random, files: list[LogFile], count: float, *, abroad: bool
) -> Iterator[tuple[LogFile, LogFile]]:
    """Yield pairs of files of one region.

    Both files are of one account and at most a day apart; if `abroad`, of two accounts. A large first file is more
    likely than a small one.
    """
    groups: dict[object, list[LogFile]] = defaultdict(list)
    for file in files:
        groups[file.region if abroad else (file.account, file.region)].append(file)
    sizes = list(accumulate(file.size for file in files))
    for _ in range(max(4, round(count))):
        home = rng.choices(files, cum_weights=sizes)[0]
        group = groups[home.region if abroad else (home.account, home.region)]
        if not abroad:
            group = [one for one in group if abs(one.published - home.published) <= timedelta(days=1)]
        twin = rng.choice(group)
        if twin.account != home.account if abroad else twin.number != home.number:
            yield home, twin


# ---- the files ------------------------------------------------------------------------------------------


def contents(shape: Shape, file: LogFile, files: Sequence[LogFile]) -> list[Record]:
    """Return the records of a file."""
    rng = Random(f"{shape.seed}/file/{file.number}")
    people, weights = residents(shape, file.account, file.region)
    sessions: dict[tuple[str, int], Caller] = {}
    made = [_planned(shape, one, files) for one in file.planned]
    for _ in range(file.size - len(made)):
        role = rng.choices(people, cum_weights=weights)[0]
        when = _moment(rng, file)
        at = Place(file.account, file.region, role.app)
        if rng.random() < NO_ROLE:
            made.append(other(rng, at, role, when))
            continue
        key = (role.id, rng.randrange(4))
        caller = sessions.get(key)
        if caller is None:
            caller = sessions[key] = session(rng, role, file.region, file.published - timedelta(minutes=10))
        made.append(_called(rng, caller, role, at, when))
    rng.shuffle(made)  # 1.1.3: no file is sorted
    return made


def _called(rng: Random, caller: Caller, role: Role, at: Place, when: datetime) -> Record:
    """Return the record of a call that a role typically makes."""
    habits = role.worldwide if at.region == GLOBAL_REGION else role.management
    if rng.random() < role.data:
        habits = role.objects
    return record(rng, caller, habits.choose(rng)(rng, at), at.region, when)


def _moment(rng: Random, file: LogFile) -> datetime:
    """Return the time of a call in a file: 3 to 8 minutes before the file is published (2.1.2)."""
    return file.published - timedelta(seconds=rng.randrange(180, 480))


def _planned(shape: Shape, one: Planned, files: Sequence[LogFile]) -> Record:
    """Return a planned record. It is the same for each of the files that contain it."""
    rng = Random(f"{shape.seed}/{'copy' if one.kind == 'own' else one.kind}/{one.number}")
    home = files[one.home]
    people, weights = residents(shape, home.account, home.region)
    role = rng.choices(people, cum_weights=weights)[0]
    when = _moment(rng, home)
    if one.kind in {"own", "copy"}:
        own, copy = crossing(rng, role, files[one.other].account, home.region, when)
        return own if one.kind == "own" else copy
    if one.kind == "duplicate":
        at = Place(home.account, home.region, role.app)
        return _called(rng, session(rng, role, home.region, when), role, at, when)
    return (stopped if one.kind == "stopped" else deployed)(rng, role, home.region, when)


_ENCODE = msgspec.json.Encoder().encode


def _write(folder: Path, shape: Shape, files: Sequence[LogFile], number: int) -> int:
    """Write one file. Returns the number of bytes of its JSON."""
    file = files[number]
    gc.disable()  # looking for cycles among thousands of short-lived records would double the time
    try:
        text = _ENCODE({"Records": contents(shape, file, files)})
    finally:
        gc.enable()
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text, 6, mtime=0))
    return len(text)


_work: partial[int] | None = None


def _start(folder: Path, shape: Shape) -> None:
    global _work  # noqa: PLW0603 - state of a worker process
    _work = partial(_write, folder, shape, plan(shape))


def _next(number: int) -> int:
    assert _work is not None
    return _work(number)


def write(folder: Path, shape: Shape, workers: int = 1) -> int:
    """Write all files below `folder`.

    Returns:
        The total number of bytes of JSON.
    """
    operations()  # read before the workers start: forked processes share the result
    files = plan(shape)
    if workers == 1:
        return sum(_write(folder, shape, files, file.number) for file in files)
    # The largest files come first, so that no worker is left alone with a large one at the end.
    order = sorted(range(len(files)), key=lambda number: -files[number].size)
    with multiprocessing.Pool(workers, _start, (folder, shape)) as pool:
        return sum(pool.imap_unordered(_next, order, chunksize=4))


def main() -> None:
    """Write the corpus that the command line describes, and corpus.json beside it."""
    parser = argparse.ArgumentParser(description="Writes a trail of invented events.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("events", type=int, nargs="?", default=Shape().events)
    parser.add_argument("--roles", type=int, default=Shape().roles)
    parser.add_argument("--accounts", type=int, choices=range(1, 6), default=Shape().accounts)
    parser.add_argument("--seed", type=int, default=Shape().seed)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    shape = Shape(options.events, options.roles, options.accounts, options.seed)
    size = write(options.folder, shape, options.workers)
    files = plan(shape)
    content = {
        **shape._asdict(),
        "files": len(files),
        "json_bytes": size,
        "hot_role": hot_role(shape).arn,
        "rare_role": rare_role(shape).arn,
        "last_day": max(f"{file.published:%Y/%m/%d}" for file in files),
    }
    text = json.dumps(content, indent=2)
    (options.folder / "corpus.json").write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
