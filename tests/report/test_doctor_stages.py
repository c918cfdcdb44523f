"""What doctor says of the access logs of API Gateway's stages: which are written, and what their formats answer."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from tests.support.api_world import API, OWNER, snapshot
from tests.support.command import run
from tests.support.records import write_logs

STAGES = {
    "whole": None,
    "silent": {"none": 1},
    "nobody": {"without": "arn caller"},
    "nowhere": {"without": "ip"},
    "nothing": {"without": "verb template path route"},
}
CASE: dict[str, Any] = {"methods": {"GET /items": "IAM"}, "stages": STAGES}


def doctor(folder: Path, account: dict[str, Any], *more: str) -> str:
    (folder / "account.json").write_text(json.dumps(account))
    logs = write_logs(folder, [{"source": "iam", "name": "ListRoles"}])
    done = run(folder, "doctor", "-l", logs, "-s", folder / "account.json", "-q", *more)
    assert done.code == 0, done.stderr
    return done.stdout


def stages(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(doctor(folder, snapshot(case, OWNER), "-f", "json"))["api_stages"]
    return {one["stage"]: one for one in found}


def test_a_stage_is_asked_who_which_method_and_from_where(tmp_path: Path) -> None:
    found = stages(tmp_path, CASE)
    assert {name: (one["logged"], one["missing"]) for name, one in found.items()} == {
        "whole": (True, []),
        "silent": (False, ["who", "method", "from"]),
        "nobody": (True, ["who"]),
        "nowhere": (True, ["from"]),
        "nothing": (True, ["method"]),
    }
    assert found["whole"]["command"] == ""
    assert (found["nobody"]["api"], found["nobody"]["answers"]) == ("orders", ["method", "from"])


def test_the_command_makes_the_stage_answer_all_of_it(tmp_path: Path) -> None:
    command = shlex.split(stages(tmp_path, CASE)["nobody"]["command"])
    assert command[:7] == [
        "aws",
        "apigateway",
        "update-stage",
        "--rest-api-id",
        API,
        "--stage-name",
        "nobody",
    ]
    (text,) = (
        one["value"]
        for one in json.loads(command[command.index("--patch-operations") + 1])
        if one["path"].endswith("/format")
    )
    account = snapshot(CASE, OWNER)
    for stage in account["rest_apis"][0]["Stages"]:
        stage["accessLogSettings"] = {"format": text}
    rows = json.loads(doctor(tmp_path, account, "-f", "json"))["api_stages"]
    assert [one["missing"] for one in rows] == [[]] * len(STAGES)


def test_callers_are_asked_for_where_requests_are_signed_only(tmp_path: Path) -> None:
    found = stages(tmp_path, {**CASE, "methods": {"GET /items": "OPEN"}})
    assert found["nobody"]["missing"] == []
    assert found["silent"]["missing"] == ["method", "from"]


def test_callers_of_a_private_api_come_through_endpoints(tmp_path: Path) -> None:
    case = {**CASE, "private": True, "stages": {"prod": {"without": "vpce"}, "dev": {"without": "ip"}}}
    found = stages(tmp_path, case)
    assert (found["prod"]["missing"], found["dev"]["missing"]) == (["from"], [])


def test_the_screen_lists_what_shows_less_first_and_fits(tmp_path: Path) -> None:
    account = snapshot(CASE, OWNER)
    account["rest_apis"][0]["RestApi"]["name"] = "o" * 90 + "\x1b[31m\n"
    screen = doctor(tmp_path, account)
    part = screen.partition("What the access logs of APIs can show\n")[2].partition("\n\n")[0]
    name = "o" * 29 + "…"
    assert part.splitlines()[:5] == [
        f"  ✘ {name} silent: no access log",
        f"  ~ {name} nobody: method, from, not who",
        f"  ~ {name} nowhere: who, method, not from",
        f"  ~ {name} nothing: who, from, not method",
        f"  ✔ {name} whole: who, method, from",
    ]
    assert "-f json has the command" in part
    assert "\x1b" not in screen
    assert max(map(len, screen.splitlines())) <= 80


def test_without_apis_nothing_is_said_and_unknown_is_not_none(tmp_path: Path) -> None:
    account = snapshot(CASE, OWNER)
    account |= {"rest_apis": None, "http_apis": None}
    assert json.loads(doctor(tmp_path, account, "-f", "json"))["api_stages"] is None
    account |= {"rest_apis": [], "http_apis": []}
    assert json.loads(doctor(tmp_path, account, "-f", "json"))["api_stages"] == []
    assert "access logs of APIs" not in doctor(tmp_path, account)
