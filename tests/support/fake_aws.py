"""AWS as botocore meets it, one HTTP request after the other: for operations that moto does not have.

An answer is made by a function of the region and the request's parameters. `Refused` is an error of AWS.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

ACCOUNT = "123456789012"

_IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/reader</Arn><UserId>AIDAREADER</UserId>
<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""

_LOADER = botocore.session.get_session().get_component("data_loader")
"""Reads botocore's models once for all sessions."""

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


class Refused(Exception):
    """An error that AWS answers with."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class Request(NamedTuple):
    """What was sent, and when."""

    time: float
    region: str
    operation: str
    parameters: dict[str, Any]


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class FakeAws:
    """Operations by name; sts:GetCallerIdentity is always answered."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.clock = Clock()
        self.requests: list[Request] = []

    def session(self, region: str = "eu-west-1") -> boto3.Session:
        core = botocore.session.get_session()
        core.register_component("data_loader", _LOADER)
        core.set_credentials("testing", "testing")
        core.register("before-send", self._answer)
        return boto3.Session(botocore_session=core, region_name=region)

    def asked(self, operation: str, region: str = "") -> list[Request]:
        return [one for one in self.requests if one.operation == operation and region in ("", one.region)]

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        host = urlsplit(request.url).netloc.split(".")
        if host[0] == "sts":
            return _response(200, _IDENTITY.encode())
        if host[0] == "ec2":
            return self._regions(host[1])
        operation = request.headers["X-Amz-Target"]
        operation = (operation.decode() if isinstance(operation, bytes) else operation).rpartition(".")[2]
        parameters = json.loads(request.body)
        self.requests.append(Request(self.clock.time, host[1], operation, parameters))
        try:
            answer = self.answers[operation](host[1], parameters)
        except Refused as error:
            body = {"__type": error.code, "message": error.message}
            return _response(error.status, json.dumps(body).encode())
        return _response(200, json.dumps(answer).encode())

    def _regions(self, region: str) -> AWSResponse:
        self.requests.append(Request(self.clock.time, region, "DescribeRegions", {}))
        try:
            found = self.answers["DescribeRegions"](region, {})
        except Refused as error:
            text = f"<Code>{error.code}</Code><Message>{error.message}</Message>"
            return _response(403, f"<Response><Errors><Error>{text}</Error></Errors></Response>".encode())
        rows = "".join(
            f"<item><regionName>{name}</regionName><optInStatus>{status}</optInStatus></item>"
            for name, status in found.items()
        )
        return _response(
            200,
            f"<DescribeRegionsResponse><regionInfo>{rows}</regionInfo></DescribeRegionsResponse>".encode(),
        )


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _response(status: int, body: bytes) -> AWSResponse:
    return AWSResponse("https://aws.test", status, {"x-amzn-requestid": "0"}, _Raw(body))
