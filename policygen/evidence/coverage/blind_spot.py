"""Why the logs cannot show the use of a permission: the restriction that hides it, and what would lift it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from policygen.account.model import Trail
from policygen.evidence.coverage.event_set import EventSet, Ignoring, logged_share
from policygen.evidence.coverage.remediation import multi_region_command, put_selectors, start_logging_command
from policygen.evidence.coverage.selectors import Answer, every
from policygen.text import sanitize

REFERENCE = (
    "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html"
)


class BlindSpot(msgspec.Struct, frozen=True):
    """Why the logs cannot show the use of a permission."""

    id: str
    """As in docs/concepts/blind-spots.md: ``data-events-off``, ``never-logged``, ``trail-unknown`` …"""
    action: str
    why: str
    remedy: str
    url: str = REFERENCE
    command: str = ""
    """The command after which the logs show it; "" where there is none."""


class Restrictions:
    """The restrictions of an account's trails, by which they leave events out.

    Args:
        known: all trails of the account.
        now: for each trail that logs its state at the window's end, or the alternatives.
        regions: the regions that are logged; None for all.
        account: the account whose trails a remedy's command changes.
    """

    def __init__(
        self,
        known: Sequence[Trail],
        now: Sequence[Sequence[Trail]],
        regions: frozenset[str] | None,
        account: str,
    ) -> None:
        self._known, self._now, self._regions, self._account = known, now, regions, account
        self._active = [trail for trail in known if trail.logging is not False]

    def _answer(self, asked: Sequence[EventSet], relaxed: Ignoring = frozenset()) -> Answer:
        return every(logged_share(one, self._now, relaxed) for one in asked)

    def find_blind_spot(self, asked: tuple[EventSet, ...], service: str) -> BlindSpot:
        """Return the first restriction without which the trails would log all these events."""
        active = self._active
        if not active:
            kind = _kind(asked[0])
            return BlindSpot(
                "data-events-off" if asked[0].data_type else f"{kind}s-not-logged",
                "",
                f"no trail logs {kind} events",
                "start a trail",
                command=start_logging_command(self._known, self._account),
            )
        if not any(self._now):
            return BlindSpot(
                "window-not-covered", "", "what the trails logged is not known", "give newer logs"
            )
        if not any(trail.arn for trail in active):
            return self._not_held(asked, active, service)
        if self._answer(asked, frozenset({"delivery"})) == "all":
            return BlindSpot("window-not-covered", "", self._undelivered(active), "wait, or --days fewer")
        if self._answer(asked, frozenset({"delivery", "place"})) == "all":
            return self._out_of_place(active, service)
        return self._filtered(asked, active, service)

    def _not_held(self, asked: Sequence[EventSet], active: Sequence[Trail], service: str) -> BlindSpot:
        """Explain a gap in what AWS keeps by itself, as the event history: no command makes it hold more."""
        names = ", ".join(trail.name for trail in active)
        if asked[0].data_type:
            why = f"{service} data events: the {names} has none"
            return BlindSpot("trail-not-read", "", why, "read the trail that logs them: --logs auto")
        why = f"only the {names} was read, the permission holds elsewhere too"
        return BlindSpot("region-not-read", "", why, "--logs lookup: reads all regions")

    def _undelivered(self, active: Iterable[Trail]) -> str:
        failing = [
            f"{t.name} fails to deliver ({sanitize(t.delivery_error, 64)})"
            for t in active
            if t.delivery_error
        ]
        return f"no trail logs the whole window: {'; '.join(failing)}"

    def _out_of_place(self, active: Sequence[Trail], service: str) -> BlindSpot:
        command = multi_region_command(active, self._account)
        if self._regions is not None:
            where = ", ".join(sorted(self._regions))
            why = f"only {where} is logged, the permission holds elsewhere too"
            return BlindSpot(
                "region-not-logged", "", why, "make the trail a multi-region trail", command=command
            )
        why = f"no trail includes global service events, as those of {service}"
        return BlindSpot("region-not-logged", "", why, "include global service events", command=command)

    def _filtered(self, asked: tuple[EventSet, ...], active: Sequence[Trail], service: str) -> BlindSpot:
        relaxed: Ignoring = frozenset({"delivery", "place"})
        worst = next(one for one in asked if self._answer([one], relaxed) != "all")
        category = "Data" if worst.data_type else "Management"
        command = put_selectors(active, self._account, category, worst.data_type)
        if self._answer([worst], relaxed | {"identity"}) == "all":
            why = "the trails leave this role's sessions out"
            return BlindSpot("caller-excluded", "", why, "log its events", command=command)
        if worst.data_type and self._answer([worst], relaxed) == "part" and _unread_of(active):
            why = f"{service} data events: {_unread_of(active)} not read"
            return BlindSpot("trail-unknown", "", why, "give a snapshot that holds them")
        if worst.data_type:
            remedy = f"log data events of type {worst.data_type}, wait, and run again"
            # Of other resources, or of the other half, there may be events: then they are not off.
            whole = worst._replace(names=("",), read_only=None, resource="")
            if self._answer([whole], relaxed) == "none":
                return BlindSpot(
                    "data-events-off",
                    "",
                    f"{service} data events are off ({worst.data_type})",
                    remedy,
                    command=command,
                )
            why = f"{service} data events are logged in part, and this permission is not within that part"
            return BlindSpot("data-events-partly", "", why, remedy, command=command)
        if self._answer([worst], relaxed | {"source"}) == "all":
            why = "the trails leave this service out"
            return BlindSpot("source-excluded", "", why, "log its events", command=command)
        if worst.read_only is None:  # it may be either: the half that is missing has its name
            reads = worst._replace(read_only=True)
            worst = reads if self._answer([reads], relaxed) != "all" else worst._replace(read_only=False)
        kind, remedy = _kind(worst), "log management events of type All"
        some = "not all" if self._answer([worst], relaxed) == "part" else "no"
        why = f"no trail logs {kind} events" if some == "no" else f"the trails log {some} {kind} events"
        return BlindSpot(f"{kind}s-not-logged", "", why, remedy, command=command)


def _kind(asked: EventSet) -> str:
    if asked.data_type:
        return "data"
    return "read" if asked.read_only else "write"


def _unread_of(trails: Iterable[Trail]) -> str:
    """Describe in words what was not read of trails."""
    known = list(trails)
    blind = sorted(trail.name for trail in known if trail.selectors is None and trail.advanced is None)
    vague = sorted(trail.name for trail in known if trail.logging is None and trail.name not in blind)
    parts = [f"the selectors of {', '.join(blind)}"] * bool(blind)
    parts += [f"whether {', '.join(vague)} {'log' if len(vague) > 1 else 'logs'}"] * bool(vague)
    return f"{' and '.join(parts)} {'was' if vague and not blind else 'were'}" if parts else ""
