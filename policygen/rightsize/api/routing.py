"""Which method of an API answers a request: by verb and path, or by the key of a route.

Source: API Gateway Developer Guide, api-gateway-resource-map-method (a concrete path comes before a template, a
template before a greedy one), http-api-develop-routes (the most specific route, ANY after the named verb, $default
last) and apigateway-websocket-api-develop-routes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from policygen.account.apis import Api, Method
from policygen.iam.arn import escape, resource_glob
from policygen.iam.pattern import Token, Wild, meets

_VARIABLE = re.compile(r"\{[^{}]*\}")
_DEFAULT = "$default"


def method_of(api: Api, verb: str, path: str) -> Method | None:
    """Return the method or route that answers; None where none does.

    Args:
        api: the API.
        verb: of the request; for a WebSocket API the key of its route.
        path: of the request, with ``/`` at its beginning; not read for a WebSocket API.
    """
    if api.protocol == "WEBSOCKET":
        named = {method.path: method for method in api.methods}
        return named.get(verb) or (named.get(_DEFAULT) if not verb.startswith("$") else None)
    found = [
        method
        for method in api.methods
        if method.path != _DEFAULT and method.verb in {verb, "ANY"} and _path(method.path).fullmatch(path)
    ]
    if found:
        return min(found, key=_rank)
    return next((method for method in api.methods if method.path == _DEFAULT), None)


def _rank(method: Method) -> tuple[tuple[int, ...], bool]:
    """Return what sorts the more specific method first: constant pieces, variables, then the rest of a path."""
    pieces = method.path.split("/")
    order = tuple(2 if piece.endswith("+}") else 1 if piece.startswith("{") else 0 for piece in pieces)
    return order, method.verb == "ANY"


@lru_cache(maxsize=4096)
def _path(template: str) -> re.Pattern[str]:
    """Return what matches the paths of a template; a variable is one piece, a greedy one all that follow."""
    parts = _VARIABLE.split(template)
    variables = ["(.+)" if one.endswith("+}") else "([^/]+)" for one in _VARIABLE.findall(template)]
    text = re.escape(parts[0])
    for variable, constant in zip(variables, parts[1:], strict=True):
        text += variable + re.escape(constant)
    return re.compile(text, re.DOTALL)


def request_arn(api: Api, stage: str, verb: str, path: str) -> str:
    """Return the ARN that API Gateway asks IAM about; the root's ends with ``/``.

    A WebSocket API is asked by the key of the route, without a path.
    """
    if api.protocol == "WEBSOCKET":
        return f"{api.arn}/{stage}/{verb}"
    return f"{api.arn}/{stage}/{verb}/{path.lstrip('/')}"


def method_named(api: Api, verb: str, path: str) -> Method | None:
    """Return the method with a template, by the verb of a request; None where the API has none.

    Args:
        api: the API.
        verb: of the request; "" for the routes of a WebSocket API.
        path: the template, or the key of a route.
    """
    found = [one for one in api.methods if one.path == path and one.verb in {verb, "ANY", ""}]
    return min(found, key=lambda one: one.verb != verb, default=None)


def method_pattern(api: Api, stage: str, verb: str, path: str) -> str:
    """Return the Resource pattern of a method on a stage: variables, and what $default takes, are written ``*``.

    Args:
        api: the API.
        stage: its name.
        verb: of the requests; not read for a WebSocket API.
        path: the template, or the key of a route.
    """
    if api.protocol == "WEBSOCKET":
        return f"{api.arn}/{escape(stage)}/{escape(path)}"
    place = f"{api.arn}/{escape(stage)}/{'*' if verb == 'ANY' else escape(verb)}"
    if path == _DEFAULT:
        return f"{place}/*"
    return f"{place}/{'*'.join(map(escape, _VARIABLE.split(path.lstrip('/'))))}"


def route_pattern(resource: str) -> str:
    """Return the pattern of all that an ARN stands for whose path is a template; of a concrete one, the ARN itself."""
    return "*".join(map(escape, _VARIABLE.split(resource)))


def example_path(path: str) -> str:
    """Return a path that a template matches."""
    return "/-" if path == _DEFAULT else _VARIABLE.sub("-", path)


def reaches(api: Api, stage: str, pattern: str) -> bool:
    """Return whether a Resource pattern matches a request to a method of a stage, whose variables hold no slash."""
    asked = _by_piece(resource_glob(pattern).tokens)
    return any(meets(_by_piece(_request_tokens(api, stage, one)), asked) for one in api.methods)


_PIECES: dict[Token, Token] = {"/": ":", ":": "\0"}
"""Pieces of paths as segments of ARNs, which some wildcards do not cross."""


def methods_reached(api: Api, resources: Sequence[str]) -> frozenset[tuple[str, Method]]:
    """Return the methods, each with its stage, of which one of some Resource patterns matches a request."""
    patterns = [_by_piece(resource_glob(one).tokens) for one in resources]
    asked = {
        (stage.name, method): _by_piece(_request_tokens(api, stage.name, method))
        for stage in api.stages
        for method in api.methods
    }
    return frozenset(place for place, tokens in asked.items() if any(meets(tokens, one) for one in patterns))


def _by_piece(tokens: Sequence[Token]) -> tuple[Token, ...]:
    return tuple(_PIECES.get(one, one) for one in tokens)


def _request_tokens(api: Api, stage: str, method: Method) -> list[Token]:
    tokens: list[Token] = list(f"{api.arn}/{stage}/")
    if api.protocol == "WEBSOCKET":
        return [*tokens, *method.path]
    tokens += [Wild.SOME_INSIDE] if method.verb in {"ANY", ""} else list(method.verb)
    tokens.append("/")
    if method.path == _DEFAULT:
        return [*tokens, Wild.SOME]
    path = method.path.lstrip("/")
    variables = _VARIABLE.findall(path)
    for number, constant in enumerate(_VARIABLE.split(path)):
        tokens += constant
        if number < len(variables):
            greedy = variables[number].endswith("+}")
            tokens += [Wild.ONE, Wild.SOME] if greedy else [Wild.ONE_INSIDE, Wild.SOME_INSIDE]
    return tokens
