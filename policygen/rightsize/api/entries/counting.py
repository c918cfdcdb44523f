"""Count the entries of access logs, whatever their order is, however they are split, and however often they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import msgspec

from policygen.logs.calls.evidence import SAMPLES, Evidence, singleton, sum_of
from policygen.logs.window import Window
from policygen.logs.window_end import WindowEnd
from policygen.rightsize.api.entries.reader import EntryReader
from policygen.rightsize.api.entries.reading import Reading
from policygen.rightsize.api.usage import ApiUsage, Invoked

UNREAD = frozenset({"ambiguous", "unmapped", "unreadable"})


class _Seen(msgspec.Struct):
    """What was seen of one kind of call on one day; adding to it is quick."""

    number: int
    count: int = 0
    first: str = ""
    last: str = ""
    samples: list[tuple[str, str]] = msgspec.field(default_factory=list)

    def add(self, time: str, id_: str) -> None:
        """Add one entry."""
        self.count += 1
        self.last = max(self.last, time)
        samples = self.samples
        if len(samples) < SAMPLES or (time, id_) < samples[-1]:
            samples.append((time, id_))
            samples.sort()
            del samples[SAMPLES:]

    def evidence(self, invoked: Invoked, day: str) -> Evidence:
        """Return it as evidence."""
        return Evidence(
            count=self.count,
            first=self.samples[0][0],
            last=self.last,
            days=singleton(day),
            samples=tuple(self.samples),
            addresses=singleton(invoked.address),
            weak=self.count if invoked.status == "weak" else 0,
        )


class EntryCounter:
    """Counts entries.

    An entry with AWS's own id counts once. One with an id that its client may have chosen counts once too if all of its
    text is the same; where the format has no id, nothing tells a repeated entry from a repeated call, and all count.

    Attributes:
        newest: time of the newest entry, "" for none.
    """

    def __init__(self, reader: EntryReader, until: WindowEnd | None = None) -> None:
        self._reader = reader
        self._last_second = until.last_second if until else "9"
        self._seen: dict[str, dict[Reading, _Seen]] = {}
        self._numbers: dict[Reading, int] = {}
        self._ids: set[str] = set()
        self.newest = ""

    def add(self, texts: Sequence[str], times: Sequence[str] = (), group: str = "") -> None:
        """Add the lines of a log; empty ones are none.

        Args:
            texts: the lines.
            times: when each came into the log; for entries without a time of their own.
            group: the log group that they were written to; "" where that is not known.
        """
        read, ids, newest, last_second = self._reader.read, self._ids, self.newest, self._last_second
        for place, text in enumerate(texts):
            if not text:
                continue
            reading, id_, is_unique, time = read(text, group)
            if not time and times:
                time = times[place]
            if time > last_second:
                continue
            of_day = self._seen.get(time[:10])
            if of_day is None:
                of_day = self._seen[time[:10]] = {}
            seen = of_day.get(reading)
            if seen is None:
                number = self._numbers.setdefault(reading, len(self._numbers))
                seen = of_day[reading] = _Seen(number)
            if id_:
                key = id_ if is_unique else f"{id_} {crc32(text.encode(errors='surrogatepass')):08x}"
                key = f"{key} {seen.number}"
                if key in ids:
                    continue
                ids.add(key)
            newest = max(newest, time)
            seen.add(time, id_)
        self.newest = newest

    def usage(self, window: Window | None, gaps: Sequence[str] = ()) -> ApiUsage:
        """Return what was counted in a window; entries of which nobody knows the time are in each."""
        invoked: dict[Invoked, list[Evidence]] = {}
        days: dict[tuple[str, str], set[str]] = {}
        unread: Counter[str] = Counter()
        entries = 0
        for day, of_day in sorted(self._seen.items()):
            if day and window and not window.holds(day):
                continue
            for reading, seen in of_day.items():
                one = reading.invoked
                entries += seen.count
                if one.api and day:
                    days.setdefault((one.api, one.stage), set()).add(day)
                if one.status in UNREAD:
                    unread[f"{one.status}: {reading.why}"] += seen.count
                if one.api:
                    invoked.setdefault(one, []).append(seen.evidence(one, day))
        return ApiUsage(
            {one: sum_of(parts) for one, parts in sorted(invoked.items(), key=_order)},
            {stage: frozenset(found) for stage, found in sorted(days.items())},
            entries,
            dict(sorted(unread.items())),
            window,
            tuple(gaps),
        )


def _order(item: tuple[Invoked, object]) -> tuple[str, ...]:
    return msgspec.structs.astuple(item[0])
