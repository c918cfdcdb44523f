"""Renders the suggested policies of an API and of its callers as the comment of a pull request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from policygen.logs.calls.evidence import Evidence, sum_of
from policygen.report.markdown.escape import Section, code, comment, fence, fitted_section, marker, prose, row
from policygen.rightsize.api.length import RAISE_LENGTH, longest
from policygen.rightsize.api.suggest import ApiSuggestion
from policygen.rightsize.api.uses import LET_IN
from policygen.text import pluralize, visible_json

_JSON = "`policygen api -f json`"


def api_comment(suggestion: ApiSuggestion) -> str:
    """Return the comment, of at most `escape.LIMIT` bytes."""
    parts = (_callers, _changes, _findings, _blind, _resource_policy, _caller_policies)
    sections = [section for part in parts for section in part(suggestion)]
    end = "The policy holds from the next deployment on. " if suggestion.policy else ""
    return comment([Section(_head(suggestion)), *sections, Section(f"{end}Nothing in AWS was changed.")])


def _head(suggestion: ApiSuggestion) -> str:
    api, window = suggestion.api, suggestion.window
    days = f"{pluralize(window.days, 'day')}, {prose(window.start)} to {prose(window.last_day)}"
    entries = suggestion.usage.entries
    documents = suggestion.policy or any(one.policy for one in suggestion.callers)
    blocks = [
        marker("api", api.account, api.id),
        f"### policygen: who may call {code(api.name or api.id)} in {code(api.account)}",
        "\n".join(
            f"- {'✔' if one.held else '✘'} **{prose(one.name)}**: {prose(one.finding)}"
            for one in (suggestion.promises if documents else ())
        ),
        f"Evidence: {pluralize(entries, 'entry')} of access logs in {days} UTC.",
        f"The resource policy is left as it is: {prose(suggestion.why)}" if suggestion.policy is None else "",
    ]
    return "\n\n".join(filter(None, blocks))


def _callers(suggestion: ApiSuggestion) -> Iterator[Section]:
    groups: dict[str, list[tuple[str, Evidence]]] = defaultdict(list)
    for one, seen in suggestion.usage.invoked.items():
        if one.api == suggestion.api.id and one.status in LET_IN:
            who = _NAMELESS.get(one.status) or code(one.principal or one.account)
            groups[who].append((f"{one.stage} {one.verb} {one.path}", seen))
    rows = []
    for who, members in sorted(groups.items()):
        total = sum_of([seen for _, seen in members])
        methods = len({method for method, _ in members})
        rows.append(row(who, f"{total.count:,}", f"{methods:,}", total.last[:10]))
    opening = "| who calls | calls | methods | last |\n|---|---:|---:|---|"
    yield from fitted_section("Who calls the API", rows, noun="caller", rest=_JSON, opening=opening)


_NAMELESS = {"anonymous": "anybody (open methods)", "authorizer": "users of an authorizer"}
"""Callers without a name in IAM, by the status of their entries."""


def _changes(suggestion: ApiSuggestion) -> Iterator[Section]:
    items = [f"- removed: {code(what)}, {prose(why)}" for what, why in suggestion.removed]
    items += [
        f"- removed: {code(use.party.name)} on {code(use.resource)}, {prose(f'{rule.where}: {rule.reason}')}"
        for use, rule in suggestion.losses
    ]
    items += [
        f"- kept: {code(one.entry[1])} on {', '.join(map(code, one.resources))}, {prose(one.kept.why)}"
        for one in suggestion.written
        if one.kept
    ]
    if any(one.shared for one in suggestion.written):
        room = longest(suggestion.api.policy)
        items.append(
            f"- callers do not fit into {room:,} characters and share methods: {prose(RAISE_LENGTH)}"
        )
    for caller in suggestion.callers:
        name = code(caller.party.name if caller.party.is_named else caller.party.unique_id)
        if caller.policy is None:
            items.append(f"- kept: the policies of {name}, {prose(caller.why)}")
        items += [
            f"- kept: {code(kept.grant.action)} on {code(kept.grant.resource)} of {name}, {prose(kept.why)}"
            for kept in caller.kept
        ]
    yield from fitted_section("Changes", items, noun="change", rest=_JSON)


def _findings(suggestion: ApiSuggestion) -> Iterator[Section]:
    items = [
        f"- {one.rule} {one.level}: {prose(one.text)}{'' if one.remains else '; not with the new policy'}"
        for one in suggestion.findings
    ]
    yield from fitted_section("Findings about the API as it is", items, noun="finding", rest=_JSON)


def _blind(suggestion: ApiSuggestion) -> Iterator[Section]:
    items = [
        f"- {code(one.about)}: {prose(one.why)}; {prose(one.remedy)}"
        for one in suggestion.blind_spots
        if one.id != "kept"
    ]
    yield from fitted_section("What the logs cannot show", items, noun="blind spot", rest=_JSON)


def _resource_policy(suggestion: ApiSuggestion) -> Iterator[Section]:
    if suggestion.policy:
        text = suggestion.policy.to_json(2)
        yield from _document("The resource policy", text, "`policygen api -f policy`")


def _caller_policies(suggestion: ApiSuggestion) -> Iterator[Section]:
    """Yield the policy of each caller, named above it: the title of a section is read as it is."""
    for caller in suggestion.callers:
        if caller.policy:
            note = f": {prose(caller.why)}" if caller.why else ""
            yield Section(f"{code(caller.party.name)} needs of this API{note}")
            yield from _document("A caller's policy", caller.policy.to_json(2), _JSON)


def _document(title: str, text: str, rest: str) -> Iterator[Section]:
    lines = visible_json(text).split("\n")
    mark = fence(lines)
    yield from fitted_section(
        title, lines, noun="line", rest=rest, opening=f"{mark}json", closing=mark, folded=len(lines) > 40
    )
