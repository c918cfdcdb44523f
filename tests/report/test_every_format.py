"""What one format says of a plan, all say: what was dropped, what is lost, what will be denied, and how much."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from io import StringIO

import pytest

from policygen.iam.grants import Grant
from policygen.plan.build import plan_from_analysis
from policygen.plan.model import Plan
from policygen.report.formats import FORMATS, render
from policygen.report.iac.common import visible
from policygen.report.not_allowed import FATES, fate_of
from policygen.report.notices.every import notices_of
from policygen.report.notices.notice import TITLE
from policygen.rightsize.analysis import analyse
from policygen.rightsize.assess.cautions import cautions_of
from policygen.rightsize.assess.changes import Change
from policygen.rightsize.current_access import POLICIES_CHANGED, RESOURCE_POLICY
from policygen.rightsize.decisions.model import DecisionRule, Decisions
from policygen.text import ascii_signs
from tests.support.options import analysis_options
from tests.support.pages import Node, plan, read, rows
from tests.support.samples import EVERY_SAMPLE, SAMPLES, SNAPSHOT

TOLD = ("text", "details", "html", "markdown", "terraform", "cloudformation", "cdk-py", "aws-cli")
"""The formats that somebody reads before a merge."""


def shown(name: str, made: Plan) -> str:
    """A format's text on one line, without marks of the language and the columns of a comment."""
    if (name, id(made)) not in _SHOWN:
        _SHOWN[name, id(made)] = made, on_one_line(_rendered(name, made))
    return _SHOWN[name, id(made)][1]


_SHOWN: dict[tuple[str, int], tuple[Plan, str]] = {}


def _rendered(name: str, made: Plan) -> str:
    if name == "html":
        return page(made).text
    return render("text", made, show_all=True) if name == "details" else render(name, made)


def on_one_line(text: str) -> str:
    return " ".join(re.sub(r"^\s*(?:#|//)|[`“”]|\\(?=[-.*])", "", text, flags=re.M).split())


_PAGES: dict[int, tuple[Plan, Node]] = {}


def page(made: Plan) -> Node:
    """The page of a plan, rendered once: it takes most of the time here."""
    if id(made) not in _PAGES:
        _PAGES[id(made)] = made, read(render("html", made))
    return _PAGES[id(made)][1]


@cache
def dropped(how: str) -> Plan:
    """The plan of a role of which two permissions are unverified, both dropped: by choice, by rules, one by each."""
    rules = tuple(
        DecisionRule("drop", f"dynamodb:{name}", "no stream", where=f"--drop dynamodb:{name}", flag=True)
        for name in ("GetRecords", "GetShardIterator")
    )
    taken = {"choice": (), "rules": rules, "each": rules[:1]}[how]
    options = {"unverified": "keep" if how == "rules" else "drop", "decisions": Decisions(taken)}
    found = analyse(
        [SAMPLES / "trail"], "image-resizer", account=SNAPSHOT, **analysis_options(days=45, **options)
    )
    return plan_from_analysis(found)


# --- What a decision dropped ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["choice", "rules", "each"])
@pytest.mark.parametrize("name", ["html", "markdown", "terraform", "aws-cli"])
def test_what_a_decision_drops_unseen_is_never_said_to_be_seen(how: str, name: str) -> None:
    text = shown(name, dropped(how))
    told = "2 unverified permissions dropped by a decision: the logs cannot show whether the role uses them"
    assert told in text
    assert "of every permission that is removed" not in text
    assert "Keeping them is safe" not in text


@pytest.mark.parametrize("how", ["choice", "rules"])
def test_the_page_lists_what_a_decision_dropped_and_hatches_its_service(how: str) -> None:
    made = dropped(how)
    (section,) = page(made).all("section", id="blind")
    assert "Nothing is kept unverified: of" in section.text
    for action in made.dropped_unverified:
        assert action.partition(":")[2] in section.text
    (activity,) = page(made).all("section", id="activity")
    hidden = {name: unseen for name, _, _, unseen in rows(activity.all("table", class_="heat")[0])}
    assert hidden["dynamodb"] == "2"


