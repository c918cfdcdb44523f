"""policygen api at the command line: what it prints, and what it refuses."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from policygen.report.formats import API_FORMATS
from policygen.rightsize.api import draft, resource
from tests.properties.test_hostile import RAW, TEXTS
from tests.support.api_world import API, DAYS, OWNER, PARTNER, lines, may_call, snapshot
from tests.support.command import run
from tests.support.gateway_world import FORMATS, LENDER, REST, SIGNED, UNSIGNED, entry
from tests.support.gateway_world import snapshots as gateway_snapshots

CALLER, OTHER = f"{PARTNER}:role/team/caller", f"{PARTNER}:role/other"
ANYTHING = [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*"}]
PARTNERS = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{PARTNER}:root"},
    "Action": "execute-api:Invoke",
    "Resource": "execute-api:/*",
}
CASE: dict[str, Any] = {
    "methods": {"GET /items": "IAM", "POST /items": "IAM"},
    "people": {CALLER: ANYTHING, OTHER: ANYTHING},
    "policy": [PARTNERS],
    "log": [{"by": CALLER, "call": "prod GET /items"}],
}


def arguments(folder: Path, case: dict[str, Any], name: str = "orders") -> list[str]:
    """Write a case into a folder; return the command that asks about it."""
    (folder / "access.log").write_text("\n".join(lines(case)) + "\n")
    words = ["api", name, "-l", str(folder / "access.log"), "--until", DAYS[-1]]
    for account in (OWNER, PARTNER):
        (folder / f"{account}.json").write_text(json.dumps(snapshot(case, account)))
        words += ["-s", str(folder / f"{account}.json")]
    return words


def test_the_document_alone(tmp_path: Path) -> None:
    made = run(tmp_path, *arguments(tmp_path, CASE, API), "-f", "policy")
    assert made.code == 0
    document = json.loads(made.stdout)["Statement"]
    assert may_call(CASE, CALLER, "prod GET /items", {}, document, CASE["people"])
    assert not may_call(CASE, OTHER, "prod GET /items", {}, document, CASE["people"])
    assert not may_call(CASE, CALLER, "prod POST /items", {}, document, CASE["people"])


def test_json_has_the_calls_and_what_the_logs_cannot_show(tmp_path: Path) -> None:
    case = {**CASE, "stages": {"prod": None, "dev": {"none": 1}}}
    said = json.loads(run(tmp_path, *arguments(tmp_path, case), "-f", "json").stdout)
    assert said["api"]["id"] == API
    one = said["usage"][0]
    assert (one["status"], one["method"], one["path"], one["count"]) == ("mapped", "GET", "/items", 30)
    assert one["entry_ids"][0] == "X000020261026="
    assert one["address"] == "203.0.113.7"
    spot = said["blind_spots"][0]
    assert (spot["id"], spot["about"]) == ("stage-not-logged", "dev")
    assert spot["command"].startswith(f"aws apigateway update-stage --rest-api-id {API} --stage-name dev")
    assert said["kept"][0]["resources"] == [f"arn:aws:execute-api:eu-west-1:{OWNER}:{API}/dev/*"]


def test_the_screen_is_clean_and_fits(tmp_path: Path) -> None:
    hostile = "x\x1b[2J\u202e"
    case = {
        **CASE,
        "stages": {"prod": None, "dev": {"none": 1}},
        "plans": [{"id": "p1", "name": hostile, "apiStages": [{"apiId": API, "stage": "prod"}], "keys": []}],
    }
    made = run(tmp_path, *arguments(tmp_path, case))
    assert made.code == 0
    assert "PG605" in made.stdout
    assert "next deployment" in made.stdout
    assert not {"\x1b", "\u202e"} & set(made.stdout)
    assert not [line for line in made.stdout.splitlines() if len(line) > 80]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--require", "mfa"], 2, "PG-E384"),
        (["--keep-principal", "arn:aws:iam::777788889999:role/x"], 2, "PG-E364"),
        (["--until", "2025-01-01"], 4, "PG-E"),
        (["-f", "yaml"], 2, "PG-E"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, words: list[str], code: int, error: str) -> None:
    made = run(tmp_path, *arguments(tmp_path, CASE), *words)
    assert (made.code, made.stdout) == (code, "")
    assert error in made.stderr


def test_an_api_that_nobody_knows_and_one_that_nobody_called(tmp_path: Path) -> None:
    unknown = run(tmp_path, *arguments(tmp_path, CASE, "parcels"))
    assert (unknown.code, unknown.stdout, "PG-E381" in unknown.stderr) == (4, "", True)
    denied = {
        **CASE,
        "log": [{"by": CALLER, "call": "prod GET /items", "status": 403, "error": "ACCESS_DENIED"}],
    }
    refused = run(tmp_path, *arguments(tmp_path, denied), "-f", "json")
    assert (refused.code, refused.stdout, "PG-E387" in refused.stderr) == (4, "", True)
    assert "30 denied" in refused.stderr


def test_no_new_policy_and_no_log_group(tmp_path: Path) -> None:
    without = {
        **CASE,
        "people": {"role/orders": ANYTHING},
        "log": [{"by": "role/orders", "call": "prod GET /items"}],
    }
    del without["policy"]
    words = arguments(tmp_path, without)
    made = run(tmp_path, *words, "-f", "policy")
    assert (made.code, made.stdout, "PG-E390" in made.stderr) == (4, "", True)
    assert run(tmp_path, *words).code == 0
    bare = run(tmp_path, "api", "orders", *words[6:])
    assert (bare.code, "PG-E389" in bare.stderr) == (2, True)


def test_what_a_damaged_log_may_have_shown_stays(tmp_path: Path) -> None:
    case = {**CASE, "log": [*CASE["log"], {"by": OTHER, "call": "prod POST /items"}]}
    words = arguments(tmp_path, case)
    packed = gzip.compress("\n".join(lines(case)).encode())
    (tmp_path / "access.log").unlink()
    (tmp_path / "access.log.gz").write_bytes(packed[: len(packed) * 3 // 4])
    words[3] = str(tmp_path / "access.log.gz")
    refused = run(tmp_path, *words, "-f", "json")
    assert (refused.code, refused.stdout, "PG-W311" in refused.stderr) == (3, "", True)
    said = json.loads(run(tmp_path, *words, "-f", "json", "--allow-incomplete").stdout)
    assert said["usage"]
    assert said["resource_policy"] is None
    assert said["blind_spots"][0]["id"] == "incomplete"
    assert "gzip ends at byte" in said["blind_spots"][0]["why"]


@pytest.mark.parametrize("name", ["common", "csv", "nested", "agent last", "xml"])
def test_what_strangers_write_into_any_field_of_an_entry_breaks_no_output(tmp_path: Path, name: str) -> None:
    text = FORMATS[name].rstrip("}") + ("," if "{" in FORMATS[name] else " ")
    written = f'{text}"when":"$context.requestTime"}}' if "{" in text else f"{text}[$context.requestTime]"
    for one in gateway_snapshots(written):
        (tmp_path / f"{one['account_id']}.json").write_text(json.dumps(one))
    entries = [
        entry(
            written,
            {**SIGNED, "extendedRequestId": f"X{day}=", "requestTime": f"{day:02}/Nov/2026:08:15:42 +0000"},
        )
        for day in range(1, 25)
    ]
    fields = dict.fromkeys(re.findall(r"\$context\.([\w.]*\w)", written))
    entries += [
        entry(written, {**signed, field: text[:2000]})
        for field in fields
        for text in TEXTS.values()
        for signed in (SIGNED, UNSIGNED)
    ]
    (tmp_path / "access.log").write_text("\n".join(entries) + "\n", "utf-8")
    snapshots = [word for path in sorted(tmp_path.glob("*.json")) for word in ("-s", str(path))]
    words = ["api", REST, "-l", str(tmp_path / "access.log"), *snapshots, "--until", "2026-11-24"]
    for made in (run(tmp_path, *words, "-f", form) for form in API_FORMATS):
        assert made.code in {0, 4}
        assert not RAW.findall((made.stdout + made.stderr).replace("\r\n", "\n"))
    callers = json.loads(run(tmp_path, *words, "-f", "json").stdout)["callers"]
    assert {one["principal"] for one in callers} == {LENDER}


@pytest.mark.parametrize("words", [["-l", "empty"], ["-l", "nowhere"], ["-l", ""]])
def test_where_there_is_no_log_no_message_speaks_of_another_kind(tmp_path: Path, words: list[str]) -> None:
    given = arguments(tmp_path, CASE)
    (tmp_path / "empty").mkdir()
    made = run(tmp_path, *given[:2], *words, *given[4:])
    assert made.stdout == ""
    assert "CloudTrail" not in made.stderr
    assert ("'empty'" in made.stderr) == ("empty" in words)


def test_records_of_a_trail_are_no_entries(tmp_path: Path) -> None:
    words = arguments(tmp_path, CASE)
    record = {
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventTime": "2026-11-20T10:00:00Z",
    }
    (tmp_path / "access.log").write_text(json.dumps({"Records": [record]}))
    made = run(tmp_path, "api", "orders", *words[2:4], *words[6:])
    assert (made.code, made.stdout) == (4, "")
    assert "no line of the logs is an entry" in made.stderr
    assert "PG-E387" in made.stderr


def test_decisions_about_principals(tmp_path: Path) -> None:
    words = [*arguments(tmp_path, CASE), "-f", "policy"]
    file = tmp_path / "policygen.toml"
    file.write_text(
        f'[[keep]]\nprincipal = "arn:aws:iam::{PARTNER}:role/other"\nrole = "orders"\nreason = "on call"\n'
    )
    kept = json.loads(run(tmp_path, *words).stdout)["Statement"]
    assert may_call(CASE, OTHER, "prod POST /items", {}, kept, CASE["people"])
    file.write_text(f'[[drop]]\nprincipal = "arn:aws:iam::{PARTNER}:role/team/caller"\nreason = "it ended"\n')
    two = {**CASE, "log": [*CASE["log"], {"by": OTHER, "call": "prod POST /items"}]}
    words = [*arguments(tmp_path, two), "-f", "policy"]
    dropped = run(tmp_path, *words)
    assert (dropped.code, "PG-E480" in dropped.stderr) == (1, True)
    left = json.loads(run(tmp_path, *words, "--although-used").stdout)["Statement"]
    assert not may_call(two, CALLER, "prod GET /items", {}, left, two["people"])
    assert may_call(two, OTHER, "prod POST /items", {}, left, two["people"])
    file.write_text('[[protect]]\nrole = "caller"\nreason = "emergencies"\n')
    callers = json.loads(run(tmp_path, *words[:-2], "-f", "json").stdout)["callers"]
    assert {one["principal"].rpartition("/")[2]: one["policy"] is None for one in callers} == {
        "caller": True,
        "other": False,
    }


def test_a_planted_defect_stops_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*arguments(tmp_path, CASE), "-f", "policy"]
    assert run(tmp_path, *words).code == 0
    place = f"arn:aws:execute-api:eu-west-1:{OWNER}:{API}/prod"
    for broken, promise in (
        (lambda _: (f"arn:aws:execute-api:eu-west-1:{OWNER}:other/*",), "never wider"),
        (lambda _: (f"{place}/POST/items",), "sufficient"),
        (lambda _: (f"{place}/GET/items", f"{place}/POST/items"), "nothing spare"),
    ):
        with monkeypatch.context() as planted:
            planted.setattr(resource, "widest", broken)
            made = run(tmp_path, *words)
            assert (made.code, made.stdout) == (1, "")
            assert "PG-E401" in made.stderr
            assert promise in made.stderr or "sufficient" in made.stderr
    blind = {**CASE, "stages": {"prod": None, "dev": {"none": 1}}}
    monkeypatch.setattr(draft, "document_of", lambda today, parts, *_: document_without_kept(today, parts))
    made = run(tmp_path, *arguments(tmp_path, blind), "-f", "policy")
    assert (made.code, "'honest'" in made.stderr) == (1, True)


def document_without_kept(today: Any, parts: Any) -> Any:
    """Return the document of those parts that rest on calls."""
    from policygen.rightsize.principals.pieces import document_of

    return document_of(today, [one for one in parts if not one.kept])
