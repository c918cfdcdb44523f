"""Archives and compression: members are read whatever their names are, and nothing unpacks without end."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policygen.logs.decode import compression, unpack
from policygen.logs.decode.compression import FREE, UnpackBudget
from policygen.logs.registry import open_source
from policygen.logs.source import Batch
from tests.logs.test_envelope import record
from tests.support import SHARED
from tests.support.command import environment

ONE, TWO, THREE = (json.dumps({"Records": [record(number)]}).encode() for number in (1, 2, 3))
MEMBERS = {"a.json": ONE, "in/b.json.gz": gzip.compress(TWO), "c.jsonl": THREE}
IDS = ["id-1", "id-2", "id-3"]


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read(folder: Path, name: str, data: bytes) -> list[Batch]:
    (folder / name).write_bytes(data)
    return list(open_source(folder / name).read())


def ids(found: list[Batch]) -> list[str | None]:
    return sorted(one.eventID or "" for batch in found for one in batch.records)


def flaws(found: list[Batch]) -> list[str]:
    return [f"{b.name}: {b.damage.reason}" for b in found if b.damage] + [
        one.reason for batch in found for one in batch.unreadable
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tar", tar(MEMBERS)),
        ("a.tar.gz", tar(MEMBERS, "w:gz")),
        ("a.tgz", tar(MEMBERS, "w:gz")),
        ("a.tar.bz2", tar(MEMBERS, "w:bz2")),
        ("a.tar.xz", tar(MEMBERS, "w:xz")),
        ("a", tar(MEMBERS, "w:xz")),
        ("a.zip", zipped({"x.tar.gz": tar(MEMBERS, "w:gz")})),
        ("a.jsonl.bz2", bz2.compress(ONE) + bz2.compress(TWO + b"\n" + THREE)),
        ("a.jsonl.xz", lzma.compress(ONE + b"\n") + lzma.compress(TWO + b"\n" + THREE)),
        ("a.json.gz", gzip.compress(bz2.compress(lzma.compress(ONE + TWO + THREE)))),
        ("a.tar", tar({f"{'long' * 60}/{name}": data for name, data in MEMBERS.items()})),
    ],
)
def test_every_archive_and_compression_gives_the_same_records(name: str, data: bytes, tmp_path: Path) -> None:
    found = read(tmp_path, name, data)
    assert (ids(found), flaws(found)) == (IDS, [])


def test_a_large_compressed_tar_is_read_member_by_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "FREE", 1)  # as if it were too large to be unpacked at once
    monkeypatch.setattr(compression, "RATIO", 1 << 30)
    for name, mode in (("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar.xz", "w:xz")):
        found = read(tmp_path, name, tar(MEMBERS, mode))
        assert (ids(found), flaws(found)) == (IDS, [])
        found = read(tmp_path, name, tar(MEMBERS, mode)[:-9])
        assert any("ends at byte" in one for one in flaws(found))


PLACES = ["../logs/b.json", "../../b.json", "/etc/b.json", "./b.json", "..\\logs\\b.json", "C:\\logs\\b.json"]


@pytest.mark.parametrize("pack", [zipped, tar], ids=["zip", "tar"])
@pytest.mark.parametrize("name", PLACES)
def test_a_member_is_read_wherever_its_name_points(
    name: str, pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    found = read(tmp_path / "in", "x", pack({"a.json": ONE, name: TWO}))
    assert (ids(found), flaws(found)) == (["id-1", "id-2"], [])
    assert not any(batch.passed_over for batch in found)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "x"]


@pytest.mark.parametrize("pack", [zipped, tar], ids=["zip", "tar"])
def test_members_that_are_no_logs_are_passed_over_by_kind(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    others = {
        ".git/a.json": ONE,
        "__MACOSX/._a.json": b"x",
        "README.md": b"hello",
        "CloudTrail-Digest/a.gz": b"x",
    }
    found = read(tmp_path, "x", pack({"a.json": ONE, **others}))
    kinds = [batch.kind for batch in found]
    assert sorted(kinds) == ["digest", "hidden", "hidden", "log", "not-json"]


@pytest.mark.parametrize("cut", [10_300, 1_300, 700, 400])
def test_a_tar_that_is_cut_is_damaged_wherever_it_is_cut(cut: int, tmp_path: Path) -> None:
    whole = tar({"a.json": ONE, "b.json": TWO})
    found = read(tmp_path, "a.tar", whole[: len(whole) - cut] if cut < 9_000 else whole[:1_536])
    assert flaws(found) or ids(found) == ["id-1", "id-2"]
    assert flaws(read(tmp_path, "a.tar", whole[:1_536]))


def test_a_tar_with_a_header_that_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    whole = bytearray(tar({"a.json": ONE, "b.json": TWO}))
    whole[1_024 + 150] ^= 1
    found = read(tmp_path, "a.tar", bytes(whole))
    assert ids(found) == ["id-1"]
    assert "no header of a member" in flaws(found)[0]


# --- bombs -----------------------------------------------------------------------------------------------

ZEROS = b"[" + b"0," * 4_000_000 + b"0]"


def nested(data: bytes, times: int, pack: Callable[[bytes], bytes] = gzip.compress) -> bytes:
    for _ in range(times):
        data = pack(data)
    return data


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE", 1 << 20)


BOMBS: dict[str, bytes] = {
    "gzip": gzip.compress(ZEROS),
    "bzip2": bz2.compress(ZEROS),
    "xz": lzma.compress(ZEROS),
    "gzip in gzip": nested(ZEROS, 3),
    "xz in bzip2 in gzip": gzip.compress(bz2.compress(lzma.compress(ZEROS))),
    "zip": zipped({"a.json": ZEROS}),
    "zip in zip": zipped({"a.zip": zipped({"a.json": ZEROS})}),
    "a zip of gzips": zipped({f"{n}.json.gz": gzip.compress(bytes(400_000)) for n in range(9)}),
    "a tar of gzips": tar({f"{n}.json.gz": gzip.compress(bytes(400_000)) for n in range(9)}, "w:gz"),
    "many empty members": gzip.compress(zipped({f"{n}.json": b"" for n in range(2_000)})),
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unpacks_to_far_more_than_it_is_stops_at_the_limit(bomb: str, tmp_path: Path) -> None:
    found = read(tmp_path, "x", BOMBS[bomb])
    assert any("unpacks to more than" in flaw for flaw in flaws(found))
    assert not any(batch.records for batch in found)


@pytest.mark.usefixtures("small")
def test_the_limit_holds_for_all_members_of_an_archive_together(tmp_path: Path) -> None:
    member = gzip.compress(b'{"Records":[' + b" " * 400_000 + b"]}")
    found = read(tmp_path, "x.zip", zipped({f"{n}.json.gz": member for n in range(20)}))
    assert 2 <= sum(batch.damage is None for batch in found) < 4
    assert "the rest was not read" in flaws(found)[-1]


@pytest.mark.usefixtures("small")
def test_bytes_in_base64_have_the_limit_of_their_file(tmp_path: Path) -> None:
    import base64

    bomb = base64.b64encode(gzip.compress(ZEROS)).decode()
    found = read(tmp_path, "x.json", json.dumps({"awslogs": {"data": bomb}}).encode())
    assert any("unpacks to more than" in flaw for flaw in flaws(found))


@pytest.mark.parametrize("value", ["{}", "0", "[]", '""', "null", "{},[],0"])
@pytest.mark.parametrize("form", ['{"Records":[%s]}', "[%s]", "[[%s]]", "%s"])
def test_a_file_of_empty_values_is_given_up(
    form: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "NOISE", 100)
    sign = "\n" if form == "%s" else ","
    found = read(tmp_path, "x.json", (form % sign.join([value] * 20_000)).encode())
    assert len(found) <= 2
    assert "are no records: the rest was not read" in flaws(found)[0] or flaws(found)
    assert sum(len(batch.unreadable) for batch in found) < 2_000


def test_a_machine_without_memory_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(unpack, "decode_trail_file", none)
    assert flaws(read(tmp_path, "a.json", ONE)) == [f"{tmp_path}/a.json: needs more memory than there is"]


def test_a_file_may_unpack_to_a_hundred_times_its_size(tmp_path: Path) -> None:
    assert UnpackBudget(0).left == FREE
    assert UnpackBudget(FREE).left == 100 * FREE


FULL: dict[str, Callable[[], bytes]] = {
    "empty objects": lambda: gzip.compress(b'{"Records":[' + b"{}," * 42_000_000 + b"{}]}"),
    "lines of empty objects": lambda: gzip.compress(b"{}\n" * 42_000_000),
    "zeros": lambda: gzip.compress(b"[" + b"0," * 63_000_000 + b"0]"),
    "a list in a list": lambda: gzip.compress(b"[[" + b"{}," * 42_000_000 + b"{}]]"),
    "an odd letter": lambda: gzip.compress(
        ('{"Records":[{"userAgent":"' + "x" * 120_000_000 + '\U0001f600"}]}').encode()
    ),
    "4 GB": lambda: nested(bytes(1 << 28), 2),
}


@pytest.mark.system
@pytest.mark.parametrize("bomb", FULL)
def test_a_bomb_ends_within_ten_seconds_and_500_megabytes(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(FULL[bomb]())
    assert_is_named_in_time(tmp_path / "x.json.gz", tmp_path)


MEASURED = """
import pathlib, sys
from policygen.cli.app import main
try:
    main()
