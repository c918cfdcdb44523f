"""Who assumed one role of a batch, and its smallest trust policy: what `policygen trust` says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from policygen.errors import PolicygenError, UsageError
from policygen.evidence.role_assumptions import assumption_evidence, assumptions_shown
from policygen.logs.calls.spill import StoredRoles, unpack_sightings
from policygen.logs.events.assumption import Sightings
from policygen.logs.events.session_use import SessionUses
from policygen.logs.window import Window, window_of
from policygen.plan.build_trust import no_trust_proposal, trust_proposal
from policygen.plan.model_trust import TrustProposal
from policygen.report.data.trust import trust_document
from policygen.rightsize.decisions.model import Decisions
from policygen.rightsize.principals.options import PrincipalOptions
from policygen.rightsize.trust.asked import as_asked
from policygen.rightsize.trust.suggest import TrustSuggestion, refuse_role, suggest_trust
from policygen.text import escape_controls

if TYPE_CHECKING:
    from policygen.all_roles.rightsize_role import BatchSettings
    from policygen.all_roles.select import RoleTarget


class RoleTrust(NamedTuple):
    """What is suggested for a role's trust policy."""

    proposal: TrustProposal
    text: str = ""
    """The new policy, for its file; "" where it is today's, or there is none."""
    last_granted: str = ""
    """When AWS last let somebody assume a role of that name in the window, evidence or not; "" for never."""

    def figures(self, file: str) -> dict[str, Any]:
        """Return the fields of the role's row; `file` is the name of its files."""
        one = self.proposal
        return {
            "trust": one.answer,
            "trust_reason": one.reason,
            "trust_code": one.code,
            "trust_policy": file if self.text else "",
            "trust_changes": one.narrowing if one.promises else None,
            "trust_findings": tuple(dict.fromkeys(found.rule for found in one.findings)),
            "trust_losses": one.losses,
            "assumptions": one.assumptions,
            "last_assumed": one.last,
            "session_now": one.session_now,
            "session_proposed": one.session_proposed,
        }


def sightings_of(target: RoleTarget, stored: StoredRoles) -> Sightings:
    """Return the assumptions of the roles of a name in an account, as far as the trust policy can ask for them."""
    trust = target.current.trust if target.current else {}
    return unpack_sightings(stored.assumptions.get(target.account, []), as_asked(trust))


def trust_of(settings: BatchSettings, target: RoleTarget, sightings: Sightings) -> RoleTrust:
    """Suggest the trust policy of a role, or say why not. A failure with it stops nothing else.

    Args:
        settings: what all roles have in common.
        target: the role.
        sightings: the assumptions of all roles of its name in its account.
    """
    window = window_of(settings.observe.days, settings.limit, settings.counts.totals.last)
    return _trust_of(settings, target, sightings)._replace(last_granted=_last_granted(sightings, window))


def _last_granted(sightings: Sightings, window: Window) -> str:
    granted = [found for said, found in sightings.items() if said.trust_granted and not said.error]
    times = [seen.time for found in granted for seen in found.values()]
    return max(filter(lambda time: window.holds(time[:10]), times), default="")


def _trust_of(settings: BatchSettings, target: RoleTarget, sightings: Sightings) -> RoleTrust:
    try:
        suggestion = _suggest(settings, target, sightings)
    except PolicygenError as error:
        return RoleTrust(no_trust_proposal(error))
    except Exception as error:  # a bug with one role stops no other; log content must not be shown
        why = f"policygen has a bug: {type(error).__name__}; trust {target.arn or target.name} shows it"
        return RoleTrust(TrustProposal(answer="refused", reason=escape_controls(why), code="PG-E999"))
    proposal = trust_proposal(suggestion)
    return RoleTrust(proposal, trust_document(suggestion) if proposal.document else "")


def _suggest(settings: BatchSettings, target: RoleTarget, sightings: Sightings) -> TrustSuggestion:
    account, role = settings.account_of(target), target.current
    if account is None or role is None:
        raise UsageError(
            f"no snapshot has the trust policy of {escape_controls(target.name)}",
            f"give one of account {target.account}",
            code="PG-E383",
        )
    decisions = settings.suggest.decisions or Decisions()
    refuse_role(role, decisions)
    if target.account not in settings.assumptions_shown:
        settings.assumptions_shown[target.account] = assumptions_shown(
            settings.counts, settings.read_report, account, settings.observe, settings.limit, target.account
        )
    # Where sessions were used only `policygen trust` says: it looks at every call of the role for that.
    evidence = assumption_evidence(settings.assumptions_shown[target.account], role, sightings, SessionUses())
    options = PrincipalOptions(decisions=decisions, on=settings.suggest.on)
    return suggest_trust(evidence, account, settings.accounts, options)
