"""The variables of access logs: which texts API Gateway may put in the place of each.

Source: API Gateway Developer Guide, api-gateway-variables-for-access-logging, http-api-logging-variables and
websocket-api-logging (variables), set-up-logging (``-`` stands for no value; a client may choose a request id).

What API Gateway itself writes has a narrow form. What a caller sends, or a token holds, may be any text, with quotes
and commas: nothing says that API Gateway escapes it.
"""

from __future__ import annotations

import re
from functools import lru_cache

_STATUS = r"\d{3}"
_NUMBER = r"\d+"
_WORD = r"[\w-]+"
_PRINTED = r"[!-~]+"
_ID = r"[\w+=,.@:/-]+"

FORMS = {
    "accountId": r"\d{12}",
    "apiId": r"\w+",
    "authenticate.latency": _NUMBER,
    "authenticate.status": _STATUS,
    "authorize.latency": _NUMBER,
    "authorize.status": _STATUS,
    "authorizer.integrationLatency": _NUMBER,
    "authorizer.integrationStatus": _STATUS,
    "authorizer.latency": _NUMBER,
    "authorizer.requestId": _WORD,
    "authorizer.status": _STATUS,
    "awsEndpointRequestId": _WORD,
    "awsEndpointRequestId2": r"[\w+/=-]+",
    "connectedAt": _NUMBER,
    "connectionId": r"[\w=-]+",
    "customDomain.basePathMatched": r"[\w$.+!*'()/-]+",
    "dataProcessed": _NUMBER,
    "domainName": r"[\w.-]+",
    "domainPrefix": _WORD,
    "error.responseType": r"[A-Z0-9_]+",
    "eventType": r"[A-Z]+",
    "extendedRequestId": r"[\w+/=-]+",
    "httpMethod": r"[A-Za-z]+",
    "identity.accountId": r"\d{12}",
    "identity.apiKeyId": r"[\w-]+",
    "identity.caller": _ID,
    "identity.principalOrgId": r"o-\w+",
    "identity.sourceIp": r"[0-9a-fA-F:.]+",
    "identity.user": _ID,
    # The path of a user may have any printed character, the names of users, roles and sessions may not.
    "identity.userArn": r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:(?:[\w+=,.@/:-]+|user/[!-~]+/[\w+=,.@-]+)",
    "identity.vpcId": r"vpc-[\w-]+",
    "identity.vpceId": r"vpce-[\w-]+",
    "integration.integrationStatus": _STATUS,
    "integration.latency": _NUMBER,
    "integration.requestId": _WORD,
    "integration.status": _STATUS,
    "integrationLatency": _NUMBER,
    "integrationStatus": _STATUS,
    "messageId": r"[\w=-]+",
    "protocol": r"[A-Za-z]+(?:/[\d.]+)?",
    "requestTime": r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "requestTimeEpoch": _NUMBER,
    "resourceId": r"\w+",
    "resourcePath": r"/[!#-~]*",
    "responseLatency": _NUMBER,
    "responseLength": _NUMBER,
    "responseOverride.status": _STATUS,
    "routeKey": r"[!#-~]+(?: [!#-~]+)?",
    "stage": r"[\w$-]+",
    "status": _STATUS,
    "tlsVersion": r"[\w.]+",
    "waf.latency": _NUMBER,
    "waf.status": _STATUS,
    "wafResponseCode": r"[A-Z_]+",
    "webaclArn": _PRINTED,
    "xrayTraceId": r"[\w=;:-]+",
}
"""Variable, without ``$context.`` -> the form of its values; a variable that is not here may be any text."""

IDS = frozenset({"requestId", "extendedRequestId"})
TIMES = frozenset({"requestTime", "requestTimeEpoch"})
PASSING = frozenset(
    {
        *IDS, *TIMES, "authenticate.latency", "authorize.latency", "authorizer.integrationLatency",
        "authorizer.latency", "authorizer.requestId", "awsEndpointRequestId", "awsEndpointRequestId2", "connectedAt",
        "connectionId", "dataProcessed", "identity.userAgent", "integration.latency", "integration.requestId",
        "integrationLatency", "messageId", "responseLatency", "responseLength", "waf.latency", "xrayTraceId",
    }
)  # fmt: skip
"""Variables that say nothing of who invoked what: they differ from entry to entry, and are not decided about."""

NOTHING = "-"
"""What stands in the place of a value that there is not."""


@lru_cache(maxsize=512)
def form_of(variable: str) -> re.Pattern[str] | None:
    """Return the form of a variable's values, which nothing and ``-`` have too; None where they may be any text."""
    form = FORMS.get(variable)
    if form is None:
        return None
    return re.compile(form if variable == "requestTime" else f"(?:{form})?|-", re.ASCII)


def is_valid(variable: str, text: str) -> bool:
    """Return whether API Gateway may have written a text in the place of a variable."""
    form = form_of(variable)
    return form is None or form.fullmatch(text) is not None
