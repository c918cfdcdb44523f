"""Makes findings of a suggested trust policy, or of an API's policies: what is wrong with those of today.

They are what the gate says of today's policy, so that a finding disappears once the suggestion is in force.
"""

from __future__ import annotations

from collections.abc import Sequence

from policygen.gate.findings import Finding, failing
from policygen.gate.judge.principals import broken_rule, principal_source, worst_first
from policygen.gate.judge.resource import check_resource
from policygen.gate.judge.trust import check_trust
from policygen.gate.report import FindingsReport
from policygen.gate.sources import PolicySource
from policygen.iam.resource_policy import ResourcePolicy
from policygen.report.findings.from_plan import FAIL_ON
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.trust.suggest import TrustSuggestion


def findings_from_trust(suggestion: TrustSuggestion) -> FindingsReport:
    """Return the findings about a role's trust policy of today, the worst first."""
    key, seen = suggestion.role.key, suggestion.assumptions.total
    source = _source(f"plans/trust/{key.name}.json", suggestion.today)
    findings = check_trust(source, suggestion.today, suggestion)
    return FindingsReport(
        role=key.name,
        account=key.account,
        findings=findings,
        files=[source.name],
        fail_on=FAIL_ON,
        failed=len(failing(findings, FAIL_ON)),
        days=suggestion.evidence.window.days,
        days_with_events=len(suggestion.evidence.own_days),
        last=seen.last if seen else "",
        command="trust",
    )


def findings_from_api(suggestion: ApiSuggestion) -> FindingsReport:
    """Return the findings about an API as it is, the worst first."""
    api = suggestion.api
    source = _source(f"plans/api/{api.id}.json", api.policy or ResourcePolicy(()))
    findings = _of_api(source, suggestion)
    own = [seen for one, seen in suggestion.usage.invoked.items() if one.api == api.id]
    return FindingsReport(
        role=api.title,
        account=api.account,
        findings=findings,
        files=[source.name],
        fail_on=FAIL_ON,
        failed=len(failing(findings, FAIL_ON)),
        days=suggestion.window.days,
        days_with_events=len({day for seen in own for day in seen.days}),
        last=max((seen.last for seen in own), default=""),
        command="api",
    )


def _of_api(source: PolicySource, suggestion: ApiSuggestion) -> Sequence[Finding]:
    api = suggestion.api
    found = list(check_resource(source, api.policy, api, suggestion.world, suggestion) if api.policy else ())
    said = {(one.rule.id, one.subject) for one in found}
    found += [
        broken_rule(source, one.rule, one.where, one.text, against=not one.remains)
        for one in suggestion.findings
        if (one.rule, one.where) not in said
    ]
    return worst_first(found)


def _source(name: str, policy: ResourcePolicy) -> PolicySource:
    """Return a policy of today as a file: it has none, but SARIF and annotations need one."""
    return principal_source(name, "{}", policy)
