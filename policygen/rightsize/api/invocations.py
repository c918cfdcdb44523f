"""Requests to APIs as people write them: a JSON object each, or one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NoReturn

from policygen.account.apis import Api
from policygen.account.snapshot_apis import api_names
from policygen.errors import NothingFoundError, UsageError
from policygen.iam.document import Policy, parse_policy
from policygen.iam.party import NOBODY, Party
from policygen.rightsize.api.question import Authorized, Invocation, World
from policygen.text import escape_controls

SENTENCE = "WHO VERB API/STAGE/PATH"
NOBODY_SAID = frozenset({"anybody", "-", ""})
"""How people write that a request is not signed."""


def find_api(world: World, asked: str) -> Api:
    """Return an API by its id or its name.

    Raises:
        UsageError: PG-E380, several have the name.
        NothingFoundError: PG-E381, none has it, or no snapshot says which APIs there are.
    """
    apis = [one for account in world.accounts.values() for one in account.gateway.apis or ()]
    found = [one for one in apis if one.id == asked] or [one for one in apis if one.name == asked]
    if len(found) == 1:
        return found[0]
    shown = escape_controls(asked)[:80]
    if found:
        raise UsageError(
            f"several APIs are named {shown!r}: {', '.join(one.id for one in found)}",
            "give the id of one",
            code="PG-E380",
        )
    if all(account.gateway.apis is None for account in world.accounts.values()):
        raise NothingFoundError(
            f"the snapshot does not say which APIs there are, so {shown!r} is not known",
            "make it again: policygen snapshot",
            code="PG-E381",
        )
    close = difflib.get_close_matches(asked, [one.id for one in apis] + [one.name for one in apis], 1)
    raise NothingFoundError(
        f"no API {shown!r} in the snapshots",
        *([f"did you mean {close[0]}?"] if close else []),
        f"there are: {', '.join(api_names(apis)[:8]) or 'none'}",
        code="PG-E381",
    )


def from_sentence(text: str, world: World) -> tuple[Api, Invocation]:
    """Read ``WHO VERB API/STAGE/path``, where WHO is an ARN, the name of a role that one account has, or ``anybody``.

    Raises:
        UsageError: PG-E382, another form, with what is wrong.
        NothingFoundError: PG-E381, no such API.
    """
    words = text.split()
    if len(words) != 3 or words[2].count("/") < 1:
        _refuse(f"not a request: {escape_controls(text)[:120]!r}")
    who, verb, target = words
    api_id, _, rest = target.partition("/")
    stage, _, path = rest.partition("/")
    api = find_api(world, api_id)
    return api, Invocation(api.id, stage, verb, f"/{path}", _party(_named(who, world), ""))


def from_object(row: Mapping[str, Any], world: World) -> tuple[Api, Invocation]:
    """Read a request from an object with api, stage, method, path, and what is known besides.

    Raises:
        UsageError: PG-E382, a member is missing or of another type; PG-E210, a policy that cannot be read.
        NothingFoundError: PG-E381, no such API.
    """
    texts = {key: row.get(key) for key in ("api", "stage", "method", "path")}
    for key, value in texts.items():
        if not isinstance(value, str):
            _refuse(f"{key} must be a text, in {_shown(row)}")
    for key in ("principal", "session", "vpc_endpoint"):
        if not isinstance(row.get(key), str | None):
            _refuse(f"{key} must be a text or null, in {_shown(row)}")
    api = find_api(world, str(texts["api"]))
    return api, Invocation(
        api.id,
        str(texts["stage"]),
        str(texts["method"]),
        str(texts["path"]),
        _party(row.get("principal") or "", row.get("session") or ""),
        _context(row),
        row.get("vpc_endpoint") or "",
        _policy(row.get("session_policy"), "session_policy", row),
        _authorized(row),
    )


def _named(who: str, world: World) -> str:
    """Return the ARN of the only role of a name; what is no such name as it stands.

    Raises:
        UsageError: PG-E382, roles of several accounts have the name.
    """
    if who in NOBODY_SAID or ":" in who:
        return who
    found = [role.key.arn for one in world.accounts.values() for role in one.roles if role.name == who]
    if len(found) > 1:
        _refuse(f"several accounts have a role {escape_controls(who)[:80]!r}: {', '.join(found)}")
    return found[0] if found else who


def _party(who: str, session: str) -> Party:
    if who in NOBODY_SAID:
        return NOBODY
    parts = who.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] not in ("iam", "sts"):
        _refuse(
            f"no role of the snapshots, and not the ARN of a role, a user or an account: {escape_controls(who)[:120]!r}"
        )
    if parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        _, role, name = [*parts[5].split("/", 2), "", ""][:3]
        return Party("AWS", f"arn:{parts[1]}:iam::{parts[4]}:role/{role}", session or name)
    return Party("AWS", who, session)


def _context(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    given = row.get("context") or {}
    if not isinstance(given, Mapping):
        _refuse(f"context must be an object, in {_shown(row)}")
    return {
        str(key): tuple(map(str, value)) if isinstance(value, list) else (str(value),)
        for key, value in given.items()
    }


def _authorized(row: Mapping[str, Any]) -> Authorized | None:
    answer = row.get("authorizer")
    if answer is None:
        return None
    outcomes = ("allow", "deny", "unauthenticated")
    if not isinstance(answer, Mapping) or answer.get("outcome") not in outcomes:
        _refuse(f"authorizer must be an object whose outcome is {', '.join(outcomes)}, in {_shown(row)}")
    return Authorized(str(answer["outcome"]), _policy(answer.get("policy"), "authorizer.policy", row))


def _policy(document: object, name: str, row: Mapping[str, Any]) -> Policy | None:
    if document is None:
        return None
    if not isinstance(document, Mapping | str):
        _refuse(f"{name} must be a policy document, in {_shown(row)}")
    return parse_policy(document, name)


def _shown(row: Mapping[str, Any]) -> str:
    return f"request {escape_controls(str(row.get('id', row)))[:80]!r}"


def _refuse(problem: str) -> NoReturn:
    raise UsageError(
        problem,
        f'give a sentence, policygen may "{SENTENCE}" --snapshot account.json',
        'or a file with an object a line: {"api": …, "stage": …, "method": …, "path": …, "principal": …}',
        code="PG-E382",
    )
