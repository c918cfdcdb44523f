"""Turn the bytes of one file into records, whatever compression and wrapping it has.

The first bytes of a file decide what it is, not its name. The name only decides whether a file that cannot be read was
meant to be a log.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from policygen.logs.decode.checksum import check_content
from policygen.logs.decode.compression import (
    CHUNK,
    LIMIT,
    BombError,
    Codec,
    UnpackBudget,
    codec_of,
    decompress,
    is_tar,
    is_zip,
    starts_with_tar,
)
from policygen.logs.decode.envelope import Item, PassedOver, parse_items
from policygen.logs.decode.json_text import holds_events, is_packed, non_json_reason, without_bom
from policygen.logs.decode.json_window import BadRecord, is_implausible
from policygen.logs.decode.object_key import has_log_suffix
from policygen.logs.decode.repeated_keys import first_record, has_repeated_key
from policygen.logs.decode.selection import select_records
from policygen.logs.decode.tables import looks_like_table, table_items
from policygen.logs.decode.text_lines import non_text_reason, text_lines
from policygen.logs.decode.trail_file import JSON_ERRORS, decode_trail_file, is_sound
from policygen.logs.events.record import Record
from policygen.logs.source import Batch, Damage, LogObject, Unreadable, Wanted
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.logs.decode.archive import Member

BATCH = 5_000
"""Greatest number of records in one batch of a file that is not a plain trail file."""

NOISE = 100_000
"""Values of one file that may be no records, and more in a long file: a file of empty values is given up."""

_NOISE_BYTES = 256
"""Bytes of a file for each further value that is nothing policygen knows; four times as many for a bad record."""

_MAX_NESTING = 4
_DOCUMENTS = (".md", ".rst", ".html", ".ipynb", ".py")
"""Suffixes of files that may quote a record."""

_HEAD = re.compile(rb"\s*(?:\d{4}-\d\d-\d\dT\S+\s+)?[{\[\"]")
_OBJECT_HEAD = re.compile(rb'\s*\{\s*"')


class StoredFile(NamedTuple):
    """Where bytes come from: the name to show, whether it is meant to be a log, and the records that are wanted."""

    name: str
    expects_log: bool
    wanted: tuple[Wanted, ...] = ()
    as_text: bool = False
    """Whether it is read as lines of text, not as records."""
    sampled: bool = False
    """Whether keys that stand twice are looked for in its first record alone."""


def looks_like_log(head: bytes, name: str) -> bool:
    """Return whether the first bytes of a file may be those of a log, though its name is not that of one."""
    if codec_of(head) or is_zip(head) or is_tar(head) or is_packed(head):
        return True
    text = without_bom(head)
    return looks_like_table(text) or _quotes_events(head, name) or _HEAD.match(text) is not None


def read_stored(stored: LogObject, data: bytes) -> Iterator[Batch]:
    """Yield the batches of an object's bytes as stored, or only damage if no digest lists these bytes."""
    damage = check_content(data, stored.hashes) if stored.hashes else None
    if damage:
        yield Batch.damaged(stored.name, damage, len(data))
    else:
        file = StoredFile(stored.name, stored.expects_log, stored.wanted, stored.as_text, stored.sampled)
        yield from read_bytes(file, data, size=len(data))


def read_bytes(file: StoredFile, data: bytes, size: int) -> Iterator[Batch]:
    """Yield the batches of one file's bytes, packed or not; never raises for their content.

    Args:
        file: where the bytes come from.
        data: the bytes as stored.
        size: number of bytes as stored; the first batch has it.
    """
    if len(data) > LIMIT:
        yield Batch.damaged(file.name, Damage(LIMIT, f"larger than {LIMIT:,} bytes"))
    else:
        yield from _read_packed(file, data, size, UnpackBudget(len(data)), 0)


