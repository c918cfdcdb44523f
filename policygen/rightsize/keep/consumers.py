"""Who could read a stream or a queue with a function's role: Lambda for a trigger, or the function's own code.

Reading is unverified where data events are off. The configuration shows what Lambda reads, and the trail shows whether
code looked for something to read. That settles nothing by itself: code may know what it reads. But whoever wrote the
code can answer. The rows are in platform.toml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from policygen.account.current import CurrentAccess
from policygen.account.model import unqualified
from policygen.evidence.coverage.coverage import Coverage
from policygen.evidence.usage import Usage
from policygen.iam import arn
from policygen.rightsize.keep.event_sources import Feature, features
from policygen.rightsize.keep.model import LOOKED, ONLY_CODE, Keep
from policygen.rightsize.keep.witness import sign_of_use
from policygen.text import pluralize


def with_consumers(
    keeps: Iterable[Keep], current: CurrentAccess, usage: Usage, coverage: Coverage
) -> list[Keep]:
    """Return keeps with a note beside those that read what no trigger reads, where only functions use the role.

    Args:
        keeps: what is kept without evidence.
        current: the role's configuration.
        usage: what the role did.
        coverage: what the logs could have shown.
    """
    role = current.role
    if role is None or not role.only_functions or not current.functions or not current.configured:
        return list(keeps)
    notes = {
        action: note
        for kind, row in features().items()
        if row.reading
        for note in (_note(kind, row, current, usage, coverage),)
        for action in row.reading
    }
    return [
        replace(keep, note=notes[keep.grant.action])
        if keep.grant.action in notes and not keep.note and not sign_of_use(keep)
        else keep
        for keep in keeps
    ]


def _note(kind: str, row: Feature, current: CurrentAccess, usage: Usage, coverage: Coverage) -> str:
    called = [action for action in row.found_by if action.lower() in usage.seen]  # denied ones too
    if called:
        return f"{LOOKED}: it called {_listed(called)}, as code does that reads {row.polled}"
    names = sorted({one.name for one in current.functions or ()})
    which = names[0] if len(names) == 1 else f"the {pluralize(len(names), 'function')}"
    if read := list(_read_by_triggers(kind, current)):
        told = f"Lambda reads {_listed(read)} for a trigger of {which} and needs no more for that"
    else:
        told = f"no trigger of {which} reads {row.polled}"
    if row.found_by and all(coverage.observability(action).visible for action in row.found_by):
        told += f", and no call looked for one ({_listed(row.found_by, ' or ')})"
    return f"{ONLY_CODE}: {told}"


def _read_by_triggers(kind: str, current: CurrentAccess) -> Iterator[str]:
    """Yield the names of what Lambda reads for the role's functions."""
    own = {one.unqualified for one in current.functions or ()}
    sources = {one.source_arn for one in current.mappings if unqualified(one.function_arn) in own}
    for place in filter(None, map(arn.parse, sorted(sources))):
        if place.service == kind:
            yield place.resource


def _listed(names: Iterable[str], last: str = " and ") -> str:
    *first, end = [name.partition(":")[2] or name for name in names]
    return last.join([*([", ".join(first)] if first else []), end])
