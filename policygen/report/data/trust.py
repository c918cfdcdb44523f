"""The trust policy of a role and what it rests on, as JSON and as a table."""

from __future__ import annotations

from policygen.plan.principals import plan_text
from policygen.plan.trust import assumption_row, trust_plan
from policygen.report.data.cells import csv_table
from policygen.rightsize.trust.suggest import TrustSuggestion
from policygen.text import visible_json


def trust_json(suggestion: TrustSuggestion) -> str:
    """Return the plan of a suggestion as JSON text, with the ids of events to look up."""
    return plan_text(trust_plan(suggestion))


_COLUMNS = (
    "role", "account", "principal", "kind", "caller_account", "event", "actions", "count", "days", "first", "last",
    "session_name", "external_id", "source_identity", "mfa", "tags", "duration", "address", "endpoint", "audience",
    "subject",
)  # fmt: skip


def trust_csv(suggestion: TrustSuggestion) -> str:
    """Return a table of who assumed the role: a row for assumptions that differ in time only."""
    key, rows = suggestion.role.key, []
    for one in map(assumption_row, suggestion.assumptions.observed):
        who = key.name, key.account, one.principal or one.unique_id, one.kind, one.account
        tags = " ".join(f"{name}={value}" for name, value in one.tags.items())
        seen = one.event, " ".join(one.actions), one.count, one.days, one.first, one.last
        said = one.session_name, one.external_id, one.source_identity, one.mfa, tags, one.duration
        rows.append((*who, *seen, *said, one.address, one.endpoint, one.audience, one.subject))
    return csv_table(_COLUMNS, rows)


def trust_document(suggestion: TrustSuggestion) -> str:
    """Return the document alone, for IAM."""
    return visible_json(suggestion.policy.to_json(2)) + "\n"
