"""What a trust policy can ask of an assumption: the rest is left out, so that a million assumptions are a few.

Where nothing in the policy is about addresses, or about names of sessions, assumptions that differ in these alone are
the same to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from policygen.logs.events.assumption import Assumption

_PLACES = ("sourceip", "sourcevpc")
_SESSIONS = ("rolesessionname", "userid", "assumed-role")
"""What stands in the text of a policy that asks for them: in keys of conditions, variables and principals."""


def as_asked(document: Mapping[str, Any]) -> Callable[[Assumption], Assumption]:
    """Return a function that leaves out of an assumption what a trust policy cannot ask for.

    Args:
        document: the policy.
    """
    text = json.dumps(document).lower()
    places, sessions = (any(word in text for word in words) for words in (_PLACES, _SESSIONS))

    def left(said: Assumption) -> Assumption:
        fields = {} if places else {"address": "", "endpoint": ""}
        if not sessions:
            fields["session"] = ""
            if (
                said.issuer_arn
            ):  # of a caller whose role is not named, a policy may name the id with the session
                fields["principal_id"] = said.principal_id.partition(":")[0]
                fields["arn"] = said.arn.rpartition("/")[0]
        return replace(said, **fields) if fields else said

    return left
