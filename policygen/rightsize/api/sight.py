"""What the access log of each stage can show, and what it cannot.

Source: API Gateway Developer Guide, set-up-logging and http-api-logging-variables (the variables of a format).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
from msgspec.structs import replace

from policygen.account.apis import Api, Stage
from policygen.logs.window import Window
from policygen.rightsize.api.usage import ApiUsage
from policygen.rightsize.principals.kept import PolicyBlindSpot
from policygen.text import pluralize

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.]*[A-Za-z0-9_])")
_CALLERS = frozenset({"identity.userArn", "identity.caller", "identity.user"})
_PATHS = frozenset({"resourcePath", "path", "routeKey", "resourceId"})
_VERBS = frozenset({"httpMethod", "routeKey", "eventType"})
API_KEY = "identity.apiKeyId"
_CONSOLE = frozenset(
    {
        "identity.caller",
        "identity.user",
        "identity.sourceIp",
        "httpMethod",
        "resourcePath",
        "routeKey",
        "eventType",
    }
)
"""Those of the console's formats, by which entries are read where a snapshot has no format."""

_WANTED = (
    "requestId", "extendedRequestId", "requestTimeEpoch", "apiId", "stage", "httpMethod", "resourcePath", "path",
    "status", "error.responseType", "authorize.status", "authenticate.status", "integration.status",
    "identity.userArn", "identity.caller", "identity.accountId", "identity.principalOrgId", "identity.sourceIp",
    "identity.vpceId", "identity.vpcId", API_KEY, "authorizer.principalId",
)  # fmt: skip
_WANTED_V2 = (
    "requestId", "requestTimeEpoch", "apiId", "stage", "httpMethod", "routeKey", "path", "status",
    "error.responseType", "integration.status", "identity.userArn", "identity.caller", "identity.accountId",
    "identity.sourceIp", "authorizer.principalId",
)  # fmt: skip


class StageSight(msgspec.Struct, frozen=True):
    """What the log of a stage shows."""

    stage: str
    since: str
    """The first day of the window with an entry; "" for none."""
    days: int
    """From the first day with an entry to the last."""
    spot: PolicyBlindSpot | None
    """Why it could not have shown every caller and method for long enough; None where it could."""
    fields: frozenset[str]
    """Variables of the format, without ``$context.``."""

    @property
    def visible(self) -> bool:
        """Whether what it does not show was not called."""
        return self.spot is None


class StageLog(msgspec.Struct, frozen=True):
    """Whether a stage writes an access log, and what its format can answer."""

    api: str
    """The API's name, or its id where it has none."""
    api_id: str
    stage: str
    destination: str
    """ARN of the log group or Firehose stream; "" for none."""
    logged: bool
    answers: tuple[str, ...]
    """What it can answer, of ``who``, ``method`` and ``from``."""
    missing: tuple[str, ...]
    """What it is asked for and cannot answer."""
    command: str
    """What would make it answer all of them; "" where it does."""


def stage_logs(apis: Iterable[Api]) -> list[StageLog]:
    """Return what the access log of each stage of APIs can show by its format, in order."""
    return [_stage_log(api, stage) for api in apis for stage in api.stages]


def _stage_log(api: Api, stage: Stage) -> StageLog:
    fields = logged_fields(stage.log_format)
    missing = _missing(api, fields)
    return StageLog(
        api.name or api.id,
        api.id,
        stage.name,
        stage.log_destination,
        bool(stage.log_format),
        tuple(one for one in _questions(api) if one not in missing),
        missing,
        logging_command(api, stage) if missing else "",
    )


def _questions(api: Api) -> tuple[str, ...]:
    """Return what the log of an API is asked; who calls matters where requests are signed."""
    return ("who", "method", "from") if asks_for_signatures(api) else ("method", "from")


def _missing(api: Api, fields: frozenset[str]) -> tuple[str, ...]:
    """Return the questions that the variables of a format do not answer."""
    answered = {
        "who": not fields.isdisjoint(_CALLERS),
        "method": not (fields.isdisjoint(_PATHS) or fields.isdisjoint(_VERBS)),
        "from": ("identity.vpceId" if api.private else "identity.sourceIp") in fields,
    }
    return tuple(one for one in _questions(api) if not answered[one])


def logged_fields(log_format: str) -> frozenset[str]:
    """Return the variables that a format has, without ``$context.``."""
    return frozenset(_VARIABLE.findall(log_format))


