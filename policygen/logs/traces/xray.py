"""AWS X-Ray: what ``aws xray batch-get-traces`` prints, or segment documents as they are.

Format: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html. A call of AWS is a subsegment
of namespace ``aws``. Its parameters are those that the SDKs of X-Ray list in their ``aws_para_whitelist.json``, named
in snake case; of most operations there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policygen.logs.traces.fields import list_at, number_at, table_at, tables_in, text_at, time_of
from policygen.logs.traces.traced_call import Caller, Failure, TracedCall

NAME = "X-Ray"
_META = frozenset(
    {"operation", "region", "request_id", "id_2", "account_id", "remote_account_id", "cloudwatch_logs"}
)
_RENAMED = {"bucketName": "bucketName", "bucket": "bucketName"}
_CODE = re.compile(r"\((?P<code>[A-Za-z][\w.]*)\) when calling the")
"""How botocore begins the message of an error."""
_GENERAL = re.compile(r"(Client|Service|Sdk|Aws|Amazon)*(Error|Exception)")
"""Classes of exceptions that say nothing of the cause."""


def holds_segments(document: object) -> bool:
    """Return whether a document is one of X-Ray's."""
    return isinstance(document, dict) and (
        isinstance(document.get("Traces"), list) or ("trace_id" in document and "start_time" in document)
    )


def segment_calls(document: Mapping[str, Any]) -> Iterator[TracedCall]:
    """Yield the calls of AWS in a document.

    Raises:
        ValueError: a segment's document is no JSON object.
    """
    if "Traces" not in document:
        yield from _calls_of_trace([document])
    for trace in list_at(document, "Traces"):
        if isinstance(trace, dict):
            segments = [one for one in list_at(trace, "Segments") if isinstance(one, dict)]
            yield from _calls_of_trace([_decoded(one.get("Document")) for one in segments])


def missing_traces(document: Mapping[str, Any]) -> int:
    """Return how many traces X-Ray did not give, or cut."""
    cut = sum(
        1 for one in list_at(document, "Traces") if isinstance(one, dict) and one.get("LimitExceeded") is True
    )
    return len(list_at(document, "UnprocessedTraceIds")) + cut


def _decoded(text: object) -> Mapping[str, Any]:
    try:
        segment = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        segment = None
    if not isinstance(segment, dict):
        raise ValueError("the document of a segment is no JSON object")  # noqa: TRY004 - of the file, not the program
    return segment


def _calls_of_trace(segments: list[Mapping[str, Any]]) -> Iterator[TracedCall]:
    """Yield the calls of one trace. A subsegment that was sent by itself has its parent in another document."""
    callers: dict[str, Caller] = {}
    for segment in segments:
        caller = _caller(segment)
        if segment.get("type") != "subsegment":
            callers |= {text_at(one, "id"): caller for one in _walk(segment)}
    for segment in segments:
        alone = segment.get("type") == "subsegment"
        caller = callers.get(text_at(segment, "parent_id"), Caller()) if alone else _caller(segment)
        for one in _walk(segment):
            if one.get("namespace") == "aws" and text_at(table_at(one, "aws"), "operation"):
                yield _call(one, caller, text_at(segment, "trace_id"))


def _walk(segment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a segment and all below it, however deep."""
    waiting = [segment]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += [below for below in reversed(list_at(one, "subsegments")) if isinstance(below, dict)]


def _caller(segment: Mapping[str, Any]) -> Caller:
    aws = table_at(segment, "aws")
    arns = (text_at(aws, "function_arn"), text_at(segment, "resource_arn"))
    function = next((arn for arn in arns if ":function:" in arn), "")
    account = text_at(aws, "account_id") or (function.split(":")[4] if function.count(":") > 4 else "")
    return Caller(function, text_at(segment, "name"), account)


def _call(one: Mapping[str, Any], caller: Caller, trace: str) -> TracedCall:
    aws = table_at(one, "aws")
    operation = text_at(aws, "operation")
    return TracedCall(
        caller=caller,
        service=text_at(one, "name"),
        operation=operation,
        region=text_at(aws, "region"),
        time=time_of(one.get("start_time")),
        parameters=_parameters(aws, operation),
        failure=_failure(one),
        reference=f"trace {trace}",
    )


def _parameters(aws: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Return the texts among the listed parameters, by CloudTrail's names."""
    found: dict[str, Any] = {}
    for name, value in aws.items():
        if isinstance(value, str) and name not in _META:
            camel = re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
            found[_RENAMED.get(camel, camel)] = value
    names = list_at(aws, "table_names")
    return found | (tables_in(operation, names) if names else {})


def _failure(one: Mapping[str, Any]) -> Failure | None:
    status = number_at(table_at(table_at(one, "http"), "response"), "status")
    flags = [name for name in ("error", "fault", "throttle") if one.get(name) is True]
    if not flags and status < 400:
        return None
    causes = [cause for cause in list_at(table_at(one, "cause"), "exceptions") if isinstance(cause, dict)]
    message = text_at(causes[0], "message") if causes else ""
    kind = text_at(causes[0], "type") if causes else ""
    return Failure(code_of_exception(kind, message), message, 429 if "throttle" in flags else status)


def code_of_exception(kind: str, message: str) -> str:
    """Return AWS's code for an error from the class of an exception and its message; "" where neither tells it."""
    if found := _CODE.search(message):
        return found["code"]
    name = kind.rpartition(".")[2].rpartition("$")[2]
    return "" if _GENERAL.fullmatch(name) or not re.fullmatch(r"[A-Z]\w+", name) else name
