"""What calls that were seen may have asked for besides, where their records do not tell: the hints of their rules.

Of a call whose parameters CloudTrail left out, they are all that its event may ask for.

`DeleteObjects` has its list in its body, which is not logged: whether it names versions is not known, and
s3:DeleteObjectVersion has no other event for it. That none was seen does not mean that none was asked for.
"""

from __future__ import annotations

from policygen.catalog.known_event import may_ask_for
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.evidence.usage import Usage
from policygen.iam.grants import Grant
from policygen.rightsize.keep.model import Keep


def keeps_not_in_record(usage: Usage) -> list[Keep]:
    """Return what the calls of a role may have asked for besides, on what their rules name; unverified."""
    left_out = {(one.call.source, one.call.name) for one in usage.daily if one.call.is_left_out}
    found: list[Keep] = []
    for request in usage.informational:
        events = [event.partition(" ") for event in usage.sources[request]]
        asking = [
            name
            for source, _, name in events
            if request.action in may_ask_for(source, name) or (source, name) in left_out
        ]
        if request.grade != "hint" or not asking:
            continue
        why = f"{asking[0]}, which was seen, may ask for it as well, and its record does not tell"
        spot = BlindSpot("not-in-record", request.action, why, "decide by hand")
        found.append(Keep(Grant(request.action, request.resource), "unknown", why, spot))
    return found
