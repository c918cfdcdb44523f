"""The account as it is now: read from AWS (`live`), or from a snapshot file that was made earlier (`snapshot`)."""

from __future__ import annotations

from policygen.account.model import (
    Account,
    AttachedPolicy,
    EventSourceMapping,
    Function,
    InvokeConfig,
    LastAccessed,
    Refusal,
    Role,
    ServiceUse,
    Trail,
)
from policygen.account.snapshot import load_snapshot, snapshot_to_json, to_account

__all__ = [
    "Account",
    "AttachedPolicy",
    "EventSourceMapping",
    "Function",
    "InvokeConfig",
    "LastAccessed",
    "Refusal",
    "Role",
    "ServiceUse",
    "Trail",
    "load_snapshot",
    "snapshot_to_json",
    "to_account",
]
