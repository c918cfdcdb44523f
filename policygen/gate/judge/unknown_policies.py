"""What the role gets and nobody knows: attached policies without a document, grants that a template does not tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policygen.gate.findings import RULES, Finding
from policygen.gate.sources import SAM_TEMPLATE, PolicySource, UnknownGrant
from policygen.iam.locations import Location

_WIDE = ("administrator", "poweruser", "fullaccess", "full_access")
"""What the names of AWS's policies have that grant a service or all of them. None of these is right-sized."""

_NAMED = 4
"""Actions that a finding names; the rest is counted."""


_NEW, _UNTOLD = "the role does not have it today", "no plan says whether the role has it today"


def is_wide_by_name(name: str) -> bool:
    """Return whether a policy's ARN or name is that of one of AWS's own that grants all of a service, or of them all.

    Source: AWS Managed Policy Reference Guide, lists of AWS managed policies.
    """
    is_aws_s = not name.startswith("arn:") or name.split(":", 5)[4:5] == ["aws"]
    return is_aws_s and any(one in name.rpartition("/")[2].lower() for one in _WIDE)


def unknown_policies(
    sources: Sequence[PolicySource], needed: Sequence[str] = (), *, planned: bool = True
) -> Iterator[Finding]:
    """Find attached policies whose documents nobody gave, and grants that a template does not tell.

    Args:
        sources: the policies under check.
        needed: actions that the role needs, and that only such a policy may allow; the first finding has them.
        planned: whether a plan says what the role has today.
    """
    for source in sources:
        for name, place in source.unread:
            message, fix = _said_of(name, needed, _NEW if planned else _UNTOLD)
            about = ((name, ""), *((f"{name} {action}", "") for action in needed)) if needed else ()
            yield Finding(RULES["PG108"], name, message, fix, source.name, place, about=about)
            needed = ()
    for source in sources:
        for unknown, place in source.unknown:
            if not unknown.of_nobody:
                yield unknown_grant(unknown, source.name, place, needed)
                needed = ()


def unknown_grant(unknown: UnknownGrant, file: str, place: Location, needed: Sequence[str] = ()) -> Finding:
    """Return the finding about a grant that is not known: who accepts it accepts what stands there, and no more.

    Args:
        unknown: the grant.
        file: its file.
        place: its place.
        needed: as `unknown_policies`.
    """
    where = f"{file}, content {unknown.content}"
    about = ((unknown.name, where), *((f"{unknown.name} {action}", where) for action in needed))
    message = f"{unknown.reason}{_depends(needed)}"
    return Finding(RULES["PG113"], unknown.name, message, _TELL, file, place, about=about)


def unread_part(name: str, file: str, place: Location) -> Finding:
    """Return the finding about what may grant, and is not read: it is accepted by its name."""
    return Finding(RULES["PG114"], name, "it may grant more, and is not read", _LOOK, file, place, file)


_TELL = "write it so that the file tells it; if it is meant, accept it in a baseline"
_LOOK = "look at what it grants, and accept it by its name in a baseline"


def _depends(needed: Sequence[str]) -> str:
    """Return which actions of the role depend on what is not known; "" for none."""
    if not needed:
        return ""
    count = "this action" if len(needed) == 1 else f"these {len(needed):,} actions"
    more = f" and {len(needed) - _NAMED:,} more" if len(needed) > _NAMED else ""
    listed = ", ".join(needed[:_NAMED]) + more
    return f"; {count} of the role depend{'s' * (len(needed) == 1)} on what it grants: {listed}"


def _said_of(name: str, needed: Sequence[str], today: str) -> tuple[str, str]:
    """Return what is wrong with an attached policy, on which actions may depend, and what to do."""
    message, fix = _on_its_own(name, today, is_needed=bool(needed))
    return f"{message}{_depends(needed)}", fix


def _on_its_own(name: str, today: str, *, is_needed: bool) -> tuple[str, str]:
    if name.startswith(SAM_TEMPLATE):
        return (
            "SAM makes its document at deployment, and it is not expanded here",
            "write its statements into the template, or accept it in a baseline",
        )
    if is_wide_by_name(name):
        shown = name.rpartition("/")[2]
        grants = "everything" if "administrator" in shown.lower() else "a whole service or more"
        return (
            f"{shown} is one of AWS's own that may grant {grants}, and {today}",
            "take it out, and write what is needed as a policy of its own",
        )
    return (
        f"{today}, and what it grants is not known: it may grant everything",
        "write what is needed as a policy of its own; if this one is meant, "
        + ("attach it in AWS next to the old one, and the next plan knows it" * is_needed)
        + ("accept it in a baseline" * (not is_needed)),
    )
