"""The commands to measure. Each runs in a fresh process and prints one line of JSON.

``{logs}``, ``{role}`` and ``{cache}`` in a command stand for the folder of logs, the ARN of a role, and a folder for
the command's cache. Only `OURS` depends on policygen.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent

_READ = """
import json, sys
from pathlib import Path
from policygen.logs.cache import Cache
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.logs.read_report import require_complete
from policygen.evidence.role import parse_role
from policygen.logs.registry import open_source
from policygen.logs.calls.spill import SpillStore, unpack_calls
from policygen.logs.source import EVERYTHING, Scope
logs, role, cache, *pruned = sys.argv[1:]
def count(found):
    found = list(found)
    return sum(map(len, found)), sum(one.count for calls in found for one in calls.values())
kept = lambda one: Cache.open(Path(cache), one.name, one.select, print) if cache else None
with SpillStore() as spill:
    if role:
        name = parse_role(role)
        request = ReadRequest(name.matches, role, search=name.record_filter)
        scope = Scope(account=name.account) if pruned else EVERYTHING
        done = read_source(open_source(logs), request, scope, ReadOptions(cache=kept))
        counted = [count(done.counts.calls.values())]
    else:
        done = read_source(open_source(logs), ReadRequest(lambda _: True), options=ReadOptions(spill=spill))
        counted = [count(unpack_calls(stored.calls).values()) for _, stored in spill.by_name()]
    require_complete(done.read_report, allow_incomplete=False)
    groups, events = map(sum, zip(*counted))
print(json.dumps({"records": done.counts.totals.records, "events": events, "groups": groups}))
"""

POLICYGEN, PLAIN = "policygen", "gzip + json"

OURS = {
    "one role": [sys.executable, "-c", _READ, "{logs}", "{role}", ""],
    "one role, as `suggest`": [sys.executable, "-c", _READ, "{logs}", "{role}", "", "pruned"],
    "all roles": [sys.executable, "-c", _READ, "{logs}", "", ""],
    "again": [sys.executable, "-c", _READ, "{logs}", "{role}", "{cache}"],
}
"""policygen's command for each job. As `suggest` reads, other accounts' logs are left out where the own log has the
same calls; the other jobs read all files, as the other programs do. ``again`` runs twice: the first run, not timed,
reads all days but the last."""


class Contender(NamedTuple):
    """A way to do a job."""

    name: str
    job: str
    """A key of `bench_page.JOBS`."""
    command: list[str]
    lacks: str = ""
    """The program or package that is not installed; "" if it can run."""

    @property
    def is_ours(self) -> bool:
        """Whether it is policygen."""
        return self.name == POLICYGEN

    @property
    def small(self) -> bool:
        """Whether it reads the same records from small files."""
        return self.job.startswith("small")


def contenders() -> list[Contender]:
    """Return all contenders, in the order of the table."""
    return [
        Contender("python-isal", "floor", _script("floor.py"), _no_module("isal")),
        *_both(POLICYGEN, OURS["one role"], OURS["all roles"]),
        Contender(POLICYGEN, "one role, as `suggest`", OURS["one role, as `suggest`"]),
        Contender(POLICYGEN, "rare role", OURS["one role"]),
        Contender(POLICYGEN, "rare role, as `suggest`", OURS["one role, as `suggest`"]),
        Contender(POLICYGEN, "again", OURS["again"]),
        Contender("python-isal", "small floor", _script("floor.py"), _no_module("isal")),
        Contender(POLICYGEN, "small files", OURS["one role"]),
        *_both(PLAIN, _script("reference.py", "{role}"), _script("reference.py")),
        *_both("DuckDB", _script("sql.py", "{role}"), _script("sql.py"), _no_module("duckdb")),
        *_both("pandas", _script("frame.py", "{role}"), _script("frame.py"), _no_module("pandas")),
        *_both("jq", _jq("{role}"), _jq(""), _no_program("jq")),
        Contender("trailscraper", "one role", _TRAILSCRAPER, _no_program("trailscraper")),
    ]


def _both(name: str, one: list[str], every: list[str], lacks: str = "") -> tuple[Contender, Contender]:
    return Contender(name, "one role", one, lacks), Contender(name, "all roles", every, lacks)


def _script(name: str, *words: str) -> list[str]:
    return [sys.executable, str(FOLDER / name), "{logs}", *words]


def _jq(role: str) -> list[str]:
    unpack = 'find "$1" -name "*.json.gz" -print0 | xargs -0 gzip -dc'
    reduce = 'jq -n -c --arg role "$2" -f "$3"'
    return ["sh", "-c", f"{unpack} | {reduce}", "sh", "{logs}", role, str(FOLDER / "reduce.jq")]


# It selects the role's records and makes a policy of them. It prints no counts.
_TRAILSCRAPER = [
    "sh",
    "-c",
    'trailscraper select --log-dir "$1" --filter-assumed-role-arn "$2" | trailscraper generate >/dev/null && echo {}',
    "sh",
    "{logs}",
    "{role}",
]


def _no_module(name: str) -> str:
    return "" if find_spec(name) else f"the Python package {name}"


def _no_program(name: str) -> str:
    return "" if shutil.which(name) else f"the program {name}"
