"""Nothing is asked of any host but AWS's endpoints, and of none where the work is on files.

CPython tells an audit hook of every name that is looked up and every address that is connected to or sent to, whatever
code does it; while the guard is up, it refuses them all. Processes are refused too, since they would be out of its
sight. What obstore fetches, in Rust, is out of its sight as well: here boto3 fetches.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import botocore.handlers
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from policygen.account.live import read_role
from policygen.cli.app import COMMANDS, program
from policygen.errors import PolicygenError
from policygen.logs.sources.s3.client import drop_clients
from tests.account.test_live import TABLE, an_account, deliver
from tests.support import ROOT
from tests.support.records import crowd, record

AWS = re.compile(r"(?:[a-z0-9-]+\.)+(?:amazonaws\.com(?:\.cn)?|api\.aws)")
METADATA = "169.254.169.254"
"""Where credentials of an instance are asked for, when there are no others: no host of the network."""

TRAIL, SNAPSHOT = str(ROOT / "samples" / "trail"), str(ROOT / "samples" / "account.json")
LOGS = ("-l", TRAIL, "-s", SNAPSHOT, "-q")


class Guard:
    """Records what is asked for while it is up."""

    def __init__(self) -> None:
        self.up = False
        self.asked: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.up:
            return
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            self.asked.append(str(arguments[0]))
            raise socket.gaierror("refused by the guard")
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1]
            if isinstance(address, tuple):  # an address of the network; others are of this machine
                self.asked.append(str(address[0]))
                raise ConnectionRefusedError("refused by the guard")
        if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.exec"):
            self.asked.append(event)
            raise PermissionError("refused by the guard")


GUARD = Guard()
sys.addaudithook(GUARD)  # there is no way to take it away again


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The hosts asked for in a test."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "https_proxy", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POLICYGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.chdir(tmp_path)
    drop_clients()
    GUARD.asked.clear()
    GUARD.up = True
    try:
        yield GUARD.asked
    finally:
        GUARD.up = False
        drop_clients()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def policygen(*words: str) -> Result:
    return CliRunner().invoke(program(), words)


def error_of(done: Result) -> str:
    """The code of the error that a command ended with."""
    assert isinstance(done.exception, PolicygenError), done.output
    return done.exception.code


# --- the guard itself ------------------------------------------------------------------------------------


def test_the_guard_sees_names_addresses_and_processes(asked: list[str]) -> None:
    with pytest.raises(OSError, match="refused by the guard"):
        urlopen("http://example.com/")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(ConnectionRefusedError):
        one.sendto(b"x", ("192.0.2.1", 53))
    with socket.socket() as one, pytest.raises(ConnectionRefusedError):
        one.connect_ex(("192.0.2.2", 443))
    with pytest.raises(PermissionError):
        subprocess.run([sys.executable, "-c", ""], check=False)
    assert asked == ["example.com", "192.0.2.1", "192.0.2.2", "subprocess.Popen"]


@pytest.mark.parametrize(
    "host",
    [
        "sts.amazonaws.com",
        "b.s3.eu-west-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "s3.us-east-1.api.aws",
    ],
)
def test_aws_s_endpoints_are_known(host: str) -> None:
    assert AWS.fullmatch(host)


@pytest.mark.parametrize(
    "host", ["amazonaws.com", "sts-amazonaws.com", "amazonaws.com.example.org", "aws.amazon.com", "127.0.0.1"]
)
def test_others_are_not_taken_for_them(host: str) -> None:
    assert not AWS.fullmatch(host)


# --- on files --------------------------------------------------------------------------------------------

ON_FILES: dict[str, tuple[str, ...]] = {
    "suggest": ("-r", "orders-api", *LOGS),
    "batch": (*LOGS, "-o", "out", "--jobs", "1"),
    "report": ("orders-api", "-q"),
    "backtest": ("orders-api", *LOGS),
    "schema": (),
    "explain": ("dynamodb:GetItem", "-r", "orders-api", *LOGS),
    "check": ("-", "-r", "orders-api", *LOGS),
    "doctor": LOGS,
    "map": (TRAIL, "-q"),
    "services": (),
    "data": (),
    "roles": LOGS,
    "config": (),
    "cache": ("--clear",),
    "diff": ("a.json", "b.json"),
    "permissions": (),
    "probation": ("orders-api", *LOGS),
    "trust": ("orders-api", *LOGS),
    "api": ("orders", "-l", str(ROOT / "samples/api/access"), "-s", str(ROOT / "samples/api/account.json")),
    "athena": ("ddl", "--bucket", "b12", "--account", "111122223333", "--region", "eu-west-1"),
}
DOCUMENT = {
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    "Version": "2012-10-17",
}


def test_every_command_that_works_on_files_is_tried() -> None:
    # `may` reads a snapshot with APIs, which these have not: tests/cli/test_may.py
    # snapshot is of the account as AWS has it, and fetch asks GitHub: tests/gate/test_provenance.py
    assert set(COMMANDS) - set(ON_FILES) == {"snapshot", "may", "fetch"}


@pytest.mark.system
@pytest.mark.parametrize("command", ON_FILES)
def test_work_on_files_asks_nobody(command: str, asked: list[str], tmp_path: Path) -> None:
    for name in ("a.json", "b.json", "policy.json"):
        (tmp_path / name).write_text(json.dumps(DOCUMENT))
    if command in {"report", "probation"}:
        policygen("suggest", *ON_FILES["suggest"])
    words = [word if word != "-" else "policy.json" for word in ON_FILES[command]]
    done = policygen(command, *words)
    assert done.exit_code == (1 if command == "check" else 0), done.output  # what is checked is too little
    assert done.stdout
    assert asked == []


def test_a_command_that_fails_asks_nobody_either(asked: list[str]) -> None:
    assert error_of(policygen("suggest", "-r", "nobody", "-l", TRAIL, "-q")) == "PG-E310"
    assert asked == []


# --- of AWS ----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, keys: None, asked: list[str]) -> Iterator[list[str]]:
    """The hosts of the requests that botocore would send; moto answers them."""
    monkeypatch.setattr("policygen.logs.sources.s3.fetch.find_spec", lambda _: None)
    # moto makes no reports of what was used last.
    monkeypatch.setattr(
        "policygen.account.live.read_role",
        lambda name, aws, on_message, **_: read_role(name, aws, on_message=on_message),
    )
    hosts: list[str] = []

    def note(request: Any, **_: Any) -> None:
        hosts.append(urlsplit(request.url).netloc)

    first = ("before-send", note, botocore.handlers.REGISTER_FIRST)
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [first, *botocore.handlers.BUILTIN_HANDLERS])
    with mock_aws():
        yield hosts


@pytest.mark.parametrize(
    ("words", "services"),
    [
        (("suggest", "-r", "orders"), {"sts", "iam", "cloudtrail", "lambda", "s3"}),
        (
            ("suggest", "-r", "orders", "-l", "s3://acme-trail", "--live"),
            {"sts", "iam", "cloudtrail", "lambda", "s3"},
        ),
        (("doctor", "-l", "auto", "--live"), {"sts", "iam", "cloudtrail", "lambda", "s3"}),
        (("snapshot",), {"sts", "iam", "cloudtrail", "lambda"}),
    ],
    ids=["suggest", "suggest from a bucket", "doctor", "snapshot"],
)
def test_the_account_is_asked_at_aws_s_endpoints_alone(
    words: tuple[str, ...], services: set[str], sent: list[str], asked: list[str]
) -> None:
    session = boto3.Session(region_name="us-east-1")
    role = an_account(session)
    event = {"source": "dynamodb", "name": "GetItem", "params": {"tableName": "carts"}, "resources": [TABLE]}
    deliver(
        session, "acme-trail", [record(one, n) for n, one in enumerate(crowd([event | {"role_id": role}]))]
    )
    sent.clear()
    done = policygen(*words, "--until", "2026-11-24") if words[0] != "snapshot" else policygen(*words)
    assert done.exit_code == 0, done.output
    assert [host for host in sent if not AWS.fullmatch(host)] == []
    found = {next((part for part in host.split(".") if part in services), host) for host in sent}
    # A snapshot asks besides each service of which it tells what exists.
    assert found >= services if words[0] == "snapshot" else found == services
    assert asked == []


LAKE = "lake:0a1b2c3d-1111-2222-3333-0123456789ab"


@pytest.mark.parametrize(
    "logs", ["auto", "s3://acme-trail", "lookup:", "logs:trail", "athena:logs.trail", LAKE]
)
@pytest.mark.usefixtures("keys")
def test_where_aws_cannot_be_reached_nobody_else_is_asked(logs: str, asked: list[str]) -> None:
    assert error_of(policygen("suggest", "-r", "orders-api", "-l", logs, "-s", SNAPSHOT)) == "PG-E103"
    assert asked
    assert [host for host in asked if not AWS.fullmatch(host)] == []


def test_without_credentials_the_machine_itself_is_asked_for_some(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_EC2_METADATA_DISABLED",
    ):
        monkeypatch.delenv(name, raising=False)
    assert error_of(policygen("suggest", "-r", "orders", "--live")) == "PG-E101"
    assert set(asked) == {METADATA}
