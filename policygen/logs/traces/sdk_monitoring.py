"""SDK client-side monitoring: the messages that SDKs send by UDP, one JSON object each, as iamlive listens to them.

Fields: https://docs.aws.amazon.com/sdk-for-javascript/v2/developer-guide/metrics.html. A call is a message of type
``ApiCall``, and each of its attempts one of type ``ApiCallAttempt``. They name no resource, and no program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policygen.logs.traces.fields import number_at, text_at, time_of
from policygen.logs.traces.traced_call import Caller, Failure, TracedCall

NAME = "SDK monitoring"
_TYPES = {"ApiCall": "Final", "ApiCallAttempt": ""}
"""Type of a message -> what stands before the names of the fields that tell of its failure."""


def holds_messages(document: object) -> bool:
    """Return whether a document is a message of an SDK."""
    return isinstance(document, dict) and document.get("Type") in _TYPES and "Api" in document


def message_calls(document: Mapping[str, Any]) -> Iterator[TracedCall]:
    """Yield the call that a message is about."""
    before = _TYPES[document["Type"]]
    code = text_at(document, f"{before}AwsException")
    status = number_at(document, f"{before}HttpStatusCode")
    failed = code or status >= 400 or text_at(document, f"{before}SdkException")
    yield TracedCall(
        caller=Caller(),
        service=text_at(document, "Service"),
        operation=text_at(document, "Api"),
        region=text_at(document, "Region"),
        time=time_of(document.get("Timestamp")),
        failure=Failure(code, text_at(document, f"{before}AwsExceptionMessage"), status) if failed else None,
        attempt=document["Type"] == "ApiCallAttempt",
    )
