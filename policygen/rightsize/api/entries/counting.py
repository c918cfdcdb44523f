"""Count the entries of access logs, whatever their order is, however they are split, and however often they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import msgspec

from policygen.logs.calls.evidence import SAMPLES, Evidence, singleton, sum_of
from policygen.logs.window import Window
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.api.entries.reader import ELSEWHERE, EntryReader
from policygen.rightsize.api.entries.reading import Reading
from policygen.rightsize.api.usage import ApiUsage, Invoked

UNREAD = frozenset({"ambiguous", "unmapped", "unreadable"})
"""Statuses of entries that tell nothing."""


_TIME = len("2026-11-24T22:36:07Z")


class _Seen(msgspec.Struct):
    """What was seen of one kind of call on one day."""

    tag: str
    """Stands behind the ids of its entries: an id counts once for each reading, so that no entry can hide another."""
    count: int = 0
    last: str = ""
    samples: tuple[str, ...] = ()
    """The earliest entries: each time, filled up to `_TIME` characters, and then its id; there may be many days."""
    bound: str = "~"
    """Entries after this time are not among the samples."""

    def show(self, time: str, id_: str) -> None:
        """Take an entry as a sample, if it is one of the earliest."""
        self.samples = tuple(sorted({*self.samples, f"{time:{_TIME}}{id_}"})[:SAMPLES])
        if len(self.samples) == SAMPLES:
            self.bound = self.samples[-1][:_TIME]

    def evidence(self, invoked: Invoked, day: str) -> Evidence:
        """Return it as evidence."""
        samples = tuple((one[:_TIME].strip(), one[_TIME:]) for one in self.samples)
        return Evidence(
            count=self.count,
            first=samples[0][0],
            last=self.last,
            days=singleton(day),
            samples=samples,
            addresses=singleton(invoked.address),
            weak=self.count if invoked.status == "weak" else 0,
        )


class EntryCounter:
    """Counts entries.

    An entry with AWS's own id counts once. One with an id that its client may have chosen, or that nobody can tell,
    counts once too if all of its text is the same; where the format has no id, nothing tells a repeated entry from a
    repeated call, and all count.
    """

    def __init__(self, reader: EntryReader, until: WindowEnd | None = None) -> None:
        self._reader = reader
        self._last_second = until.last_second if until else "9"
        self._seen: dict[str, dict[Reading, _Seen]] = {}
        self._ids: set[bytes] = set()
        """In bytes, which take less memory than text."""
        self._tags: dict[Reading, str] = {}

    def add(self, texts: Sequence[str], times: Sequence[str] = (), group: str = "") -> None:
        """Add the lines of a log; empty ones are none.

        Args:
            texts: the lines.
            times: when each came into the log; for entries without a time of their own.
            group: the log group that they were written to; "" where that is not known.
        """
        days, ids, last_second = self._seen, self._ids, self._last_second
        if "" in texts:
            kept = [n for n, text in enumerate(texts) if text]
            texts, times = [texts[n] for n in kept], [times[n] for n in kept] if times else ()
        place = -1
        for reading, id_, is_unique, own_time, by_text in self._reader.read_all(texts, group):
            place += 1
            time = own_time or (times[place] if times else "")
            if time > last_second:
                continue
            of_day = days.get(time[:10])
            if of_day is None:
                of_day = days[time[:10]] = {}
            seen = of_day.get(reading)
            if seen is None:
                seen = of_day[reading] = _Seen(self._tags.setdefault(reading, f" {len(self._tags)}"))
            if id_ or by_text:
                before = len(ids)
                known = id_ if is_unique else f"{id_} {_checksum(texts[place])}"
                ids.add(f"{known}{seen.tag}".encode(errors="surrogatepass"))
                if len(ids) == before:
                    continue
            seen.count += 1
            if time > seen.last:  # noqa: PLR1730 - for each of millions
                seen.last = time
            if time <= seen.bound:
                seen.show(time, id_)

    @property
    def newest(self) -> str:
        """Time of the newest entry; "" for none."""
        latest = self._seen[max(self._seen)].values() if self._seen else ()
        return max((seen.last for seen in latest), default="")

    def usage(self, window: Window | None, gaps: Sequence[str] = ()) -> ApiUsage:
        """Return what was counted in a window; entries of which nobody knows the time are in each."""
        invoked: dict[Invoked, list[tuple[str, _Seen]]] = {}
        days: dict[tuple[str, str], set[str]] = {}
        unread: Counter[str] = Counter()
        entries = 0
        for day, of_day in sorted(self._seen.items()):
            if day and window and not window.holds(day):
                continue
            for reading, seen in of_day.items():
                one = reading.invoked
                if reading is ELSEWHERE:
                    continue
                entries += seen.count
                if one.api and day:
                    days.setdefault((one.api, one.stage), set()).add(day)
                if one.status in UNREAD:
                    unread[f"{one.status}: {reading.why}"] += seen.count
                if one.api:
                    invoked.setdefault(one, []).append((day, seen))
        return ApiUsage(
            {
                one: sum_of([seen.evidence(one, day) for day, seen in found])
                for one, found in sorted(invoked.items(), key=_order)
            },
            {stage: frozenset(found) for stage, found in sorted(days.items())},
            entries,
            dict(sorted(unread.items())),
            window,
            tuple(gaps),
        )


def _checksum(text: str) -> str:
    return f"{crc32(text.encode(errors='surrogatepass')):08x}"


def _order(item: tuple[Invoked, object]) -> tuple[str, ...]:
    return msgspec.structs.astuple(item[0])