def test_the_screen_counts_what_rules_and_the_choice_dropped_together() -> None:
    told = "2 unverified permissions dropped: 2 go"
    assert told in shown("text", dropped("each"))


def test_removals_that_rest_on_no_log_are_counted_apart() -> None:
    made = dropped("choice")
    removed = [one for one in made.changes if one.kind == "removed"]
    seen = sum(1 for one in removed if one.why.startswith("visible, 0 calls"))
    (section,) = page(made).all("section", id="blind")
    assert f"of {seen} removed permissions the logs would have shown a use" in section.text
    assert f"{len(removed) - seen - 2} removed permissions for other reasons" in section.text


# --- What changes for the code -------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOLD)
def test_everybody_who_merges_is_told_of_missing_keys(name: str) -> None:
    text = shown(name, plan("image-resizer"))
    assert "s3:ListBucket goes: S3 will answer 403, not 404, for keys that do not exist" in text
    assert "--keep s3:ListBucket" in text


def test_the_plan_and_the_findings_tell_of_missing_keys() -> None:
    (one,) = json.loads(render("json", plan("image-resizer")))["cautions"]
    assert (one["id"], one["action"]) == ("missing-keys", "s3:ListBucket")
    for name in ("sarif", "github", "junit"):
        assert "403, not 404" in render(name, plan("image-resizer"))


BUCKET = "arn:aws:s3:::shop"


def lost(
    now: tuple[str, ...], proposed: tuple[str, ...], *reads: str, excluded: tuple[str, ...] = ()
) -> tuple:
    kind = "narrowed" if proposed else "removed"
    change = Change("s3:ListBucket", kind, now, proposed, "")  # type: ignore[arg-type]
    grants = [Grant("s3:GetObject", one, (), excluded) for one in reads]
    return tuple(one for caution in cautions_of([change], grants, ()) for one in caution.resources)


@pytest.mark.parametrize(
    ("now", "proposed", "read_on", "found"),
    [
        (("*",), (), f"{BUCKET}/a/*", (BUCKET,)),
        ((BUCKET,), (), f"{BUCKET}/*", (BUCKET,)),
        ((BUCKET,), (BUCKET,), f"{BUCKET}/*", ()),
        (("arn:aws:s3:::other",), (), f"{BUCKET}/*", ()),  # it answers 403 today too
        (("*",), ("arn:aws:s3:::other",), f"{BUCKET}/*", (BUCKET,)),  # it stays, but elsewhere
        ((f"!{BUCKET}",), (), f"{BUCKET}/*", ()),
        (("!arn:aws:s3:::other",), (), f"{BUCKET}/*", (BUCKET,)),
        (
            ("*",),
            (),
            "arn:aws:s3:eu-west-1:111122223333:accesspoint/web/object/a/*",
            ("arn:aws:s3:eu-west-1:111122223333:accesspoint/web",),
        ),
    ],
)
def test_a_bucket_that_can_no_longer_be_listed_is_named(
    now: tuple[str, ...], proposed: tuple[str, ...], read_on: str, found: tuple[str, ...]
) -> None:
    assert lost(now, proposed, read_on) == found


def test_without_a_read_nothing_is_said_of_missing_keys() -> None:
    assert lost(("*",), ()) == ()
    change = Change("s3:ListBucket", "removed", ("*",), (), "")
    (unseen,) = cautions_of([change], [Grant("s3:GetObject", f"{BUCKET}/*")], ())
    (seen,) = cautions_of([change], [Grant("s3:GetObject", f"{BUCKET}/*")], {"s3:GetObject"})
    assert seen.says == f"{unseen.says}; no call seen asked for one"


# --- What today's policies do not allow ----------------------------------------------------------------


@pytest.mark.parametrize("name", TOLD)
def test_a_call_that_today_s_bounds_forbid_is_said_to_fail_at_the_next_run(name: str) -> None:
    text = shown(name, plan("report-monthly"))
    assert "Denied today" in text
    assert "will be denied at the next run, with or without this policy" in text
    assert "go on as they do today" not in text
    assert "secretsmanager:GetSecretValue" in text