finally:
    pathlib.Path("memory").write_text(pathlib.Path("/proc/self/status").read_text())
"""


def assert_is_named_in_time(path: Path, folder: Path) -> None:
    begin = os.times()
    arguments = ["suggest", "-r", "orders", "-l", str(path), "--no-plan", "--no-cache", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    end = os.times()
    taken = end.children_user + end.children_system - begin.children_user - begin.children_system
    assert done.returncode == 3, done.stderr
    assert path.name in done.stderr
    assert taken < 10
    peak = re.search(r"VmHWM:\s+(\d+) kB", (folder / "memory").read_text())
    assert peak is not None
    assert int(peak[1]) << 10 < 500 << 20


@pytest.mark.skipif(not SHARED.is_dir(), reason="the attacker's inputs are not here")
@pytest.mark.parametrize(
    "name",
    ["277bytes_to_4GB.json.gz", "memoryerror_exit70.json.gz", "zeros_list.json.gz", "zip_45kB_18GB.zip"],
)
def test_the_attacker_s_bombs_are_named(name: str, tmp_path: Path) -> None:
    assert_is_named_in_time(SHARED / "attack" / "C1_bombs" / name, tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the attacker's inputs are not here")
def test_the_attacker_s_zip_is_read_whole() -> None:
    found = list(open_source(SHARED / "attack" / "C2_zip_dotdot" / "l.zip").read())
    assert len(found) == 2
    assert all(batch.records and not batch.damage for batch in found)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("logs.7z", b"7z\xbc\xaf\x27\x1c" + bytes(40)),
        ("logs.rar", b"Rar!\x1a\x07\x01" + bytes(40)),
        ("logs.lzma", lzma.compress(TWO, format=lzma.FORMAT_ALONE)),
        ("logs.zlib", zlib.compress(TWO)),
        ("logs.zst", b"\x28\xb5\x2f\xfd" + bytes(40)),
        ("logs.Z", b"\x1f\x9d\x90" + bytes(40)),
        ("logs.zip", zipped({"inner.7z": b"7z\xbc\xaf\x27\x1c" + bytes(40)})),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_packed_file_that_is_not_unpacked_is_named_and_not_passed_over(
    name: str, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "good.json").write_bytes(ONE)
    (tmp_path / name).write_bytes(data)
    found = list(open_source(tmp_path).read())
    assert [batch.name.partition("/")[0] for batch in found if batch.damage] == [name]
    assert "unpack it first" in next(batch.damage.reason for batch in found if batch.damage)
