"""Writes the policies of an AWS CDK construct, for both of its languages; they go to an existing role.

Source: AWS CDK Developer Guide, Tokens: strings that look like ``${Token[…]}``, ``#{Token[…]}`` or one of some large
numbers stand for values that are known later. CloudFormation joins such a text (`Fn.sub`) after the CDK has run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from policygen.plan.model import Plan
from policygen.report.iac.common import listed
from policygen.report.iac.layout import array, block
from policygen.report.iac.limits import check_documents, reject_cfn_references, reject_js_builtins
from policygen.report.iac.names import numbered, pascal

_TOKEN = re.compile(r"[$#]\{Token\[|-1\.\d{10,16}e\+289")
_MARK = re.compile(r"\$(?=\{)|#(?=\{Token\[)|-(?=1\.\d{10,16}e\+289)")
_NAMES = {"$": "Dollar", "#": "Hash", "-": "Minus"}
_ACTION = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*]+")
"""An action as the CDK reads it; IAM also allows ``?``."""
_EFFECTS = {"Allow": "iam.Effect.ALLOW", "Deny": "iam.Effect.DENY"}
_LISTS = {
    "Action": "actions",
    "NotAction": "not_actions",
    "Resource": "resources",
    "NotResource": "not_resources",
}

OLD_LINES = "If your stack attached them, delete these lines from it."
"""A line of the header comment, where policies of today go."""

Properties = Sequence[tuple[str, str]]
"""Names in snake case, each with an expression."""


class Language(msgspec.Struct, frozen=True):
    """How a language writes objects, strings and constructs."""

    step: str
    """One step of indentation."""
    quote: Callable[[str], str]
    false: str
    make: Callable[[str, Properties], str]
    """Writes an object of a class of ``aws_iam``."""
    construct: Callable[[str, str, Properties], str]
    """Writes a construct with an id, as a statement."""


def checked(plan: Plan) -> Plan:
    """Return the plan, if the CDK can hold it.

    Raises:
        UsageError: PG-E241, a name that the CDK or CloudFormation would read as something else.
    """
    check_documents(plan, "CDK", reject_cfn_references, reject_js_builtins, reject_tokens)
    return plan


def reject_tokens(key: str, is_key: bool) -> str:
    """Refuse keys that the CDK would read as something else: it has no way to write them."""
    # jsii, which carries calls from Python to JavaScript, marks objects by keys of its own.
    token = is_key and (key.startswith("$jsii.") or _TOKEN.search(key))
    return "as a key it is a token of the CDK" if token else ""


def class_name(plan: Plan) -> str:
    """Return the name of the construct."""
    return f"{pascal(plan.role.name)}Permissions"


def constructs(plan: Plan, language: Language) -> Iterator[str]:
    """Yield the policies, attached to ``role``: an inline one, or managed ones."""
    single = len(plan.policies) == 1
    kind, name = ("Policy", "policy_name") if single else ("ManagedPolicy", "managed_policy_name")
    for id_, policy in zip(numbered("Policy", len(plan.policies)), plan.policies, strict=True):
        statements = [_statement(each, language) for each in policy.document["Statement"]]
        # With minimize, the CDK would merge statements and drop their Sids.
        document = [("minimize", language.false), ("statements", array(statements, language.step))]
        properties = [
            (name, cdk_string(policy.name, language)),
            ("roles", "[role]"),
            ("document", language.make("PolicyDocument", document)),
        ]
        yield language.construct(kind, id_, properties)


def _statement(statement: Mapping[str, Any], language: Language) -> str:
    properties = [("sid", cdk_string(statement["Sid"], language))] if "Sid" in statement else []
    properties.append(("effect", _EFFECTS[statement["Effect"]]))
    for name, ours in _LISTS.items():
        if name in statement:
            properties.append((ours, _list(statement[name], language, actions=name.endswith("Action"))))
    if "Condition" in statement:
        properties.append(("conditions", _map(statement["Condition"], language)))
    return language.make("PolicyStatement", properties)


def _list(value: str | Sequence[str], language: Language, *, actions: bool = False) -> str:
    def item(one: str) -> str:
        return _joined(one, language) if actions and not _ACTION.fullmatch(one) else cdk_string(one, language)

    return array([item(one) for one in listed(value)], language.step)


def _map(value: Any, language: Language) -> str:
    if not isinstance(value, Mapping):
        return _list(value, language)
    entries = (f"{language.quote(key)}: {_map(inner, language)}," for key, inner in value.items())
    return block("{", entries, "}", language.step)


def plain(value: Any, language: Language) -> str:
    """Return a document of mappings, lists and strings as the language writes it, for what takes it as it is."""
    if isinstance(value, str):
        return cdk_string(value, language)
    if isinstance(value, Mapping):
        entries = (f"{language.quote(key)}: {plain(inner, language)}," for key, inner in value.items())
        return block("{", entries, "}", language.step)
    return array([plain(inner, language) for inner in value], language.step)


def cdk_string(value: str, language: Language) -> str:
    """Return a string that the CDK does not read as a token."""
    return _joined(value, language) if _TOKEN.search(value) else language.quote(value)


def _joined(value: str, language: Language) -> str:
    """Return a text that CloudFormation joins: each mark comes from a variable, so the CDK sees no token."""
    used = {_NAMES[mark]: mark for mark in _MARK.findall(value)}
    body = language.quote(_MARK.sub(lambda found: f"${{{_NAMES[found[0]]}}}", value))
    variables = ", ".join(f"{language.quote(name)}: {language.quote(mark)}" for name, mark in used.items())
    return f"Fn.sub({body}{f', {{{variables}}}' if used else ''})"


def classes(code: str, *modules: str) -> str:
    """Return what a module imports from the CDK's library: the modules, and ``Fn`` only where the code calls it."""
    called = "Fn.sub(" in re.sub(r'"(?:\\.|[^"\\])*"', "", code)
    return ", ".join([*(["Fn"] if called else []), *(modules or ("aws_iam as iam",))])
