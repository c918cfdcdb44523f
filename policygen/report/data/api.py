"""The policies of an API and of its callers and what they rest on, as JSON and as a table."""

from __future__ import annotations

from policygen.plan.api import api_plan, usage_row
from policygen.plan.principals import plan_text
from policygen.report.data.cells import csv_table
from policygen.rightsize.api.suggest import ApiSuggestion


def api_json(suggestion: ApiSuggestion) -> str:
    """Return the plan of a suggestion as JSON text, with ids of entries to look up."""
    return plan_text(api_plan(suggestion))


_COLUMNS = (
    "api", "account", "stage", "method", "path", "status", "principal", "caller_account", "address", "vpc_endpoint",
    "vpc", "api_key", "subject", "count", "days", "first", "last",
)  # fmt: skip


def api_csv(suggestion: ApiSuggestion) -> str:
    """Return a table of who called the API: a row for calls that differ in time only, counted or not."""
    api, rows = suggestion.api, []
    for invoked, seen in suggestion.usage.invoked.items():
        if invoked.api == api.id:
            one = usage_row(invoked, seen)
            what = one.stage, one.method, one.path, one.status, one.principal, one.account
            where = one.address, one.vpc_endpoint, one.vpc, one.api_key, one.subject
            rows.append(
                (api.name or api.id, api.account, *what, *where, one.count, one.days, one.first, one.last)
            )
    return csv_table(_COLUMNS, rows)
