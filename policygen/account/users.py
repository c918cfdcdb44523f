"""IAM users as values: who they are, and the policies that decide what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policygen.iam.document import Policy


@dataclass(frozen=True, slots=True)
class User:
    """A user with the policies of its own and of its groups.

    `missing` are ARNs of policies whose documents were not read, and names of lists likewise: while there are any, what
    no known policy allows may still be allowed.
    """

    arn: str
    unique_id: str = ""
    policies: tuple[Policy, ...] = ()
    missing: tuple[str, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
