"""Groups of options that commands share, and the decorator that lets a command take them.

A group is a frozen dataclass, and each of its fields is one option, declared as
``name: Annotated[type, typer.Option(...)] = default``. A command takes a group as one parameter, and
`with_option_groups` puts the group's options where that parameter stands, so the order of the parameters is the order
of the help. A new option of a group is therefore one field here, and the code that uses it.

A group names the panel of the help that its options stand in (`PANEL`); an option may name another one.

A command that needs another text or default derives its own group and declares the field again; the option keeps its
place. A field with ``init=False`` is no option: so a derived group leaves one out.

The groups themselves are in `input_groups` and `decision_groups`.
"""

from __future__ import annotations

from policygen.cli.decision_groups import (
    DecisionInput,
    GrantInput,
    PlanOutput,
    PrincipalDecisionInput,
    PrincipalOutput,
    RoleGrantInput,
)
from policygen.cli.grouping import with_option_groups
from policygen.cli.input_groups import (
    AccountInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleInput,
    RoleWindowInput,
    WindowInput,
    WitnessInput,
)

__all__ = [
    "AccountInput",
    "DecisionInput",
    "DigestInput",
    "GrantInput",
    "LogInput",
    "PlanOutput",
    "PrincipalDecisionInput",
    "PrincipalOutput",
    "ReadInput",
    "RoleGrantInput",
    "RoleInput",
    "RoleWindowInput",
    "WindowInput",
    "WitnessInput",
    "with_option_groups",
]
