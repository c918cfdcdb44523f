"""Measure how long it takes to count access-log entries of API Gateway, and what `json.loads` needs for the same lines.

    python bench/bench_access.py [ENTRIES] [--no-format]

Writes files of the console's JSON, of 25,000 entries each, into a temporary folder, and reads them in this process,
pinned to one core. With ``--no-format`` the snapshot does not have the stage's format. Prints JSON: CPU seconds of
both, their ratio, and the peak memory in MB of a process that did nothing but count.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from policygen.account.snapshot import to_account
from policygen.rightsize.api.entries.collect import read_api_usage
from policygen.rightsize.api.question import World

OWNER, API = "111122223333", "a1b2c3d4e5"
FORMAT = (
    '{ "requestId":"$context.requestId", "extendedRequestId":"$context.extendedRequestId", '
    '"ip": "$context.identity.sourceIp", "caller":"$context.identity.caller", "user":"$context.identity.user", '
    '"requestTime":"$context.requestTime", "httpMethod":"$context.httpMethod", '
    '"resourcePath":"$context.resourcePath", "status":"$context.status", "protocol":"$context.protocol", '
    '"responseLength":"$context.responseLength" }'
)
PER_FILE = 25_000


def world(entry_format: str) -> World:
    """Return an account with an API of twenty methods and forty roles that call it."""
    resources = [
        {"path": f"/things{n}/{{id}}", "resourceMethods": {"GET": {"authorizationType": "AWS_IAM"}}}
        for n in range(20)
    ]
    stage: dict[str, Any] = {"stageName": "prod", "accessLogSettings": {"format": entry_format}}
    roles = [
        {
            "RoleName": f"caller-{n}",
            "Arn": f"arn:aws:iam::{OWNER}:role/caller-{n}",
            "RoleId": f"AROA{n:017}",
            "AssumeRolePolicyDocument": {},
        }
        for n in range(40)
    ]
    described = {
        "region": "eu-west-1",
        "RestApi": {"id": API, "name": "shop", "endpointConfiguration": {"types": ["REGIONAL"]}},
        "Resources": resources,
        "Stages": [stage if entry_format else {"stageName": "prod"}],
        "Authorizers": [],
    }
    snapshot = {
        "policygen_snapshot": 1,
        "account_id": OWNER,
        "authorization": {"RoleDetailList": roles},
        "rest_apis": [described],
    }
    return World({OWNER: to_account(snapshot, name="bench")})


def lines(count: int) -> Iterator[str]:
    """Yield entries of forty roles over a month: each has its addresses and methods, and is refused now and then."""
    chance = random.Random(1)
    callers = [f"AROA{n:017}:session" for n in range(40)]
    clock = datetime(2026, 11, 1)
    for n in range(count):
        number = chance.randrange(40)
        caller = callers[number]
        values = {
            "requestId": f"{chance.getrandbits(128):032x}",
            "extendedRequestId": f"{chance.getrandbits(60):015x}=",
            "identity.sourceIp": f"203.0.113.{number * 3 + chance.randrange(3)}",
            "identity.caller": caller,
            "identity.user": caller,
            "requestTime": f"{clock + timedelta(seconds=n * 28 * 86_400 // count):%d/%b/%Y:%H:%M:%S} +0000",
            "httpMethod": "GET",
            "resourcePath": f"/things{(number + chance.randrange(4)) % 20}/{{id}}",
            "status": "403" if n % 50 == 0 else "200",
            "protocol": "HTTP/1.1",
            "responseLength": str(chance.randrange(5_000)),
        }
        text = FORMAT
        for name in sorted(values, key=len, reverse=True):
            text = text.replace(f"$context.{name}", values[name])
        yield text


def write(folder: Path, count: int) -> None:
    """Write the entries into files."""
    texts = list(lines(count))
    for number, start in enumerate(range(0, count, PER_FILE)):
        (folder / f"{number:03}.log").write_text("\n".join(texts[start : start + PER_FILE]) + "\n")


def peak_memory() -> int:
    """Return the peak memory of this process in MB, without that of the process that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def count_entries(folder: str, entry_format: str) -> dict[str, Any]:
    """Count the entries of a folder; return CPU seconds, and the peak memory of this process."""
    known = world(entry_format)
    begin = time.process_time()
    usage = read_api_usage([folder], known)
    return {
        "entries": usage.entries,
        "kinds": len(usage.invoked),
        "seconds": round(time.process_time() - begin, 2),
        "peak_mb": peak_memory(),
    }


def main() -> None:
    """Measure and print."""
    if len(sys.argv) > 2 and sys.argv[1] == "count":
        print(json.dumps(count_entries(sys.argv[2], sys.argv[3])))
        return
    numbers = [one for one in sys.argv[1:] if one.isdigit()]
    count = int(numbers[0]) if numbers else 200_000
    entry_format = "" if "--no-format" in sys.argv else FORMAT
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), count)
        words = [sys.executable, __file__, "count", name, entry_format]
        counted = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        plain = 0.0
        for file in sorted(Path(name).iterdir()):
            texts = file.read_text().splitlines()
            begin = time.process_time()
            for text in texts:
                json.loads(text)
            plain += time.process_time() - begin
    ratio = round(counted["seconds"] / plain, 2)
    print(json.dumps({**counted, "json_loads_seconds": round(plain, 2), "to_json_loads": ratio}))


if __name__ == "__main__":
    main()
