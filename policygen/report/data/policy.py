"""Only the policy: what IAM takes. Several documents stand in a list under ``policies``."""

from __future__ import annotations

from policygen.plan.io import indented
from policygen.plan.model import Plan
from policygen.text import visible_json


def render(plan: Plan, **_: bool) -> str:
    """The document, or ``{"policies": [{"name", "document"}]}`` where it had to be split."""
    found = [{"name": one.name, "document": one.document} for one in plan.policies]
    document = found[0]["document"] if len(found) == 1 else {"policies": found}
    return visible_json(indented(document)) + "\n"
