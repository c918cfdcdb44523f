"""Which method an entry is about, and the path in its ARN: without the stage or the base path of a custom domain.

Source: API Gateway Developer Guide, api-gateway-control-access-using-iam-policies-to-invoke-api (the ARN has the path
without them), rest-api-mappings and http-api-mappings (base paths), api-gateway-variables-for-access-logging.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from policygen.account.apis import Api, Domain, Method
from policygen.rightsize.api.routing import method_of, request_arn

_VARIABLE = re.compile(r"\{[^{}]*\}")
_DEFAULT = "$default"
_NO_BASE = "(none)"
_BASE_PATH = "customDomain.basePathMatched"
_EVENTS = {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}


class Route:
    """The part of an API that an entry is about.

    Attributes:
        verb: that came; the route's key for a WebSocket API; "" where the entry does not say it.
        method: that answered; None where the API has none, or the entry does not say which.
        path: that came, without stage or base path; "" where the entry does not surely say it.
    """

    def __init__(self, api: Api, stage: str, values: Mapping[str, str], domains: Iterable[Domain]) -> None:
        self._api, self._stage = api, stage
        self.verb = _verb(api, values)
        paths = [] if api.protocol == "WEBSOCKET" else list(_paths(api, stage, values, domains))
        self.method = self._named(values) if _says_route(values) else self._asked(paths)
        fitting = [one for one in paths if self._fits(one)]
        self.path = fitting[0] if len(fitting) == 1 else ""

    @property
    def resource(self) -> str:
        """The ARN that was asked for; a pattern of the method's ARNs where the path is not known."""
        if not (self.method and self.verb):
            return ""
        template = "/*" if self.method.path == _DEFAULT else _VARIABLE.sub("*", self.method.path)
        return request_arn(self._api, self._stage, self.verb, self.path or template)

    def _named(self, values: Mapping[str, str]) -> Method | None:
        """Return the method that the entry names by its template, or by the key of its route."""
        if self._api.protocol == "WEBSOCKET":
            return method_of(self._api, self.verb, "")
        verb, _, template = values.get("routeKey", "").rpartition(" ")
        template = values.get("resourcePath", "") or template
        found = [one for one in self._api.methods if one.path == template]
        return next(
            (one for wanted in (self.verb, verb, "ANY", "") for one in found if one.verb == wanted), None
        )

    def _asked(self, paths: Iterable[str]) -> Method | None:
        """Return the method that answers the path, if all that it may be without stage or base path agree."""
        found = {method for one in paths if (method := self._method_of(one))}
        return found.pop() if len(found) == 1 else None

    def _fits(self, path: str) -> bool:
        return self.method is not None and self._method_of(path) == self.method

    def _method_of(self, path: str) -> Method | None:
        if not self.verb:
            return None
        return method_of(self._api, self.verb, path) or method_of(
            self._api, self.verb, path.rstrip("/") or "/"
        )


def _says_route(values: Mapping[str, str]) -> bool:
    return any(values.get(one) for one in ("resourcePath", "routeKey", "eventType"))


def _verb(api: Api, values: Mapping[str, str]) -> str:
    key = values.get("routeKey", "")
    if api.protocol == "WEBSOCKET":
        return key or _EVENTS.get(values.get("eventType", ""), "")
    verb = values.get("httpMethod", "")
    return verb or key.partition(" ")[0].replace("ANY", "") if " " in key else verb


def _paths(api: Api, stage: str, values: Mapping[str, str], domains: Iterable[Domain]) -> Iterator[str]:
    """Yield what the path may be in the ARN: without the stage, or without the base path of a custom domain."""
    path = values.get("path", "")
    if not path.startswith("/"):
        return
    bases = dict.fromkeys(_bases(api, stage, values, domains))
    found = dict.fromkeys(rest for one in bases if (rest := _without(path, one)))
    # The path of an HTTP API has the stage by its documentation; one that has not is the route's.
    yield from found or ([path] if api.protocol == "HTTP" else [])


def _bases(api: Api, stage: str, values: Mapping[str, str], domains: Iterable[Domain]) -> Iterator[str]:
    """Yield what may stand before the path; "" for nothing."""
    base, name = values.get(_BASE_PATH), values.get("domainName", "")
    if base:
        yield "" if base == _NO_BASE else base.strip("/")
        return
    own = "" if stage == _DEFAULT else stage
    if base is not None or name.startswith(f"{api.id}.") or ".execute-api." in name:
        yield own
        return
    mapped = [
        base_path
        for one in domains
        if not name or one.name == name
        for base_path, *target in one.mappings
        if target in ([api.id, stage], [api.id, ""]) and _without(values["path"], base_path)
    ]
    # Of the base paths of one domain the longest is taken.
    yield from [own, *mapped] if not name else sorted(mapped, key=len)[-1:]


def _without(path: str, base: str) -> str:
    """Return a path without what stands before it; "" where something else does."""
    if not base:
        return path
    rest = path.removeprefix(f"/{base}")
    if rest == path or rest[:1] not in {"", "/"}:
        return ""
    return rest or "/"
