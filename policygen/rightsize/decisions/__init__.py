"""What people decided: permissions to keep or to drop, protected roles, and how much evidence is enough.

Decisions stand in ``policygen.toml`` or on the command line. A keep gives no more than today's policies do; a drop
takes an observed permission only when the command line names that very action, and one that AWS's own service needs
only when a rule names that very action; both are losses that break a promise. The day on which rules expire is
compared with a day that the caller gives. docs/reference/decisions.md is the file's reference.
"""

from policygen.rightsize.decisions.apply import (
    Dropped,
    DroppedInUse,
    DroppedNeed,
    DroppedNeeds,
    KeptByDecision,
    Loss,
    Spared,
    apply_keeps,
    drop_need,
    drop_observed,
    dropped,
    unused_rules,
)
from policygen.rightsize.decisions.load import load_decisions, parse_decisions, rules_of_flag, with_flags
from policygen.rightsize.decisions.model import (
    FILE,
    DecisionRule,
    Decisions,
    Kind,
    Protection,
    refuse_conflicts,
)

__all__ = [
    "FILE",
    "DecisionRule",
    "Decisions",
    "Dropped",
    "DroppedInUse",
    "DroppedNeed",
    "DroppedNeeds",
    "KeptByDecision",
    "Kind",
    "Loss",
    "Protection",
    "Spared",
    "apply_keeps",
    "drop_need",
    "drop_observed",
    "dropped",
    "load_decisions",
    "parse_decisions",
    "refuse_conflicts",
    "rules_of_flag",
    "unused_rules",
    "with_flags",
]