@pytest.mark.parametrize("name", TOLD)
def test_a_call_that_a_resource_policy_may_allow_goes_on(name: str) -> None:
    text = shown(name, plan("image-resizer"))
    assert (
        "today's policies of the role lack 1 action used on 2 resources: "
        "not added, so these calls go on as they do today" in text
    )
    assert "at the next run" not in text


def test_tables_and_findings_say_what_becomes_of_it() -> None:
    for name in ("csv", "sarif", "github", "junit"):
        assert "denied at the next run, with or without this policy" in render(name, plan("report-monthly"))
    assert "--add-observed" not in render("sarif", plan("report-monthly"))  # it would add nothing


@pytest.mark.parametrize(
    ("cause", "mark", "step"),
    [
        (RESOURCE_POLICY, "=", "--add-observed"),
        (POLICIES_CHANGED, "!", "--add-observed"),
        (f"a Deny of today forbids it: {POLICIES_CHANGED}", "!", "allow them where today forbids them"),
    ],
)
def test_each_cause_has_a_fate(cause: str, mark: str, step: str) -> None:
    fate = fate_of(cause)
    assert (fate.mark, fate.step.partition(",")[0]) == (mark, step)
    assert bool(fate.next_run) is (mark == "!")


# --- Before you merge ----------------------------------------------------------------------------------


@EVERY_SAMPLE
@pytest.mark.parametrize("name", [one for one in TOLD if one != "details"])
def test_every_format_has_the_same_list_of_what_to_look_at(name: str, role: str, today: bool) -> None:
    made = plan(role, today)
    if name != "text" and not made.policies:
        return
    text, notices = shown(name, made), notices_of(made)
    assert (TITLE in text) is bool(notices)
    at = 0
    for one in notices:
        at = text.index(in_format(name, one.name), at)
        at = text.index(in_format(name, one.sentence), at)
        has_section = name == "html" and one.name in {fate.name for fate in FATES}
        for detail in one.details:
            assert (
                in_format(name, detail.label if has_section and ":" in detail.label[:-1] else detail.words)
                in text
            )
            assert all(in_format(name, option) in text for option in detail.options)


def in_format(name: str, words: str) -> str:
    """Words as `shown` has them: code is in ASCII, and all is on one line."""
    return on_one_line(visible(ascii_signs(words)) if name not in {"text", "html", "markdown"} else words)


def test_a_role_of_which_names_will_be_denied_says_so_in_every_format() -> None:
    option = "--keep 's3:PutObject on arn:aws:s3:::shop-athena-results-111122223333/monthly/*'"
    for name in TOLD:
        assert option in shown(name, plan("report-monthly"))
        assert "2 functions use this role" in shown(name, plan("image-resizer")) or name == "details"


# --- Numbers -------------------------------------------------------------------------------------------

SIGNS: Mapping[str, str] = {"!": "narrowed", "=": "unchanged", "?": "unknown", "-": "removed", "+": "added"}


def by_service(changes: tuple[Change, ...], *kinds: str) -> dict[str, set[str]]:
    """What becomes of the actions of each service, of those kinds alone."""
    found: dict[str, set[str]] = {}
    for one in changes:
        if one.kind in kinds:
            found.setdefault(one.service, set()).add(one.becomes)
    return found


@EVERY_SAMPLE
def test_what_speaks_for_the_actions_adds_up_alike(role: str, today: bool) -> None:
    made = plan(role, today)
    tight = made.tightness
    screen, details = shown("text", made), shown("details", made)
    assert f"accounted for: {tight.words.replace(', ', ' + ')} = {made.actions_proposed:,}" in screen
    assert f"accounted for: {tight.words}" in details
    assert f"{tight.needed:,} needed + {tight.unverified:,} unverified" in shown("markdown", made)
    root = page(made)
    (section,) = root.all("section", id="services")
    sums = Counter[str]()
    for one in section.all("span", class_="sr"):
        for number, word in re.findall(r"(\d[\d,]*) (seen in use|required or declared|unverified)", one.text):
            sums[word] += int(number.replace(",", ""))
    if not root.text.count("Not drawn"):
        assert sums["seen in use"] == tight.seen
        assert sums["required or declared"] == tight.required + tight.declared
        assert sums["unverified"] == tight.unverified


