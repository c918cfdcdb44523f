"""IAM identity policies, SCPs and RCPs as values: parsed from real-world JSON, written in one stable form.

Source: IAM User Guide, reference_policies_grammar; quotas in 4.2; Organizations User Guide,
orgs_manage_policies_scps_syntax and orgs_manage_policies_rcps_syntax.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from policygen.errors import UsageError
from policygen.iam import arn
from policygen.text import escape_controls, page_of, pluralize, sanitize


def allow_statements(policies: Iterable[Policy]) -> list[Statement]:
    """Return the Allow statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Allow"))


def deny_statements(policies: Iterable[Policy]) -> list[Statement]:
    """Return the Deny statements of policies, in order, each once."""
    return list(dict.fromkeys(s for policy in policies for s in policy.statements if s.effect == "Deny"))


Effect = Literal["Allow", "Deny"]

PolicyKind = Literal["identity", "service control", "resource control"]
"""AWS's name for the kind of a policy. A permissions boundary is written like an identity policy."""

Conditions = tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]
"""Operator -> key -> values, sorted at each level: ``(("StringEquals", (("s3:prefix", ("2026/",)),)),)``."""

CURRENT_VERSION = "2012-10-17"
_SHOWN = 1500
"""Characters of a document in the representation of a policy."""
_OLD_VERSION = "2008-10-17"
_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_EVERY_ACTION = re.compile(r"\*+(?::\*+)?")
"""Ways to write ``*``; ``*:*`` is a common one."""
_EFFECTS: dict[str, Effect] = {"allow": "Allow", "deny": "Deny"}


class Statement(msgspec.Struct, frozen=True, dict=True, cache_hash=True):
    """One statement of an identity policy.

    With `not_actions`, `actions` are the values of NotAction; likewise `not_resources`.
    """

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_actions: bool = False
    not_resources: bool = False
    conditions: Conditions = ()
    sid: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the statement as a JSON object. Actions and resources are always lists."""
        element: dict[str, Any] = {"Sid": self.sid} if self.sid else {}
        element["Effect"] = self.effect
        element["NotAction" if self.not_actions else "Action"] = list(self.actions)
        element["NotResource" if self.not_resources else "Resource"] = list(self.resources)
        if self.conditions:
            element["Condition"] = {
                operator: {key: list(values) for key, values in keys} for operator, keys in self.conditions
            }
        return element

    def actions_about(self, action: str) -> Sequence[str]:
        """Return the listed actions of the service of an action or Action pattern: no others can match it."""
        service, groups = arn.service_of(action), self._actions_by_service
        return self.actions if service == "*" else groups.get(service, groups["*"])

    @cached_property
    def _actions_by_service(self) -> Mapping[str, Sequence[str]]:
        return arn.patterns_by_service(self.actions)

    def resource_contains(self, pattern: str) -> bool:
        """Whether the Resource or NotResource element covers everything that a pattern matches. True is proven."""
        if self.not_resources:
            return not any(arn.overlaps(excluded, pattern) for excluded in self.resources_about(pattern))
        return any(arn.contains(listed, pattern) for listed in self.resources_about(pattern))

    def resource_overlaps(self, pattern: str) -> bool:
        """Whether the Resource or NotResource element may cover something that a pattern matches. False is proven."""
        if self.not_resources:
            return not any(arn.contains(excluded, pattern) for excluded in self.resources_about(pattern))
        return any(arn.overlaps(listed, pattern) for listed in self.resources_about(pattern))

    def resources_about(self, pattern: str) -> Sequence[str]:
        """Return the listed resources that may overlap a pattern: about a name, few of thousands."""
        if not arn.is_name(pattern):
            return self.resources
        found = [one for one, may_match in self._resource_patterns if may_match(pattern)]
        return [pattern, *found] if pattern in self.resource_names else found

    @cached_property
    def resource_names(self) -> frozenset[str]:
        """The listed resources that match only themselves."""
        return frozenset(filter(arn.is_name, self.resources))

    @property
    def lists_only_names(self) -> bool:
        """Whether the statement applies to listed names alone."""
        return not (self.not_resources or self._resource_patterns)

    @cached_property
    def _resource_patterns(self) -> list[tuple[str, Callable[[str], bool]]]:
        """The listed resources that may match several names, each with what tells whether it may match one."""
        return [(one, arn.may_match(one)) for one in self.resources if not arn.is_name(one)]

    @property
    def size(self) -> int:
        """Number of characters in a minified document."""
        return len(minified(self.to_dict()))


def minified(element: Mapping[str, Any]) -> str:
    """Return a document of texts as JSON in one line without spaces, as `json` writes it, in a tenth of its time."""
    try:
        return msgspec.json.encode(element).decode()
    except (ValueError, OverflowError):  # half a pair of surrogates, or a number beyond 64 bits
        return json.dumps(element, separators=(",", ":"), ensure_ascii=False)


class Policy(msgspec.Struct, frozen=True):
    """An identity policy, or a control policy of an organization; `kind` says which.

    `name` is for people and not part of the document.

    Example:
        >>> import policygen as pg
        >>> pg.parse_policy({"Version": "2012-10-17", "Statement": []}, "empty")
        <Policy empty: 0 statements, 39 characters: {"Version":"2012-10-17","Statement":[]}>
    """

    statements: tuple[Statement, ...]
    version: str = CURRENT_VERSION
    name: str = ""
    kind: PolicyKind = "identity"

    def __repr__(self) -> str:
        """Return its name, its size and the beginning of its document."""
        text = self.to_json()
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        name = f" {sanitize(self.name, 128)}" if self.name else ""
        return f"<Policy{name}: {pluralize(len(self.statements), 'statement')}, {len(text):,} characters: {shown}>"

    def _repr_html_(self) -> str:
        """Return the same as a small page, for notebooks."""
        return page_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the policy document, its statements in order."""
        return {"Version": self.version, "Statement": [statement.to_dict() for statement in self.statements]}

    def to_json(self, indent: Literal[2] | None = None) -> str:
        """Return the policy document as text: minified, or indented for people."""
        if indent is None:
            return minified(self.to_dict())
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    @property
    def size(self) -> int:
        """Number of characters that count against IAM's quotas: all but whitespace outside strings (4.2)."""
        return len(self.to_json())


