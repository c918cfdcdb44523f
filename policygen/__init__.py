"""policygen: the smallest IAM policy that lets a role go on doing what it did, with a proof.

The names in ``__all__`` are the public API; everything else may change without notice. A name is imported when it is
first used, because pandas and boto3 take long to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from policygen.version import VERSION

__version__ = VERSION

_MODULES = {
    "AccessRequest": "policygen.iam.request:AccessRequest",
    "Backtest": "policygen.rightsize.backtest:Backtest",
    "Figured": "policygen.api.figure:Figured",
    "IamAccessor": "policygen.api.accessor:IamAccessor",
    "Log": "policygen.api.log:Log",
    "Plan": "policygen.plan.model:Plan",
    "Policy": "policygen.iam.document:Policy",
    "PolicygenError": "policygen.errors:PolicygenError",
    "Suggestion": "policygen.rightsize.suggestion:Suggestion",
    "backtest": "policygen.api.suggest:backtest_role",
    "backtest_frame": "policygen.report.data.log_frames:backtest_frame",
    "batch": "policygen.api.every_role:batch",
    "calls_frame": "policygen.report.data.frames:calls_frame",
    "changes_frame": "policygen.report.data.frames:changes_frame",
    "check": "policygen.api.plans:check_policies",
    "denied_frame": "policygen.report.data.log_frames:denied_frame",
    "evaluate": "policygen.iam.evaluate:evaluate",
    "explain": "policygen.rightsize.explain:explain",
    "load": "policygen.api.load:load",
    "load_snapshot": "policygen.account.snapshot:load_snapshot",
    "parse_policy": "policygen.iam.document:parse_policy",
    "read_plan": "policygen.api.plans:read_plan_file",
    "requests_frame": "policygen.report.data.frames:requests_frame",
    "roles": "policygen.api.suggest:roles_in",
    "suggest": "policygen.api.suggest:suggest_role",
    "suspicious_frame": "policygen.report.data.frames:suspicious_frame",
}

__all__ = [
    "AccessRequest",
    "Backtest",
    "Figured",
    "IamAccessor",
    "Log",
    "Plan",
    "Policy",
    "PolicygenError",
    "Suggestion",
    "backtest",
    "backtest_frame",
    "batch",
    "calls_frame",
    "changes_frame",
    "check",
    "denied_frame",
    "evaluate",
    "explain",
    "load",
    "load_snapshot",
    "parse_policy",
    "read_plan",
    "requests_frame",
    "roles",
    "suggest",
    "suspicious_frame",
]

if TYPE_CHECKING:
    from policygen.account.snapshot import load_snapshot
    from policygen.api.accessor import IamAccessor
    from policygen.api.every_role import batch
    from policygen.api.figure import Figured
    from policygen.api.load import load
    from policygen.api.log import Log
    from policygen.api.plans import check_policies as check
    from policygen.api.plans import read_plan_file as read_plan
    from policygen.api.suggest import backtest_role as backtest
    from policygen.api.suggest import roles_in as roles
    from policygen.api.suggest import suggest_role as suggest
    from policygen.errors import PolicygenError
    from policygen.iam.document import Policy, parse_policy
    from policygen.iam.evaluate import evaluate
    from policygen.iam.request import AccessRequest
    from policygen.plan.model import Plan
    from policygen.report.data.frames import calls_frame, changes_frame, requests_frame, suspicious_frame
    from policygen.report.data.log_frames import backtest_frame, denied_frame
    from policygen.rightsize.backtest import Backtest
    from policygen.rightsize.explain import explain
    from policygen.rightsize.suggestion import Suggestion


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        module, _, attribute = _MODULES[name].partition(":")
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'policygen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