def _read_packed(
    file: StoredFile, data: bytes, size: int, budget: UnpackBudget, depth: int
) -> Iterator[Batch]:
    """Yield the batches of bytes that were unpacked `depth` times, and may unpack to no more than the budget."""
    try:
        while (codec := codec_of(data)) and depth <= _MAX_NESTING:
            if starts_with_tar(data, codec):
                yield from _read_archive(file, data, codec, size, budget, depth + 1)
                return
            data, damage = decompress(data, codec, budget)
            depth += 1
            if damage:
                yield from _read_damaged(file, data, size, damage, budget)
                return
        if depth > _MAX_NESTING:
            yield Batch.damaged(file.name, Damage(0, f"packed more than {_MAX_NESTING} times"), size)
        elif is_zip(data) or is_tar(data):
            yield from _read_archive(file, data, None, size, budget, depth)
        else:
            yield from _read_text(file, data, size, budget)
    except BombError as error:
        yield Batch.damaged(file.name, Damage(None, str(error)), size)
    except MemoryError:
        yield Batch.damaged(file.name, Damage(None, "needs more memory than there is"), size)


def _read_damaged(
    file: StoredFile, data: bytes, size: int, damage: Damage, budget: UnpackBudget
) -> Iterator[Batch]:
    """Yield what can be used of a file whose compression is damaged."""
    if is_zip(data) or is_tar(data) or not data:
        yield Batch.damaged(file.name, damage, size)
    else:
        yield from _read_text(file._replace(expects_log=True, wanted=()), data, size, budget, damage)


def _read_archive(
    file: StoredFile, data: bytes, codec: Codec | None, size: int, budget: UnpackBudget, depth: int
) -> Iterator[Batch]:
    """Yield the batches of the members of a zip or tar archive, until they unpack to more than the budget."""
    from policygen.logs.decode.archive import tar_members, zip_members

    is_plain_zip = codec is None and is_zip(data)
    members = zip_members(data, budget) if is_plain_zip else tar_members(data, codec, budget)
    empty = True
    for member in members:
        empty = False
        if isinstance(member, Damage):
            yield Batch.damaged(file.name, member, size)
        else:
            name = f"{file.name}/{member.name}"
            yield from _read_member(name, member, budget, depth, as_text=file.as_text)
        if budget.left < 0:
            raise BombError(f"unpacks to more than {budget.whole:,} bytes: the rest was not read")
    if empty:
        yield Batch.passed(file.name, "empty-archive", size)


def _read_member(
    name: str, member: Member, budget: UnpackBudget, depth: int, *, as_text: bool
) -> Iterator[Batch]:
    if member.kind:
        yield Batch.passed(name, member.kind, member.size)
        return
    if member.damage:
        yield Batch.damaged(name, member.damage, member.size)
        return
    expects_log = has_log_suffix(member.name)
    if expects_log or as_text or looks_like_log(member.content[:CHUNK], member.name):
        file = StoredFile(name, expects_log, as_text=as_text)
        yield from _read_packed(file, member.content, member.size, budget, depth + 1)
    else:
        yield Batch.passed(name, "not-json", member.size)


# ---- text -----------------------------------------------------------------------------------------------


def _read_text(
    file: StoredFile, data: bytes, size: int, budget: UnpackBudget, damage: Damage | None = None
) -> Iterator[Batch]:
    """Yield the batches of one unpacked file; `damage` is what unpacking found."""
    if file.as_text:
        yield from _read_lines(file, data, size, damage)
        return
    if file.expects_log and is_implausible(data):
        what = f"has too many values for its {len(data):,} bytes: they are no records"
        yield Batch.damaged(file.name, damage or Damage(None, what), size)
        return
    if damage is None and not _repeats_a_key(file, data):
        selected = select_records(data, file.wanted) if file.wanted else None
        if selected is not None:
            yield Batch(escape_controls(file.name), selected[0], size=size, others=selected[1])
            return
        records = decode_trail_file(data)
        if records is not None:
            yield Batch(escape_controls(file.name), records, size=size)
            return
    text = without_bom(data)
    rows = table_items(file.name, text, budget)
    reason = non_json_reason(text)
    if rows is not None:
        yield from _read_items(file, _until_noise(rows, len(data)), size, damage, expects_log=True)
    elif damage or reason is None:
        items = _until_noise(parse_items(text, budget), len(data))
        yield from _read_items(file, items, size, damage, expects_log=_claims(file, text))
    elif _claims(file, text):
        yield Batch.damaged(file.name, Damage(0, reason), size)
    else:
        yield Batch.passed(file.name, "not-json", size)


