"""IAM identity policies, SCPs and RCPs as values: read from real-world JSON, written in one stable form.

Source: IAM User Guide, reference_policies_grammar; quotas in 4.2; Organizations User Guide,
orgs_manage_policies_scps_syntax and orgs_manage_policies_rcps_syntax.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from policygen.errors import UsageError
from policygen.text import escape_controls, sanitize


def allow_statements(policies: Iterable[Policy]) -> list[Statement]:
    """The Allow statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Allow"))


def deny_statements(policies: Iterable[Policy]) -> list[Statement]:
    """The Deny statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Deny"))


Effect = Literal["Allow", "Deny"]

PolicyKind = Literal["identity", "service control", "resource control"]
"""AWS's word for what a policy is; a boundary is written like an identity policy."""

Conditions = tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]
"""Operator -> key -> values, each level sorted: ``(("StringEquals", (("s3:prefix", ("2026/",)),)),)``."""

_VERSION = "2012-10-17"
_OLD_VERSION = "2008-10-17"
_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_EFFECTS: dict[str, Effect] = {"allow": "Allow", "deny": "Deny"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of an identity policy. With `not_actions`, `actions` are the value of NotAction."""

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_actions: bool = False
    not_resources: bool = False
    conditions: Conditions = ()
    sid: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The statement as IAM writes it; actions and resources are always lists."""
        element: dict[str, Any] = {"Sid": self.sid} if self.sid else {}
        element["Effect"] = self.effect
        element["NotAction" if self.not_actions else "Action"] = list(self.actions)
        element["NotResource" if self.not_resources else "Resource"] = list(self.resources)
        if self.conditions:
            element["Condition"] = {
                operator: {key: list(values) for key, values in keys} for operator, keys in self.conditions
            }
        return element

    @property
    def size(self) -> int:
        """Its characters in a minified document."""
        return len(_minified(self.to_dict()))


def _minified(element: Mapping[str, Any]) -> str:
    return json.dumps(element, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """An identity policy, or a control policy of an organization, as `kind` tells.

    `name` is for people: it is not part of the document.
    """

    statements: tuple[Statement, ...]
    version: str = _VERSION
    name: str = ""
    kind: PolicyKind = "identity"

    def to_dict(self) -> dict[str, Any]:
        """The policy document, in the order of its statements."""
        return {"Version": self.version, "Statement": [statement.to_dict() for statement in self.statements]}

    def to_json(self, indent: Literal[2] | None = None) -> str:
        """The policy document as text: minified, or indented for people."""
        if indent is None:
            return _minified(self.to_dict())
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    @property
    def size(self) -> int:
        """Characters that count against IAM's quotas: all but whitespace outside strings (4.2)."""
        return len(self.to_json())


def conditions_of(block: Mapping[str, Mapping[str, Iterable[str]]]) -> Conditions:
    """A condition block in its stable form: sorted at each level, without duplicate values."""
    return tuple(
        (operator, tuple((key, tuple(sorted(set(values)))) for key, values in sorted(keys.items())))
        for operator, keys in sorted(block.items())
    )


def parse_policy(document: Mapping[str, Any] | str, name: str = "", kind: PolicyKind = "identity") -> Policy:
    """An identity policy or a control policy from a document as AWS returns it or as people write it.

    Args:
        document: a JSON object, or its text, which may be URL-encoded (GetRolePolicy) or start with a BOM.
        name: what to call the policy in messages.
        kind: SCPs are written like identity policies; RCPs name the principal as well, which is always ``*``.

    A document of version 2008-10-17, which is also what a missing Version means, has no policy
    variables: it is read as the document of version 2012-10-17 that means the same.

    Raises:
        UsageError: PG-E210, with the path of the element that is not as it should be; PG-E350, an RCP
            whose principal is not everyone.
    """
    reader = _PolicyReader(name, kind)
    element = reader.mapping(reader.load(document) if isinstance(document, str) else document, "document")
    reader.known(element, _POLICY_ELEMENTS, "")
    version = element.get("Version", _OLD_VERSION)
    if version not in (_VERSION, _OLD_VERSION):
        raise reader.error("Version", f"is neither {_VERSION} nor {_OLD_VERSION}: {_shown(version)}")
    if "Statement" not in element:
        raise reader.error("Statement", "is missing")
    found = element["Statement"]
    statements = found if isinstance(found, list) else [found]
    reader.variables = version == _VERSION
    return Policy(
        tuple(reader.statement(statement, f"Statement[{i}]") for i, statement in enumerate(statements)),
        name=name,
        kind=kind,
    )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(escape_controls(value)[:80])
    return {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are unique, as IAM demands: the last of two must not hide the first."""
    element = dict(pairs)
    if len(element) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {_shown(next(key for key in keys if keys.count(key) > 1))}")
    return element


class _PolicyReader:
    """Reads the elements of one document; knows its name, for messages, and whether it has variables."""

    def __init__(self, name: str, kind: PolicyKind = "identity") -> None:
        self.name = name
        self.kind = kind
        self.variables = True

    def error(self, path: str, problem: str) -> UsageError:
        named, path = f"policy {sanitize(self.name)!r}" if self.name else "the policy", sanitize(path)
        return UsageError(
            f"{named} cannot be read: {path} {problem}",
            f"compare {path} with the IAM User Guide, IAM JSON policy elements reference",
            code="PG-E210",
        )

    def load(self, text: str) -> Any:
        text = text.removeprefix("\ufeff").strip()
        if not text.startswith("{"):
            text = unquote(text).removeprefix("\ufeff")
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise self.error("document", f"is not JSON: {error}") from error

    def mapping(self, value: object, path: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.error(path, f"must be an object, not {_shown(value)}")
        return value

    def known(self, element: Mapping[str, Any], names: frozenset[str], path: str) -> None:
        for key in element:
            if key in ("Principal", "NotPrincipal"):
                wanted = "an identity policy" if self.kind == "identity" else f"a {self.kind} policy"
                raise self.error(f"{path}.{key}", f"belongs to a resource policy; {wanted} is needed")
            if key not in names:
                raise self.error(f"{path}.{key}".lstrip("."), "is not an element of IAM policies")

    def statement(self, value: object, path: str) -> Statement:
        element = self.mapping(value, path)
        if self.kind == "resource control":
            element = self.everyone(element, path)
        self.known(element, _STATEMENT_ELEMENTS, path)
        effect = element.get("Effect")
        if not isinstance(effect, str) or effect.lower() not in _EFFECTS:
            raise self.error(f"{path}.Effect", f"must be Allow or Deny, not {_shown(effect)}")
        sid = element.get("Sid", "")
        if not isinstance(sid, str):
            raise self.error(f"{path}.Sid", f"must be a string, not {_shown(sid)}")
        actions, not_actions = self.one_of(element, "Action", path)
        resources, not_resources = self.one_of(element, "Resource", path)
        return Statement(
            effect=_EFFECTS[effect.lower()],
            actions=actions,
            resources=tuple(map(self.modern, resources)),
            not_actions=not_actions,
            not_resources=not_resources,
            conditions=self.conditions(element.get("Condition", {}), f"{path}.Condition"),
            sid=sid,
        )

    def everyone(self, element: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """The statement of an RCP without its principal, which AWS lets be nothing but everyone."""
        principal = element.get("Principal")
        if principal not in ("*", {"AWS": "*"}, {"AWS": ["*"]}, ["*"]):
            raise UsageError(
                f"RCP {sanitize(self.name)!r} cannot be read: {sanitize(path)}.Principal must be *, "
                f"not {_shown(principal)}",
                "a resource control policy speaks about everyone: AWS takes no other principal in it",
                "a bucket's or key's own policy is a resource policy, not a resource control policy",
                code="PG-E350",
            )
        return {key: value for key, value in element.items() if key != "Principal"}

    def one_of(self, element: Mapping[str, Any], key: str, path: str) -> tuple[tuple[str, ...], bool]:
        """The strings of `key` or of its negation, and whether it is the negation."""
        negated = f"Not{key}"
        if (key in element) == (negated in element):
            problem = "both stand in one statement" if key in element else "are both missing"
            raise self.error(f"{path}.{key}", f"and {negated} {problem}")
        found = key if key in element else negated
        return self.strings(element[found], f"{path}.{found}"), found == negated

    def strings(self, value: object, path: str, scalars: bool = False) -> tuple[str, ...]:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(self.string(item, path, scalars) for item in values)

    def string(self, value: object, path: str, scalars: bool) -> str:
        if isinstance(value, str):
            return value
        if scalars and isinstance(value, (bool, int, float)):
            return json.dumps(value)
        raise self.error(path, f"must be a string or a list of strings, not {_shown(value)}")

    def conditions(self, value: object, path: str) -> Conditions:
        return conditions_of(
            {
                str(operator): {
                    str(key): map(self.modern, self.strings(values, f"{path}.{operator}.{key}", scalars=True))
                    for key, values in self.mapping(keys, f"{path}.{operator}").items()
                }
                for operator, keys in self.mapping(value, path).items()
            }
        )

    def modern(self, text: str) -> str:
        """`text` with the meaning it has in its version, written in the present version."""
        return text if self.variables else text.replace("${", "${$}{")
