"""The bench's corpus is the same every time and is what it says; plain Python and policygen count it alike."""

from __future__ import annotations

import hashlib
import importlib
import re
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policygen.evidence.record_mapping import map_batch
from policygen.logs.calls.counts import CallCounts
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import read_source
from policygen.logs.registry import open_source
from tests.support import ROOT

pytestmark = pytest.mark.system
EVENTS = 2_000
MAPPED = 0.98
"""At least this share of the calls that IAM may judge is one that the catalog knows."""

# The benchmarks are scripts, run where they are. Worker processes need the path as well.
sys.path.append(str(ROOT / "bench"))
corpus: Any = importlib.import_module("corpora.trail")
reference: Any = importlib.import_module("baselines.reference")
reader: Any = importlib.import_module("bench_reader")
page: Any = importlib.import_module("bench_page")
batch: Any = importlib.import_module("bench_batch")
commands: Any = importlib.import_module("bench_commands")
frames: Any = importlib.import_module("bench_frames")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    corpus.write(folder, corpus.Shape(EVENTS))
    return folder


@pytest.fixture(scope="module")
def counts(logs: Path) -> CallCounts:
    done = read_source(open_source(logs), ReadRequest(lambda _: True))
    assert not done.read_report.gaps
    assert not done.read_report.passed_over
    return done.counts


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def planned() -> Iterator[Any]:
    for file in corpus.plan(corpus.Shape(EVENTS)):
        yield from file.planned


def test_one_worker_and_two_write_the_same_bytes(logs: Path, tmp_path: Path) -> None:
    corpus.write(tmp_path, corpus.Shape(EVENTS), workers=2)
    assert digests(tmp_path) == digests(logs)


def test_another_seed_is_another_trail() -> None:
    assert corpus.plan(corpus.Shape(EVENTS, seed=2)) != corpus.plan(corpus.Shape(EVENTS))


def test_every_record_is_read_and_told_twins_are_dropped(counts: CallCounts) -> None:
    kinds = Counter(one.kind for one in planned())
    twins = Counter(one.number for one in planned() if one.kind == "duplicate")
    assert counts.totals.records == EVENTS
    assert counts.totals.duplicates == sum(count - 1 for count in twins.values()) > 0
    copies = "another account's copy of a call that was read already"
    assert counts.totals.ignored[copies] == kinds["own"] > 0


def test_the_catalog_knows_nearly_all_of_it(logs: Path) -> None:
    seen: set[str] = set()
    rows = [row for batch in open_source(logs).read() for row in map_batch(batch, None, seen)]
    status = Counter(row.status for row in rows)
    assert len(rows) == EVENTS
    assert status["unmapped"] < (1 - MAPPED) * (EVENTS - status["ignored"])
    assert status["denied"] > 0.01 * EVENTS


@pytest.mark.parametrize(("count", "accounts"), [(400, 5), (1000, 1)])
def test_the_roles_have_the_shares_that_are_promised(count: int, accounts: int) -> None:
    roles = corpus.roles(corpus.Shape(roles=count, accounts=accounts))
    assert len({role.arn for role in roles}) == count
    assert len({role.account for role in roles}) == accounts
    assert sum(role.weight for role in roles) == pytest.approx(1)
    assert roles[0].weight * (1 - corpus.NO_ROLE) == pytest.approx(0.06)
    assert sum(role.weight * role.data for role in roles) * (1 - corpus.NO_ROLE) == pytest.approx(0.16)


