"""The formats that the console proposes as JSON: what an entry is read by where a stage's own format is not known.

Source: API Gateway Developer Guide, set-up-logging, http-api-logging and websocket-api-logging (example formats).
"""

from __future__ import annotations

import re

_VARIABLES = {
    "requestId": "requestId",
    "extendedRequestId": "extendedRequestId",
    "ip": "identity.sourceIp",
    "caller": "identity.caller",
    "user": "identity.user",
    "requestTime": "requestTime",
    "httpMethod": "httpMethod",
    "resourcePath": "resourcePath",
    "routeKey": "routeKey",
    "eventType": "eventType",
    "status": "status",
    "connectionId": "connectionId",
    "protocol": "protocol",
    "responseLength": "responseLength",
}
"""Name in JSON -> variable."""

_ALWAYS = frozenset({"requestId", "ip", "requestTime", "status"})
_NAMES = tuple(
    _ALWAYS | names
    for names in (
        {"caller", "user", "httpMethod", "resourcePath", "protocol", "responseLength"},
        {"httpMethod", "routeKey", "protocol", "responseLength"},
        {"caller", "user", "eventType", "routeKey", "connectionId"},
    )
)
"""The names of REST, HTTP and WebSocket APIs; ``extendedRequestId`` may come too."""

_MEMBER = re.compile(r'("([^"\\]*)"\s*:\s*"?)(?:(?<=")[^"\\]*|(?<!")[\w.-]+)')
_MEMBERS = r'"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\w.-]+)'
_OBJECT = re.compile(rf"\{{\s*{_MEMBERS}(?:\s*,\s*{_MEMBERS})*\s*\}}")


def console_format(entry: str) -> str | None:
    """Return the console's format, laid out as an entry is; None where the entry has not exactly the console's names.

    All of these names stand in the format, so a caller who puts another one into a value makes it stand there twice.
    """
    if not _OBJECT.fullmatch(entry):
        return None
    names = [name for _, name in _MEMBER.findall(entry)]
    if len(set(names)) != len(names) or set(names) - {"extendedRequestId"} not in _NAMES:
        return None
    return _MEMBER.sub(lambda found: f"{found[1]}$context.{_VARIABLES[found[2]]}", entry)
