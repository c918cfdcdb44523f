"""IAM users as values: who they are, and the policies that decide what they may do."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from policygen.iam.document import Policy


class User(msgspec.Struct, frozen=True):
    """A user with the policies of its own and of its groups.

    `missing` are ARNs of policies whose documents were not read, and names of lists likewise: while there are any, what
    no known policy allows may still be allowed.
    """

    arn: str
    unique_id: str = ""
    policies: tuple[Policy, ...] = ()
    missing: tuple[str, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
