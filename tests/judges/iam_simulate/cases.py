"""Load the golden cases of policy evaluation: one JSON list per topic in tests/cases/evaluate.

A case has `name`, `statements`, `request` and `expected`. Optional are `version` (null for none), `boundary`
(statements), `scps` (levels of policies of statements), `rcps` (policies of statements, with Principal), `account` (the
role's), `base` (keys of all requests) and `complete` (by default true: a key that is not given is absent).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policygen.iam.document import Policy, parse_policy
from policygen.iam.evaluate import Decision, evaluate
from policygen.iam.request import AccessRequest, Context
from tests.support import ROOT

FOLDER = ROOT / "tests" / "cases" / "evaluate"


@dataclass(frozen=True)
class Case:
    topic: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.topic}: {self.data['name']}"

    @property
    def document(self) -> dict[str, Any]:
        return document(self.data["statements"], self.data.get("version", "2012-10-17"))

    def decide(self) -> Decision:
        boundary = self.data.get("boundary")
        return evaluate(
            request_of(self.data["request"]),
            [parse_policy(self.document, "today")],
            None if boundary is None else parse_policy(document(boundary), "boundary"),
            complete=self.data.get("complete", True),
            base=context_of(self.data.get("base", {})),
            guardrails=self.guardrails,
            account=self.data.get("account", ""),
        )

    @property
    def scps(self) -> list[list[dict[str, Any]]]:
        """Documents of SCPs by level."""
        return [[document(statements) for statements in level] for level in self.data.get("scps", ())]

    @property
    def rcps(self) -> list[dict[str, Any]]:
        """Documents of RCPs, without RCPFullAWSAccess."""
        return [document(statements) for statements in self.data.get("rcps", ())]

    @property
    def guardrails(self) -> list[list[Policy]]:
        return guardrails_of(self.scps, self.rcps)


def document(statements: list[dict[str, Any]], version: str | None = "2012-10-17") -> dict[str, Any]:
    return ({} if version is None else {"Version": version}) | {"Statement": statements}


RCP_FULL_ACCESS = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def guardrails_of(
    scps: Sequence[Sequence[dict[str, Any]]], rcps: Sequence[dict[str, Any]]
) -> list[list[Policy]]:
    """Return levels for the evaluator. RCPFullAWSAccess is always attached (4.1)."""
    levels = [
        [parse_policy(one, f"scp{n}", "service control") for one in level] for n, level in enumerate(scps)
    ]
    if rcps:
        named = [document([RCP_FULL_ACCESS]), *rcps]
        levels.append([parse_policy(one, f"rcp{n}", "resource control") for n, one in enumerate(named)])
    return levels


def context_of(keys: dict[str, list[str]]) -> Context:
    return tuple((key, tuple(values)) for key, values in sorted(keys.items()))


def request_of(data: dict[str, Any]) -> AccessRequest:
    context = context_of(data.get("context", {}))
    return AccessRequest(data["action"], data["resource"], context=context, wild=data.get("wild", False))


def policy_of(statements: list[dict[str, Any]]) -> Policy:
    return parse_policy(document(statements))


def load() -> list[Case]:
    return [
        Case(file.stem, data)
        for file in sorted(FOLDER.glob("*.json"))
        for data in json.loads(file.read_text(encoding="utf-8"))
    ]
