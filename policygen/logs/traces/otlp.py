"""OpenTelemetry: OTLP in JSON, one export a line, as the collector's file exporter writes it.

Format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Attributes of a call of AWS:
https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/, and those that instrumentations wrote before there
were conventions. ``attributes.toml`` has their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from policygen.catalog.sdk_names import plain_name
from policygen.files import read_package_table
from policygen.logs.traces.fields import list_at, number_at, table_at, tables_in, text_at, time_of
from policygen.logs.traces.traced_call import Caller, Failure, TracedCall
from policygen.logs.traces.xray import code_of_exception

NAME = "OTLP"
_LAMBDA = "aws_lambda"
_FAILED = (2, "2", "STATUS_CODE_ERROR")


@cache
def _names() -> Mapping[str, Mapping[str, Any]]:
    return read_package_table("policygen.logs.traces", "attributes.toml")  # type: ignore[no-any-return]


def holds_spans(document: object) -> bool:
    """Return whether a document is an export of spans."""
    return isinstance(document, dict) and isinstance(
        document.get("resourceSpans", document.get("resource_spans")), list
    )


def span_calls(document: Mapping[str, Any]) -> Iterator[TracedCall]:
    """Yield the calls of AWS in an export."""
    for resource_spans in _tables(document, "resourceSpans", "resource_spans"):
        about = _attributes(table_at(resource_spans, "resource"))
        for scope in _tables(resource_spans, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            for span in _tables(scope, "spans"):
                call = _call(span, about)
                if call:
                    yield call


def _tables(table: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]]:
    return [one for one in list_at(table, *names) if isinstance(one, dict)]


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span or event as a table of plain values."""
    return {
        one["key"]: _value(one.get("value"))
        for one in _tables(holder, "attributes")
        if isinstance(one.get("key"), str)
    }


def _value(value: object) -> Any:
    """Return a plain value: a text, a number, or a list of texts; None for anything else."""
    if not isinstance(value, dict):
        return None
    if "arrayValue" in value:
        return [_value(one) for one in list_at(table_at(value, "arrayValue"), "values")]
    return next(
        (value[kind] for kind in ("stringValue", "intValue", "doubleValue", "boolValue") if kind in value),
        None,
    )


def _call(span: Mapping[str, Any], about: Mapping[str, Any]) -> TracedCall | None:
    """Return the call of a span; None if the span is none of an SDK of AWS."""
    said = _attributes(span)
    names = _names()["call"]
    service, operation = text_at(said, *names["service"]), text_at(said, *names["operation"])
    if text_at(said, *names["system"]) != "aws-api" and not (service and operation.strip() and _is_old(said)):
        return None
    for mark in "/", ".":  # a full name: DynamoDB/GetItem
        before, found, after = operation.rpartition(mark)
        if found:
            service, operation = service or before, after
    if not service:
        service = text_at(span, "name").rpartition(".")[0]
    return TracedCall(
        caller=_caller(about),
        service=service.removeprefix("AWS::"),
        operation=operation,
        region=text_at(said, *names["region"]) or text_at(about, "cloud.region"),
        time=time_of(span.get("startTimeUnixNano", span.get("start_time_unix_nano"))),
        parameters=_parameters(said, service, operation),
        failure=_failure(span, said),
        reference=f"trace {text_at(span, 'traceId', 'trace_id')}",
    )


def _is_old(said: Mapping[str, Any]) -> bool:
    """Return whether a span names service and operation as instrumentations did before there were conventions."""
    return any(name.startswith("aws.") for name in said)


def _caller(about: Mapping[str, Any]) -> Caller:
    names = _names()["caller"]
    account = text_at(about, *names["account"])
    function = next(
        (arn for arn in (text_at(about, name) for name in names["function"]) if ":function:" in arn), ""
    )
    named, region = text_at(about, "faas.name"), text_at(about, "cloud.region")
    if not function and named and account and region and text_at(about, "cloud.platform") == _LAMBDA:
        partition = (
            "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        )
        function = f"arn:{partition}:lambda:{region}:{account}:function:{named}"
    account = account or (function.split(":")[4] if function.count(":") > 4 else "")
    return Caller(function, text_at(about, *names["name"]), account)


def _parameters(said: Mapping[str, Any], service: str, operation: str) -> dict[str, Any]:
    """Return what the attributes name, by CloudTrail's names of the parameters."""
    found: dict[str, Any] = {}
    for parameter, attributes in _names()["parameters"].items():
        if text := text_at(said, *attributes):
            found[parameter] = text
    topic = text_at(said, "messaging.destination.name", "messaging.destination")
    if topic.startswith("arn:") and ":sns:" in topic:
        found.setdefault("topicArn", topic)
    if "dynamodb" not in plain_name(service):
        return found
    for attribute in _names()["tables"]["names"]:
        tables = said.get(attribute)
        if tables:
            return found | tables_in(operation, tables if isinstance(tables, list) else [tables])
    return found


def _failure(span: Mapping[str, Any], said: Mapping[str, Any]) -> Failure | None:
    result = table_at(span, "status")
    status = number_at(said, *_names()["call"]["status"])
    if result.get("code") not in _FAILED and status < 400:
        return None
    raised = next((_attributes(one) for one in _tables(span, "events") if one.get("name") == "exception"), {})
    message = text_at(raised, "exception.message") or text_at(result, "message")
    kind = text_at(said, *_names()["call"]["error"]) or text_at(raised, "exception.type")
    return Failure(code_of_exception(kind, message), message, status)
