"""What callers of the role's account may do by policies of their own, by the evaluator of the tests."""

from __future__ import annotations

from typing import Any

from tests.support.policy_judge import holds, like, listed
from tests.support.trust_world import ACCOUNT, TARGET, identity, lets_in, party

NOTHING = ("own policies", "boundary")


def may_assume(
    case: dict[str, Any], document: dict[str, Any], by: str, context: dict[str, Any], action: str
) -> bool:
    """Return whether a caller may do it by a trust policy and by the policies on its own side.

    Source: IAM User Guide, reference_policies_evaluation-logic_policy-eval-denyallow. Of a caller of another account
    nothing is known, so that its own side allows it.
    """
    account, name, _ = party(by)
    if account != ACCOUNT or not name.startswith(("role/", "user/")):
        return lets_in(document, by, context, action)
    _, _, facts, event = identity(by)
    facts = {key.lower(): value for key, value in {**facts, **context}.items()}
    fields = case["snapshot"]
    sides = [fields.get("own", {}).get(name, [])]
    sides += [fields["bounded"][name]] if name in fields.get("bounded", {}) else []
    said = [_says(one, action or event, facts) for one in sides]
    if "Deny" in said:
        return False
    closed = tuple(layer for layer, one in zip(NOTHING, said, strict=False) if one != "Allow")
    return lets_in(document, by, context, action, closed)


def _says(statements: list[dict[str, Any]], action: str, facts: dict[str, Any]) -> str:
    applying = {one["Effect"] for one in statements if _applies(one, action, facts)}
    return "Deny" if "Deny" in applying else "Allow" if applying else ""


def _applies(one: dict[str, Any], action: str, facts: dict[str, Any]) -> bool:
    for element, asked in (("Action", action.lower()), ("Resource", TARGET)):
        patterns = listed(one.get(element, one.get(f"Not{element}")))
        hit = any(like(pattern.lower() if element == "Action" else pattern, asked) for pattern in patterns)
        if hit != (element in one):
            return False
    return all(
        holds(operator, key, listed(values), facts)
        for operator, keys in one.get("Condition", {}).items()
        for key, values in keys.items()
    )