@EVERY_SAMPLE
def test_uses_are_counted_alike(role: str, today: bool) -> None:
    made = plan(role, today)
    table_of_changes = page(made).all("table", id="change-table")[0]
    on_page = {
        action.replace(" ", ""): int(number.replace(",", ""))
        for kind, action, _, number, _, _ in rows(table_of_changes)
        if kind in {"narrowed", "unchanged", "added", "granted"} and ":" in action and number[:1].isdigit()
    }
    table = {one["action"]: int(one["uses"]) for one in csv.DictReader(StringIO(render("csv", made)))
             if one["proposed"]}  # fmt: skip
    assert on_page
    assert {action: table[action] for action in on_page} == on_page
    service = ""
    for line in render("markdown", made).splitlines():
        service = line[2:] if line.startswith("# ") else service
        if found := re.match(r". (\w+) on .*: ([\d,]+) uses?, last", line):
            action = f"{service}:{found[1]}"
            assert int(found[2].replace(",", "")) == on_page.get(action, table[action])


@EVERY_SAMPLE
def test_a_service_has_the_same_mark_everywhere(role: str, today: bool) -> None:
    if not today:
        return
    made = plan(role)
    stays = by_service(made.changes, "narrowed", "unchanged", "kept")
    for mark, service in re.findall(r"^  ([~=]) ([a-z0-9-]+) +[\d,]+ ", render("text", made), re.M):
        changes = [one for one in made.changes if one.service == service]
        assert (mark == "=") is all(one.now == one.proposed for one in changes), service
    service, diff = "", dict[str, set[str]]()
    for line in render("markdown", made).splitlines():
        service = line[2:] if line.startswith("# ") else service
        if service and line[:2] in {"! ", "= "} and not line.startswith("=     "):
            diff.setdefault(service, set()).add(SIGNS[line[0]])
    whole = stays.keys() <= diff.keys()  # a long comment is cut
    for name, becomes in diff.items():
        assert becomes == stays[name] or (not whole and becomes < stays[name]), name
    root = page(made)
    table = root.all("table", id="change-table")[0]
    kinds: dict[str, set[str]] = {}
    for kind, name, *_ in rows(table):
        if kind in {"narrowed", "unchanged"}:
            kinds.setdefault(re.split("[: ]", name)[0], set()).add(kind)
    whole = "Not in the table" not in root.text
    for name, some in kinds.items():
        assert some == stays[name] or (not whole and some < stays[name]), name
    assert not whole or kinds.keys() == stays.keys()


@EVERY_SAMPLE
def test_what_is_not_allowed_is_counted_alike_and_added_to_what_was_asked_for(role: str, today: bool) -> None:
    made = plan(role, today)
    number, times = len(made.missing), sum(one.count for one in made.missing)
    words = f"; {number:,} more, asked for {times:,} time"
    for name in ("details", "markdown", "html"):
        assert (words in shown(name, made)) is bool(number)
    actions = {(fate_of(one.cause), one.action) for one in made.missing}
    resources = {(fate_of(one.cause), one.resource) for one in made.missing}
    for name in ("text", "details", "markdown", "html"):
        told = re.findall(r" ([\d,]+) actions? used on ([\d,]+) resources?", shown(name, made))
        if name == "html":  # under "Before you merge", and again where they are listed
            told = told[: len(told) // 2]
        totals = [sum(int(one.replace(",", "")) for one in column) for column in zip(*told, strict=True)]
        assert totals == ([len(actions), len(resources)] if number else [])
    screen = " ".join(render("text", made).split())
    shares = re.findall(r" ([\d,]+) calls? that AWS allowed| more, ([\d,]+) calls? \(--details\)", screen)
    assert sum(int("".join(one).replace(",", "")) for one in shares) == times


def test_every_format_that_people_read_is_tried() -> None:
    assert set(TOLD) - {"details"} <= set(FORMATS)
