"""Only the policy: what IAM takes. Several documents stand in a list under ``policies``."""

from __future__ import annotations

import json

from policygen.analysis import Analysis
from policygen.report.lines import visible_json


def render(analysis: Analysis, **_: bool) -> str:
    """The document, or ``{"policies": [{"name", "document"}]}`` where it had to be split."""
    policies = analysis.suggestion.policies
    if len(policies) == 1:
        return visible_json(policies[0].to_json(2)) + "\n"
    split = {"policies": [{"name": policy.name, "document": policy.to_dict()} for policy in policies]}
    return visible_json(json.dumps(split, indent=2, ensure_ascii=False)) + "\n"