def sights_of(api: Api, usage: ApiUsage, window: Window, min_days: int) -> Mapping[str, StageSight]:
    """Return what the log of each stage shows, by the stage's name.

    Args:
        api: the API.
        usage: what was read.
        window: the days that count.
        min_days: days for which a stage must have been visible.
    """
    return {one.name: _sight(api, one, usage, window, min_days) for one in api.stages}


def with_untold(sights: Mapping[str, StageSight], untold: Mapping[str, int]) -> Mapping[str, StageSight]:
    """Return what the logs show, where the callers of some calls are not known.

    Args:
        sights: what the log of each stage shows.
        untold: stage -> calls whose caller is not known.
    """
    found = dict(sights)
    for name, calls in untold.items():
        if (one := found.get(name)) and one.spot is None:
            why = f"nothing tells who made {pluralize(calls, 'call')}"
            spot = PolicyBlindSpot("caller-unknown", name, why, "give a snapshot of the callers' account")
            found[name] = replace(one, spot=spot)
    return found


def _sight(api: Api, stage: Stage, usage: ApiUsage, window: Window, min_days: int) -> StageSight:
    days = sorted(filter(window.holds, usage.days.get((api.id, stage.name), frozenset())))
    fields = logged_fields(stage.log_format) or (_CONSOLE if days else frozenset())
    span = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days + 1 if days else 0
    spot = (
        _not_told(api, stage, fields)
        if fields
        else _spot(stage, "stage-not-logged", "has no access log", "turn it on", logging_command(api, stage))
    )
    if spot is None and usage.gaps:
        spot = _spot(stage, "incomplete", f"evidence is missing: {usage.gaps[0]}", "read the missing files")
    if (
        spot is None
        and not days
        and any((one.api, one.stage) == (api.id, stage.name) for one in usage.invoked)
    ):
        command = logging_command(api, stage)
        spot = _spot(stage, "time-not-logged", "its entries have no time", "change its log format", command)
    if spot is None and not days:
        group = stage.log_destination.partition(":log-group:")[2] or stage.log_destination
        spot = _spot(stage, "stage-not-read", "no entry of it was read", f"give its log: --logs logs:{group}")
    if spot is None and span < min_days:
        noun = "day" if span == 1 else "days"
        spot = _spot(
            stage,
            "stage-too-short",
            f"visible on {span} {noun} only, since {days[0]}",
            f"wait for {min_days} days of it",
        )
    return StageSight(stage.name, days[0] if days else "", span, spot, fields)


def _not_told(api: Api, stage: Stage, fields: frozenset[str]) -> PolicyBlindSpot | None:
    command = logging_command(api, stage)
    missing = _missing(api, fields)
    if "method" in missing:
        return _spot(
            stage, "method-not-logged", "its log format does not name the method", "change it", command
        )
    if "who" in missing:
        return _spot(
            stage, "caller-not-logged", "its log format does not name the caller", "change it", command
        )
    return None


def _spot(stage: Stage, id_: str, why: str, remedy: str, command: str = "") -> PolicyBlindSpot:
    return PolicyBlindSpot(id_, stage.name, why, remedy, command)


def asks_for_signatures(api: Api) -> bool:
    """Return whether a method takes signed requests, so that the caller matters."""
    return any(one.authorization == "AWS_IAM" for one in api.methods)


def logging_command(api: Api, stage: Stage) -> str:
    """Return the command that gives a stage a format which tells who called which method from where."""
    wanted = _WANTED if api.protocol == "REST" else _WANTED_V2
    text = json.dumps({one: f"$context.{one}" for one in wanted}, separators=(",", ":"))
    group = stage.log_destination or (
        f"arn:{api.partition}:logs:{api.region}:{api.account}:log-group:/aws/apigateway/{api.id}-{stage.name}"
    )
    if api.protocol == "REST":
        operations = [
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": group},
            {"op": "replace", "path": "/accessLogSettings/format", "value": text},
        ]
        words = ["apigateway", "update-stage", "--rest-api-id", api.id, "--stage-name", stage.name]
        words += ["--patch-operations", json.dumps(operations, separators=(",", ":"))]
    else:
        settings = json.dumps({"DestinationArn": group, "Format": text}, separators=(",", ":"))
        words = ["apigatewayv2", "update-stage", "--api-id", api.id, "--stage-name", stage.name]
        words += ["--access-log-settings", settings]
    return shlex.join(["aws", *words, "--region", api.region])