def _repeats_a_key(file: StoredFile, data: bytes) -> bool:
    """Return whether a key stands twice in a record, as far as it is looked for; the full reading says in which."""
    text = first_record(data) if file.sampled else data
    try:
        return not is_sound(text) or has_repeated_key(text)
    except JSON_ERRORS:
        return True


def _read_lines(file: StoredFile, data: bytes, size: int, damage: Damage | None) -> Iterator[Batch]:
    """Yield the batches of a file's lines; a file that is no text, and a document about logs, is passed over."""
    reason = non_text_reason(data)
    if reason and (damage or file.expects_log):
        yield Batch.damaged(file.name, damage or Damage(0, reason), size)
        return
    if reason or (not file.expects_log and file.name.lower().endswith(_DOCUMENTS)):
        yield Batch.passed(file.name, "not-text", size)
        return
    continued = False
    for found in text_lines(data):
        if isinstance(found, Damage):
            damage = damage or found
            continue
        yield Batch(escape_controls(file.name), size=size, lines=found, continued=continued)
        size, continued = 0, True
    if damage:
        yield replace(Batch.damaged(file.name, damage, size), continued=continued)


def _claims(file: StoredFile, text: bytes) -> bool:
    """Return whether a file is meant to be a log, by its name or by what its beginning holds."""
    if file.expects_log or is_packed(text):
        return True
    return _OBJECT_HEAD.match(text) is not None or _quotes_events(text[:CHUNK], file.name)


def _quotes_events(head: bytes, name: str) -> bool:
    """Return whether the first bytes of a file hold events in some form, and the file is no document about them."""
    return holds_events(head) and not name.lower().endswith(_DOCUMENTS)


def _until_noise(items: Iterator[Item], size: int) -> Iterator[Item]:
    """Yield items until far too many of them are no records, or are nothing that policygen knows."""
    unknown, bad = NOISE + size // _NOISE_BYTES, NOISE + size // (4 * _NOISE_BYTES)
    for item in items:
        yield item
        bad -= isinstance(item, BadRecord)
        unknown -= isinstance(item, PassedOver) and item.kind == "other-json"
        if min(bad, unknown) < 0:
            yield Damage(None, f"more than {NOISE:,} values are no records: the rest was not read")
            return


def _read_items(
    file: StoredFile, items: Iterator[Item], size: int, damage: Damage | None, *, expects_log: bool
) -> Iterator[Batch]:
    """Yield items as batches. A file that only looked like JSON, and was not meant to be a log, is passed over."""
    if damage:  # a cut file ends in the middle of its JSON, which is not a second fault
        items = (item for item in items if not isinstance(item, Damage))
    position = 0
    while chunk := list(islice(items, BATCH)):
        batch = _to_batch(file, chunk, position, size, damage)
        if not (expects_log or position or batch.records or batch.passed_over):
            yield Batch.passed(file.name, "not-json", size)
            return
        yield batch
        position += sum(not isinstance(item, Damage) for item in chunk)
        size, damage = 0, None
    if damage:  # and no item was before it
        yield Batch.damaged(file.name, damage, size)


def _to_batch(file: StoredFile, chunk: list[Item], position: int, size: int, damage: Damage | None) -> Batch:
    name, continued = escape_controls(file.name), position > 0
    records: list[Record] = []
    unreadable: list[Unreadable] = []
    passed: Counter[str] = Counter()
    for item in chunk:
        if isinstance(item, Damage):
            damage = damage or item
            continue
        position += 1
        if isinstance(item, Record):
            records.append(item)
        elif isinstance(item, PassedOver):
            passed[item.kind] += 1
        else:
            unreadable.append(Unreadable(name, position, item.reason))
    only_passed = passed and not (records or unreadable or damage)
    kind = passed.most_common(1)[0][0] if only_passed else "log"
    passed_over = dict(sorted(passed.items()))
    return Batch(name, records, tuple(unreadable), passed_over, damage, kind, size, continued=continued)