def conditions_of(block: Mapping[str, Mapping[str, Iterable[str]]]) -> Conditions:
    """Return a condition block in its stable form: sorted at each level, without duplicate values."""
    return tuple(
        (operator, tuple((key, tuple(sorted(set(values)))) for key, values in sorted(keys.items())))
        for operator, keys in sorted(block.items())
    )


def parse_policy(
    document: Mapping[str, Any] | str, name: str = "", kind: PolicyKind = "identity", *, exact: bool = False
) -> Policy:
    """Parse the document of an identity policy or a control policy, as AWS returns it or as people write it.

    Args:
        document: a JSON object, or its text, which may be URL-encoded (GetRolePolicy) or start with a BOM.
        name: what to call the policy in messages.
        kind: SCPs are written like identity policies. RCPs also name a principal, which is always ``*``.
        exact: take no Effect in another case, which IAM refuses.

    Version 2008-10-17 (also the meaning of a missing Version) has no policy variables. The result is the policy of
    version 2012-10-17 with the same meaning.

    Raises:
        UsageError: PG-E210, an element is not valid; the message has its path. PG-E350, the principal of an RCP is
            not ``*``.

    Example:
        >>> import policygen as pg
        >>> statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shop"}
        >>> policy = pg.parse_policy({"Version": "2012-10-17", "Statement": statement}, "mine")
        >>> policy.statements[0].actions, policy.size
        (('s3:ListBucket',), 117)
    """
    reader = _PolicyReader(name, kind)
    reader.exact = exact
    element = reader.mapping(reader.load(document) if isinstance(document, str) else document, "document")
    reader.reject_unknown(element, _POLICY_ELEMENTS, "")
    version = element.get("Version", _OLD_VERSION)
    if version not in (CURRENT_VERSION, _OLD_VERSION):
        raise reader.error("Version", f"is neither {CURRENT_VERSION} nor {_OLD_VERSION}: {_shown(version)}")
    if "Statement" not in element:
        raise reader.error("Statement", "is missing")
    content = element["Statement"]
    statements = content if isinstance(content, list) else [content]
    reader.variables = version == CURRENT_VERSION
    return Policy(
        tuple(reader.statement(statement, f"Statement[{i}]") for i, statement in enumerate(statements)),
        name=name,
        kind=kind,
    )


def load_document(document: Mapping[str, Any] | str, name: str = "") -> Mapping[str, Any]:
    """Return the JSON object of a document, which may be its text, URL-encoded or with a BOM.

    Raises:
        UsageError: PG-E210, it is no JSON object.
    """
    reader = _PolicyReader(name)
    return reader.mapping(reader.load(document) if isinstance(document, str) else document, "document")


