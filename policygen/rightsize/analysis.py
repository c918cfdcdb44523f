"""From logs and an account to a suggestion: the steps that the command line and the Python API share."""

from __future__ import annotations

import difflib
from collections.abc import Collection

import msgspec

from policygen.account.fixed_roles import refuse_fixed
from policygen.account.model import Account
from policygen.errors import UsageError
from policygen.evidence.observe import Logs, ObserveOptions, RoleEvidence, collect_evidence
from policygen.evidence.role import parse_role
from policygen.iam import reference
from policygen.logs.calls.counts import CallCounts
from policygen.logs.read_report import ReadReport
from policygen.logs.reader import ReadOptions
from policygen.rightsize.suggest import suggest as suggest_policy
from policygen.rightsize.suggestion import Suggestion, SuggestOptions
from policygen.text import escape_controls


class Analysis(msgspec.Struct, frozen=True):
    """A suggestion, and the evidence it was made from."""

    suggestion: Suggestion
    observed: RoleEvidence

    @property
    def read_report(self) -> ReadReport:
        """What was read, and what could not be."""
        return self.observed.read_report

    @property
    def counts(self) -> CallCounts:
        """The counts of everything that was read."""
        return self.observed.counts

    @property
    def until_given(self) -> bool:
        """Whether the user named the window's end."""
        return self.observed.until_given


def analyse(
    logs: Logs,
    role: str,
    *,
    observe: ObserveOptions | None = None,
    suggest: SuggestOptions | None = None,
    account: Account | None = None,
    read: ReadOptions | None = None,
    to_edit: bool = False,
) -> Analysis:
    """Read the logs and suggest a policy for one role.

    Args:
        logs: a log source, or files, folders and URLs as `logs.registry.open_source` takes them.
        role: name or ARN.
        observe: which part of the logs counts as evidence.
        suggest: how to write the policy, and which decisions bind it.
        account: the account as it is today; None to rest on the evidence alone.
        read: how to read the logs.
        to_edit: the policy is to be applied, so the role must be one that can be edited.

    Raises:
        GateError: PG-E481, nobody can edit the role.
        PolicygenError: nothing found, incomplete evidence, a failed proof; see each function.
    """
    suggest = suggest or SuggestOptions()
    _check_types("--open", suggest.opened)
    _check_types("--exact", suggest.exact)
    wanted = parse_role(role)
    if to_edit and account:  # before the logs are read, which takes long and may find no call of such a role
        refuse_fixed(account.role(wanted.arn or wanted.name).key)
    evidence = collect_evidence(logs, role, observe, account=account, read=read)
    if to_edit:
        refuse_fixed(evidence.resolved.role)
    return conclude(evidence, suggest)


def conclude(evidence: RoleEvidence, options: SuggestOptions | None = None) -> Analysis:
    """Suggest a policy for the role whose evidence was collected."""
    suggestion = suggest_policy(
        evidence.usage,
        evidence.coverage,
        evidence.current_access,
        options,
        predecessors=evidence.resolved.predecessors,
        split=evidence.split,
        anomalous_usage=evidence.anomalous_usage,
        earlier_usage=evidence.earlier_usage,
    )
    return Analysis(suggestion, evidence)


def _check_types(option: str, names: Collection[str]) -> None:
    for name in names:
        prefix, _, kind = name.partition(":")
        known = reference.service(prefix)
        if known is None or kind not in known.types:
            types = [f"{prefix}:{one}" for one in known.types] if known else []
            close = difflib.get_close_matches(name, types, 1)
            raise UsageError(
                f"no resource type {escape_controls(name)[:60]!r}",
                *([f"did you mean {close[0]}?"] if close else []),
                f"give a service and one of its types: {option} {'ec2:image' if option == '--open' else 's3:object'}",
                *([f"types of {prefix}: {', '.join(sorted(known.types)[:12])}"] if known else []),
                code="PG-E214",
                instead=(name, close[0]) if close else None,
            )