def test_a_million_events_fill_files_of_uneven_length() -> None:
    files = corpus.plan(corpus.Shape())
    sizes = sorted(file.size for file in files)
    assert sum(sizes) == 1_000_000
    assert (sizes[0], sizes[-1]) == (10, 5_000)
    assert sizes[len(sizes) // 2] == pytest.approx(170, rel=0.1)
    assert len({(file.account, file.region, file.published.date()) for file in files}) > 400


def test_plain_python_and_the_ledger_count_the_same(logs: Path, counts: CallCounts) -> None:
    made = reference.reduce(logs)
    assert made.records == counts.totals.records
    assert made.roles == {(role.account, role.role_id): count for role, count in counts.totals.roles.items()}
    hot = corpus.hot_role(corpus.Shape(EVENTS))
    alone = reference.reduce(logs, hot.arn)
    assert alone.roles == {(hot.account, hot.id): made.roles[hot.account, hot.id]}
    assert sum(count for count, _, _ in alone.groups.values()) == alone.roles.total()


@pytest.mark.parametrize("job", ["one role", "rare role", "all roles", "small files"])
def test_our_pass_counts_what_plain_python_counts(job: str, logs: Path, tmp_path: Path) -> None:
    hot, rare = corpus.hot_role(corpus.Shape(EVENTS)), corpus.rare_role(corpus.Shape(EVENTS))
    made = reader.Corpus(logs, {"hot_role": hot.arn, "rare_role": rare.arn}, tmp_path / "small" / "AWSLogs")
    assert reader.small_files(made, tmp_path) == made.small
    ours = next(one for one in reader.contenders() if (one.name, one.job) == (reader.POLICYGEN, job))
    run = reader.measure(ours, made, tmp_path)
    wanted = {"all roles": "", "rare role": rare.arn}.get(job, hot.arn)
    assert run.output["events"] == reference.reduce(logs, wanted).roles.total()
    # The system never reports a child's peak memory as less than its parent's.
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    assert 10 < run.peak < max(1000, ours + 1)
    assert run.cpu > 0


def test_a_batch_is_measured_beside_the_log_for_one_role(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["batch.py", "600", "12", "1"])
    batch.main()
    printed = capfd.readouterr().out
    found = re.search(r"batch of 12 roles, (\d+) plans: ([\d.]+) s", printed)
    assert found
    assert int(found[1]) >= 5
    assert float(found[2]) > 0
    assert re.search(r"the same batch again: [\d.]+ s .*, \d+ % of the first\nfolder: \d+ MB", printed)
    assert re.search(r"index: \d+ kB, largest page: [1-9]\d* kB", printed)


def test_the_last_day_comes_by_itself(logs: Path, tmp_path: Path) -> None:
    content = {"last_day": max(str(f.parent)[-10:] for f in logs.rglob("*.gz"))}
    made = reader.Corpus(logs, content, tmp_path / "small")
    reader.link(made, tmp_path, last=False)
    before = digests(tmp_path)
    reader.link(made, tmp_path, last=True)
    assert before.items() < digests(tmp_path).items()
    assert digests(tmp_path) == digests(logs)


def measured(name: str, job: str, seconds: float, events: int) -> Any:
    return page.Measured(name, job, (seconds, seconds * 2, seconds * 3), (seconds,) * 3, 50.0, events, 7)


def test_the_table_compares_with_the_floor_and_with_plain_python() -> None:
    found = [
        measured("python-isal", "floor", 1.0, 0),
        measured(reader.PLAIN, "one role", 10.0, 90),
        measured(reader.POLICYGEN, "again", 5.0, 90),
    ]
    rows = page.table(found).splitlines()[2:]
    assert [row.split(" | ")[5:7] for row in rows] == [["1.00", ""], ["10.00", "1.00"], ["5.00", "0.50"]]
    assert "| 10.00 | 5.00–15.00 | 5.00 |" in rows[-1]


def test_a_pass_that_does_less_work_stops_the_bench() -> None:
    plain, ours = measured(reader.PLAIN, "one role", 1.0, 90), measured(reader.POLICYGEN, "again", 1.0, 89)
    reader.check([plain, ours._replace(events=90)])
    with pytest.raises(SystemExit, match="policygen counts 89 events, plain Python 90"):
        reader.check([plain, ours])


def test_a_log_as_a_frame_is_measured_beside_pandas_and_duckdb(logs: Path) -> None:
    runs = {name: [reader.run(command)] for name, command in frames.commands(logs, EVENTS, 300).items()}
    ours, normalized = runs[frames.OURS][0], runs[frames.NORMALIZE][0]
    assert 100 < normalized.output["rows"] == normalized.output["records"] < 600
    assert ours.output["rows"] > 500
    assert runs[frames.DUCKDB][0].output["rows"] > 500
    lines = frames.table(runs).splitlines()[2:]
    assert next(line.split(" | ")[-2:] for line in lines) == ["1.0", "1.0 |"]


def test_whole_commands_are_measured(tmp_path: Path) -> None:
    logs = commands.logs_in(tmp_path, EVENTS, 300, 12, tmp_path)
    left_out = (commands.KEYS, commands.FOLDERS, commands.START)
    wanted = {name: one for name, one in commands.commands(logs).items() if name not in left_out}
    runs = {name: [measure()] for name, measure in wanted.items()}
    rows = commands.table(runs).splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(runs)
    assert all(float(row.split(" | ")[1]) > 0 for row in rows)
    assert re.search(r"\| batch \| .* \| -?\d+ ms for each of \d+ plans beyond the pass \|", "\n".join(rows))
    assert len(re.findall(r"\d\.\d\d of the cold run", "\n".join(rows))) == 2


def test_the_last_sections_outlive_a_new_page() -> None:
    old = f"# Performance\n\n## Table\n\ntable\n\n{page.FRAMES}\n\nfigures\n"
    new = page.with_sections("# Performance\n\n## Table\n\nnew\n", page.sections_of(old))
    assert new == old.replace("table", "new")
    section = f"{page.FRAMES}\n\nothers\n\n"
    assert page.with_sections(old, {page.FRAMES: section}) == old.replace("figures", "others")
    both = page.with_sections(old, {page.COMMANDS: f"{page.COMMANDS}\n\nrows\n"})
    assert both == old.replace(page.FRAMES, f"{page.COMMANDS}\n\nrows\n\n{page.FRAMES}")
    assert page.with_sections("# P\n", page.sections_of("# P\n")) == "# P\n"