def document_error(name: str, path: str, problem: str) -> UsageError:
    """Return the error PG-E210 for an element of a document."""
    return _PolicyReader(name).error(path, problem)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(escape_controls(value)[:80])
    return {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


class RepeatedKeyError(ValueError):
    """A key of an object that is there twice; `key` is its text."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {_shown(key)} is there twice in one object")
        self.key = key


def with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object and reject repeated keys, as IAM does: the last value must not hide the first.

    Raises:
        RepeatedKeyError: a key is there twice.
    """
    element = dict(pairs)
    if len(element) != len(pairs):
        keys = [key for key, _ in pairs]
        raise RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return element


class _PolicyReader:
    """Reads the elements of one document. `name` is for messages; `variables` says whether it has policy variables."""

    def __init__(self, name: str, kind: PolicyKind = "identity") -> None:
        self.name = name
        self.kind = kind
        self.variables = True
        self.exact = False

    def error(self, path: str, problem: str, hint: str = "") -> UsageError:
        named, path = f"policy {sanitize(self.name)!r}" if self.name else "the policy", sanitize(path)
        return UsageError(
            f"{named} cannot be read: {path} {problem}",
            hint or f"compare {path} with the IAM User Guide, IAM JSON policy elements reference",
            code="PG-E210",
        )

    def load(self, text: str) -> Any:
        text = text.removeprefix("\ufeff").strip()
        if not text.startswith("{"):
            text = unquote(text).removeprefix("\ufeff")
        try:
            return json.loads(text, object_pairs_hook=with_unique_keys)
        except RepeatedKeyError as error:
            hint = f"leave one {_shown(error.key)} out, or write both as one: only the last would count"
            raise self.error("document", f"is not clear: {error}", hint) from error
        except (ValueError, RecursionError) as error:
            hint = "look before that place: a comma, a quotation mark or a bracket is missing, or is one too many"
            raise self.error("document", f"is not JSON: {error}", hint) from error

    def mapping(self, value: object, path: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.error(path, f"must be an object, not {_shown(value)}")
        return value

    def reject_unknown(self, element: Mapping[str, Any], names: frozenset[str], path: str) -> None:
        for key in element:
            if key in ("Principal", "NotPrincipal"):
                wanted = "an identity policy" if self.kind == "identity" else f"a {self.kind} policy"
                raise self.error(f"{path}.{key}", f"belongs to a resource policy; {wanted} is needed")
            if key not in names:
                raise self.error(f"{path}.{key}".lstrip("."), "is not an element of IAM policies")

    def statement(self, value: object, path: str) -> Statement:
        element = self.mapping(value, path)
        if self.kind == "resource control":
            element = self.without_principal(element, path)
        self.reject_unknown(element, _STATEMENT_ELEMENTS, path)
        effect = element.get("Effect")
        if not isinstance(effect, str) or (effect if self.exact else effect.title()) not in _EFFECTS.values():
            raise self.error(f"{path}.Effect", f"must be Allow or Deny, not {_shown(effect)}")
        sid = element.get("Sid", "")
        if not isinstance(sid, str):
            raise self.error(f"{path}.Sid", f"must be a string, not {_shown(sid)}")
        actions, not_actions = self.element_or_negation(element, "Action", path)
        resources, not_resources = self.element_or_negation(element, "Resource", path)
        return Statement(
            effect=_EFFECTS[effect.lower()],
            actions=tuple("*" if _EVERY_ACTION.fullmatch(action) else action for action in actions),
            resources=tuple(map(self.current_syntax, resources)),
            not_actions=not_actions,
            not_resources=not_resources,
            conditions=self.conditions(element.get("Condition", {}), f"{path}.Condition"),
            sid=sid,
        )

    def without_principal(self, element: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Return an RCP's statement without its principal; AWS accepts no other principal than everyone."""
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

    def element_or_negation(
        self, element: Mapping[str, Any], key: str, path: str
    ) -> tuple[tuple[str, ...], bool]:
        """Return the strings of `key` or of its negation, and whether it is the negation."""
        negated = f"Not{key}"
        if (key in element) == (negated in element):
            problem = "both stand in one statement" if key in element else "are both missing"
            raise self.error(f"{path}.{key}", f"and {negated} {problem}")
        present = key if key in element else negated
        names = self.strings(element[present], f"{path}.{present}")
        if not names:  # MalformedPolicyDocument: "Policy statement must contain actions", or "resources"
            raise self.error(f"{path}.{present}", "is an empty list, which IAM refuses")
        return names, present == negated

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
                    str(key): map(
                        self.current_syntax, self.strings(values, f"{path}.{operator}.{key}", scalars=True)
                    )
                    for key, values in self.mapping(keys, f"{path}.{operator}").items()
                }
                for operator, keys in self.mapping(value, path).items()
            }
        )

    def current_syntax(self, text: str) -> str:
        """Return `text` in the current version's syntax: without variables, ``${`` is escaped."""
        return text if self.variables else text.replace("${", "${$}{")
