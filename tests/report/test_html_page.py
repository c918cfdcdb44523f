"""The pages: what stands in them, that nothing is fetched and nothing breaks out."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from msgspec.structs import replace

from policygen.plan.batch_table import VERDICT_MEANINGS, BatchQuestion, BatchSince
from policygen.plan.io import parse_plan
from policygen.plan.keep_groups import keep_groups
from policygen.plan.model import Plan
from policygen.report.apply_steps import apply_steps
from policygen.report.formats import render
from policygen.report.html.batch_index import PAGE, render_index
from policygen.report.html.changes import WORDS, ChangeLine, Changes, Pattern, changes_of
from policygen.report.html.charts import NAMES, states
from policygen.report.html.facets import MOST, facets_of, tokens_of
from policygen.report.html.heatmap import CELLS, HeatRow, edges, heat_of
from policygen.report.html.role_page import LIMITS
from policygen.report.html.rows import request_rows
from policygen.report.html.templating import display_text, fair_share
from policygen.report.wording import answer_of, why_and_confidence
from policygen.rightsize.assess.changes import Change
from policygen.text import pluralize
from tests.support import ROOT
from tests.support.command import LONG
from tests.support.pages import (
    HOSTILE,
    PAGES,
    SECTIONS,
    batch,
    document,
    everything,
    first_index,
    index,
    number,
    page,
    plan,
    questions,
    read,
    rows,
)
from tests.support.samples import EVERY_SAMPLE

ROLE_LIMIT, INDEX_LIMIT = 300_000, 400_000
EVERY_PAGE = pytest.mark.parametrize("name", list(PAGES))

SOURCES = set(
    re.findall(
        r'source = "(https://[^"]+)"', (files("policygen.rightsize.assess") / "risk.toml").read_text("utf-8")
    )
)
"""The pages that a risk's name may lead to."""


# --- a page by itself ----------------------------------------------------------------------------


@EVERY_PAGE
def test_a_page_asks_for_nothing_and_allows_only_what_it_carries(name: str) -> None:
    root = read(page(name))
    (policy,) = root.all("meta", **{"http-equiv": "Content-Security-Policy"})
    allowed = policy.attributes["content"]
    assert allowed.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe|https?:|\*|data:", allowed)
    for kind in ("style", "script"):
        (one,) = root.all(kind)
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in allowed
        assert not re.search(r"https?:|@import|url\((?!#)", one.text)
    for node in root.all():
        assert not {
            key for key in node.attributes if key.startswith("on") or key in {"src", "style", "srcset"}
        }
        assert node.tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}
        if address := node.attributes.get("href"):
            assert node.tag == "a"
            own = re.match(r"#[a-z]|(\.\./)?index\.html$|roles/|trust/|(roles|questions)\.csv$", address)
            assert own or address in SOURCES, address


@EVERY_PAGE
def test_a_page_is_sound_for_keyboards_and_screen_readers(name: str) -> None:
    root = read(page(name))
    (whole,) = root.all("html")
    assert whole.attributes["lang"] == "en"
    assert [len(root.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1] * 4
    assert root.all("head")[0].all("title")[0].text
    ids = Counter(node.attributes["id"] for node in root.all() if "id" in node.attributes)
    assert set(ids.values()) == {1}
    assert [a.attributes["href"] for a in root.all("a") if a.attributes["href"].startswith("#")
            and a.attributes["href"][1:] not in ids] == []  # fmt: skip
    levels = [int(node.tag[1]) for node in root.all() if re.fullmatch("h[1-6]", node.tag)]
    assert [b for a, b in pairwise(levels) if b > a + 1] == []
    for head in root.all("th"):
        assert head.attributes["scope"] in {"col", "row", "rowgroup"}
    hidden = root.all("svg", **{"aria-hidden": "true"})
    parts = {id(part) for picture in hidden for part in picture.all("svg")}
    assert {id(picture) for picture in root.all("svg")} == {*map(id, hidden), *parts}
    for place in root.all():
        if "tabindex" in place.attributes and place.tag != "main":
            assert place.attributes["aria-label"]
    for control in ("input", "select"):
        assert len(root.all(control)) == sum(len(label.all(control)) for label in root.all("label"))
    # Without the script there is no control that does nothing.
    boxes = [box for box in root.all() if {"data-filter", "data-asked"} & set(box.attributes)]
    assert all("hidden" in box.attributes for box in boxes)
    for control in ("input", "select"):
        assert len(root.all(control)) == sum(len(box.all(control)) for box in boxes)
    assert all("hidden" in button.attributes for button in root.all("button"))


@EVERY_PAGE
def test_a_page_has_the_same_bytes_each_time(name: str) -> None:
    assert PAGES[name]() == page(name)


def test_a_page_depends_on_its_plan_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(everything().document))
    code = (
        "import sys; from pathlib import Path; from policygen.plan.io import read_plan; "
        "from policygen.report.formats import render; "
        f"sys.stdout.buffer.write(render('html', read_plan(Path({str(path)!r}).read_bytes(), 'p')).encode())"
    )
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
            capture_output=True, timeout=LONG, check=True,
        )  # fmt: skip
        assert made.stdout.decode() == page("everything")


# --- strangers' texts ----------------------------------------------------------------------------


def test_hostile_names_stay_text() -> None:
    root = read(page("everything"))
    plain = read(page("role"))
    assert {node.tag for node in root.all()} <= {node.tag for node in plain.all()} | {"ul", "br"}
    assert len(root.all("script")) == len(root.all("style")) == 1
    words = root.text
    for name in ("script", "style", "image", "entities", "template", "comment", "quotes"):
        assert HOSTILE[name] in words, name
    assert "49" not in re.findall(r"\b49\b", root.all("section", id="unmapped")[0].text)
    assert HOSTILE["direction"] not in words
    assert "safe\\u202egnp.exe\\u2066\\u200f" in words
    assert "a\\x1b]0;title\\x07\\x00b" in words
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", page("everything")
    )
    assert root.all("h1")[0].text == HOSTILE["image"]
    assert "javascript:" not in "".join(a.attributes["href"] for a in root.all("a"))


@pytest.mark.parametrize("text", ["<i a='\">&", "\x1b\u202e</td>"], ids=["markup", "controls"])
def test_a_stranger_s_text_is_escaped_wherever_it_stands_in_a_row(text: str) -> None:
    def table(word: str) -> str:
        actions = f"s3:{word}", f"s3:Get{word}"
        pattern = Pattern(word, 2, 3, word, word, (word, word))
        one = ChangeLine("removed", word, actions[:1], (word,), (), (word, word), 4, word, (pattern, pattern))
        several = replace(one, actions=actions, now=(word,) * 4, proposed=(word,) * 5, patterns=())
        shared = replace(several, service="", services=((word, 1), (f"a{word}", 1)), now=several.proposed)
        return str(request_rows(Changes((one, several, shared), (), 1, 1, 1, 2), "123456789012"))

    said = str(escape(display_text(text)))
    assert "<" not in said
    assert table(text) == table("WORD").replace("WORD", said)


def test_a_very_long_name_is_cut_and_its_length_is_told() -> None:
    (section,) = read(page("everything")).all("section", id="unmapped")
    assert "… (1,000 characters) …" in section.text
    assert "n" * 301 not in section.text


def test_a_copied_policy_is_the_policy_whatever_its_names() -> None:
    found = everything()
    root = read(page("everything"))
    for i, one in enumerate(found.policies, 1):
        (shown,) = root.all("pre", id=f"policy-{i}")
        assert json.loads(shown.text) == one.document


@EVERY_SAMPLE
def test_a_copied_policy_is_the_plan_s(role: str, today: bool) -> None:
    root = read(render("html", plan(role, today)))
    found = [
        json.loads(root.all("pre", id=f"policy-{i + 1}")[0].text)
        for i in range(len(plan(role, today).policies))
    ]
    assert found == [one.document for one in plan(role, today).policies]


def test_hostile_roles_stay_text_in_the_index() -> None:
    found = [
        row for text in HOSTILE.values()
        for row in index(1, role=text, path=f"/{text}/", reason=text, plan=text, owner=text, tags={text: text},
                         services=(text,), services_unused=(text,), trusts=(text,),
                         trust="narrower", trust_policy=text, trust_findings=(text,))
    ]  # fmt: skip
    asked = tuple(
        msgspec.structs.replace(
            one, asks=f"{text}: 1 role", why=text, roles=(text,), command=f"policygen probation {text}"
        )
        for text, one in zip(HOSTILE.values(), questions(found), strict=False)
    )
    root = read(first_index(found, questions=asked))
    names = [cell.text for cell in root.all("table", id="role-table")[0].all("th", scope="row")]
    assert names[2].startswith(HOSTILE["image"])
    assert {node.tag for node in root.all()} == {node.tag for node in read(page("index")).all()}


# --- sizes ---------------------------------------------------------------------------------------


@EVERY_SAMPLE
def test_the_page_of_a_real_role_is_small(role: str, today: bool) -> None:
    assert len(render("html", plan(role, today)).encode()) < ROLE_LIMIT


def grown(document: dict[str, Any], times: int) -> dict[str, Any]:
    """The plan with each list of findings so many times as long, each entry under a name of its own."""
    named = {"action", "event", "function", "sign", "type", "resource", "why", "service", "rule"}
    for key in ("keeps", "changes", "missing", "wanted_but_denied", "unmapped", "suspects", "users", "questions",
                "losses", "barred", "asides", "grants"):  # fmt: skip
        document[key] = [
            {k: f"{v}{i}" if i and k in named - {"sign"} else v for k, v in one.items()}
            for i in range(times)
            for one in document[key]
        ]
    for group in (
        document["evidence"]["requests"],
        document["calendar"]["rows"],
        document["risks"]["removed"],
    ):
        group[:] = [
            {k: f"{v}{i}" if i and k in named - {"why"} else v for k, v in one.items()}
            for i in range(times)
            for one in group
        ]
    return document


def test_the_page_of_a_huge_role_is_cut_and_says_so() -> None:
    made = grown(document(), 40)
    found = parse_plan(made)
    text = render("html", found)
    assert len(text.encode()) < ROLE_LIMIT
    root = read(text)
    changes = changes_of(found)
    assert changes.omitted
    (section,) = root.all("section", id="changes")
    left = sum(len(line.actions) for line in changes.omitted)
    assert (
        f"Not in the table: {len(changes.omitted):,} rows with {left:,} actions; the plan's JSON"
        in section.words
    )
    assert len(rows(section.all("table", id="change-table")[0])) == len(changes.lines)
    shown = sum(len(line.actions) for line in changes.lines)
    assert shown + left == len(found.changes)
    (risks,) = root.all("section", id="risks")
    removed = len(document()["risks"]["removed"])
    assert (
        f"And {removed * 40 - LIMITS['risks']:,} more risks; the plan's JSON has them all under risks.removed"
        in " ".join(risks.words.split())
    )


def busy(operations: int) -> Plan:
    """A role that used so many operations of 90 services on every day, and has as many more of 300 services unused."""
    made = document()
    days = made["calendar"]["days"]
    services = [f"service-{i}" for i in range(300)]
    used = [f"{services[i % 90]}:DescribeReservedInstances{i:04}" for i in range(operations)]
    arn = "arn:aws:{}:eu-central-1:111122223333:instance/orders-api-{}"
    made["calendar"]["rows"] = [
        {"service": name, "events": [1_209 + i for i in range(len(days))]} for name in services[:90]
    ]
    made["changes"] = [
        {
            "action": action,
            "kind": "narrowed",
            "now": ["*"],
            "proposed": [arn.format(action.split(":")[0], place) for place in range(4)],
            "why": "observed",
        }
        for action in used
    ] + [
        {
            "action": f"{services[i % 300]}:Put{i}",
            "kind": ("removed", "unknown")[i % 2],
            "now": ["*"],
            "proposed": ["*"] * (i % 2),
            "why": ("visible, 0 calls", "never in CloudTrail")[i % 2],
        }
        for i in range(operations)
    ]
    request = made["evidence"]["requests"][0]
    request |= {"event_ids": [f"{i:08}-ee0e-4b20-851c-690bcc092dfa" for i in range(3)]}
    made["evidence"]["requests"] = [
        request | {"action": action, "resource": place, "written_as": place}
        for action in used
        for place in (arn.format(action.split(":")[0], place) for place in range(4))
    ]
    return parse_plan(made)


def test_a_page_grows_by_little_for_each_operation_and_then_no_more() -> None:
    sizes = {number: len(render("html", busy(number)).encode()) for number in (30, 60, 300, 2_000)}
    assert sizes[60] - sizes[30] < 30 * 700
    assert sizes[2_000] - sizes[300] < 1_000
    assert sizes[2_000] < 200_000


def test_a_rule_that_drops_and_keeps_the_same_actions_is_written_once() -> None:
    made = document()
    (question,) = made["questions"][:1]
    rule = '[[drop]]\nrole = "a"\naction = "sqs:SendMessage"\nreason = "b"\n'
    for keep, rules in ((rule.replace("drop", "keep"), 1), (rule.replace("drop", "keep") + "\n", 2)):
        made["questions"] = [question | {"drop": rule, "keep": keep}]
        (section,) = read(render("html", parse_plan(made))).all("section", id="call")
        assert [one.text.strip() for one in section.all("pre")][-rules:] == [rule.strip(), keep.strip()][
            :rules
        ]
        assert ("with [[keep]] it keeps them" in section.words) == (rules == 1)


def test_documents_that_are_too_long_are_named_with_the_command_that_prints_them() -> None:
    made = document()
    (policy,) = made["policies"]
    made["policies"] = [policy | {"name": name, "size": 9_000} for name in ("first", "second", "third")]
    (section,) = read(render("html", parse_plan(made))).all("section", id="policies")
    shown = [one.attributes["id"] for one in section.all("pre") if "id" in one.attributes]
    assert shown == ["policy-1", "policy-2"]
    assert [one.attributes["data-copy"] for one in section.all("button")] == shown
    text = " ".join(section.words.split())
    assert "third 9,000 characters as IAM counts, of 6,144 Too long for this page" in text
    assert "has it under policies , and policygen report -f policy prints it" in text
    assert len(section.all("details")) == len(made["today"])
    assert text.count("the plan's JSON has it under today") == len(made["today"])


def test_services_of_which_the_same_becomes_for_one_reason_share_a_row_where_rows_are_many() -> None:
    found = busy(300)
    made, root = changes_of(found), read(render("html", found))
    assert [len(line.services) for line in made.lines if line.services] == [150, 150]
    assert sum(len(line.actions) for line in (*made.lines, *made.omitted)) == len(found.changes)
    assert {line.kind for line in made.omitted} == {"narrowed"}
    assert "Services that share a reason share a row." in root.words
    shown = rows(root.all("table", id="change-table")[0])
    assert shown[-1][:2] == [
        "removed",
        f"150 services, 150 actions {' '.join(sorted(f'service-{i} (1)' for i in range(0, 300, 2)))}",
    ]
    assert not changes_of(busy(20)).shared
    assert "share a row" not in read(render("html", busy(20))).words


def test_an_index_of_a_thousand_roles_is_small() -> None:
    assert len(first_index(index(1_000)).encode()) < INDEX_LIMIT


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 800))
def test_a_budget_is_shared_fairly(sizes: list[int], budget: int) -> None:
    limit = fair_share(sizes, budget)
    shown = sum(min(size, limit) for size in sizes)
    assert shown <= max(budget, len(sizes))
    # Nothing is left out that would have had room.
    if any(size > limit for size in sizes):
        assert sum(min(size, limit + 1) for size in sizes) > budget


# --- what a page says ----------------------------------------------------------------------------


@EVERY_SAMPLE
def test_the_tables_say_what_the_plan_says(role: str, today: bool) -> None:
    found = plan(role, today)
    root = read(render("html", found))
    cards = {
        card.all("h3")[0].text: " ".join(card.all("p", class_="big")[0].words.split())
        for card in root.all("div", class_="card")
    }
    closed = sum(1 for risk in found.risks.removed if risk.family == "escalation")
    left = sum(1 for risk in found.risks.left if risk.family == "escalation")
    if found.today is None:
        assert cards["Actions allowed"] == f"{found.actions_proposed:,}"
        assert cards["Escalation paths"] == f"{left:,}"
    else:
        assert (
            cards["Actions allowed"] == f"{found.actions_now:,} → today, proposed {found.actions_proposed:,}"
        )
        assert cards["Escalation paths"] == f"{closed + left:,} → today, proposed {left:,}"
    # The heat map's totals and its twin are the calendar.
    sums = {one.service: one.events for one in found.calendar.rows}
    (section,) = root.all("section", id="activity")
    drawn = rows(section.all("table", class_="heat")[0])
    assert {name: number(total) for name, _, total, _ in drawn if number(total)} == {
        name: sum(events) for name, events in sums.items()
    }
    (twin,) = section.all("table", class_="numbers")
    shared = heat_of(found).rows
    assert [name for name, *_ in drawn] == [row.named(2) for row in shared]
    columns = [re.split(", | and ", head.text) for head in twin.all("thead")[0].all("th")][1:]
    told_of = {service for row in shared for service in row.named(NAMES).replace(" and ", ", ").split(", ")}
    assert {service for column in columns for service in column} == told_of
    days, *told = zip(*rows(twin), strict=True)
    assert days == tuple(found.calendar.days)
    assert len(set(told)) == len(told)
    for services, cells in zip(columns, told, strict=True):
        for service in services:
            events = sums.get(service, (0,) * len(cells))
            assert all(
                cell == f"{n:,}" if n else cell in {"0", "?"} for n, cell in zip(events, cells, strict=True)
            )
    # Permissions by service are counted from the changes, the seen ones from the requests.
    if found.today is not None:
        now, new = Counter[str](), Counter[str]()
        for change in found.changes:
            now[change.service] += bool(change.now)
            new[change.service] += bool(change.proposed)
        for name, before, after, _ in rows(root.all("table", class_="services")[0]):
            assert (number(before), number(after)) == (now[name], new[name])
    times = Counter[str]()
    for request in found.evidence.requests:
        times[request.action] += request.count if request.written_as else 0
    for kind, action, _, number_, _, _ in rows(root.all("table", id="change-table")[0]):
        if kind in {"narrowed", "unchanged", "granted"} and ":" in action and number_[:1].isdigit():
            assert number(number_) == times[action.replace(" ", "")]


def numbers(text: str) -> set[int]:
    """All numbers of a text, with the comma between thousands and without."""
    return {number(one) for one in re.findall(r"\d{1,3}(?:,\d{3})+(?!\d)|\d+", text)}


def _row(change: Change) -> tuple[str, str, str, bool]:
    """What the changes of one row have in common: kind, service, reason, and whether all stays."""
    return change.kind, change.service, change.why, change.now == change.proposed


def counted(found: Plan) -> Iterator[int]:
    """Numbers that a page may derive from its plan: how many there are of a kind, and how often they were seen."""
    kinds, services, reasons, shared = Counter[str](), Counter[Any](), Counter[Any](), Counter[Any]()
    places: dict[Any, tuple[set[str], set[str]]] = {}
    for change in found.changes:
        now, proposed = places.setdefault(_row(change), (set(), set()))
        now.update(change.now)
        proposed.update(change.proposed)
    rows: dict[Any, list[Change]] = {}
    for change in found.changes:
        rows.setdefault(_row(change), []).append(change)
    whys_of = {key: why_and_confidence(members) for key, members in rows.items()}
    for key, (now, proposed) in places.items():
        shared["services", key[0], whys_of[key], *map(frozenset, (now, proposed))] += 1
    for change in found.changes:
        same = places[_row(change)]
        shared["actions", change.kind, whys_of[_row(change)], *map(frozenset, same)] += 1
        kinds[change.kind] += 1
        services[change.service, "now"] += bool(change.now)
        services[change.service, "proposed"] += bool(change.proposed)
        services[change.service, "used"] += change.kind in {"narrowed", "unchanged"}
        services[change.service, change.kind] += 1
        reasons[_row(change)] += 1
    granted = Counter(action.split(":")[0] for action in {grant.action for grant in found.grants})
    hidden = Counter(service for service, _ in {(k.service, k.action) for k in found.keeps if not k.visible})
    whys = {(k.kind, k.why, k.remedy, k.command, k.action) for k in found.keeps}
    reason = Counter(one[:-1] for one in whys)
    times, names, behind = Counter[Any](), Counter[Any](), Counter[Any]()
    groups = {c.action: _row(c) for c in found.changes}
    for request in found.evidence.requests:
        if request.written_as:
            times[request.action] += request.count
            times[request.action, request.written_as] += request.count
            names[request.action, request.written_as] += 1
            behind[groups.get(request.action)] += request.count
    signs = Counter[str]()
    for one in found.suspects:
        signs[one.sign] += one.count
    gone, left = (Counter(risk.family for risk in risks) for risks in (found.risks.removed, found.risks.left))
    for counter in (
        kinds,
        services,
        reasons,
        shared,
        granted,
        hidden,
        reason,
        times,
        names,
        behind,
        signs,
        gone,
        left,
        Counter(one.by for one in found.barred),
    ):
        yield from counter.values()
    for families in (gone, left):
        yield from (sum(families.values()), sum(families.values()) - families["escalation"])
    yield gone["escalation"] + left["escalation"]
    yield from (sum(row.events) for row in found.calendar.rows)
    yield from (len(user.actions) for user in found.users)
    yield from (len(json.dumps(one.document, separators=(",", ":"))) for one in found.today or ())
    yield from (
        found.actions_proposed,
        found.actions_now or 0,
        len(found.today or ()),
        len(found.evidence.regions),
    )
    yield len({keep.action for keep in found.keeps if keep.kind == "unknown"})


def cut_away(found: Plan) -> Iterator[int]:
    """How much tables leave out, and the steps of the ramp."""
    changes, heat, asked = changes_of(found), heat_of(found), found.questions
    yield from (len(changes.lines), len(changes.omitted), sum(len(one.actions) for one in changes.omitted))
    for line in changes.lines:
        yield from (
            len(line.actions) - changes.names,
            len(line.services) - changes.services,
            len(line.proposed) - 3,
            len(line.now) - 3,
        )
    blind = keep_groups(found, "unknown")
    names = fair_share((len(group.actions) for group in blind[: LIMITS["blind"]]), 500)
    yield from (len(group.actions) - names for group in blind)
    yield from (len(blind) - LIMITS["blind"], len(asked), len(asked) - LIMITS["questions"])
    yield sum(len(row.services) for row in heat.omitted)
    yield from (len(row.services) - most for row in heat.rows for most in (2, NAMES))
    yield from (len({change.service for change in found.changes}) - LIMITS["services"],)
    yield len(found.risks.removed) - LIMITS["risks"]
    yield from (step for edge in edges(heat.rows) for step in (edge, edge + 1))


@EVERY_SAMPLE
def test_every_number_of_a_page_is_in_its_plan(role: str, today: bool) -> None:
    """As it stands there, or as a count or a sum of what stands there; nothing else but two limits of IAM."""
    found = plan(role, today)
    digest = found.evidence.digest
    text = read(render("html", found)).words.replace(digest, "").replace(digest[:12], "")
    if found.actions_now:
        share = f"{100 * (found.actions_now - found.actions_proposed) / found.actions_now:.1f} %"
        assert share in text
        text = text.replace(share, "")
    known = numbers(json.dumps(found.document)) | {*counted(found), *cut_away(found), 6_144, 10_240}
    assert numbers(text) - known == set()


def test_the_page_asks_as_many_questions_as_the_screen() -> None:
    for role in ("orders-api", "deploy-ci", "bastion", "image-resizer"):
        found = plan(role)
        asked = re.search(r"^Questions \((\d+)\): ", render("text", found, show_all=True), re.M)
        assert asked
        words = read(render("html", found)).words
        assert f"{pluralize(int(asked[1]), 'question')} about unverified permissions" in words
        assert all(one.asks in " ".join(words.split()) for one in found.questions)


def test_the_sections_come_in_the_agreed_order_and_the_list_leads_to_each() -> None:
    root = read(page("everything"))
    assert [one.attributes["id"] for one in root.all("section")] == ["glance", *SECTIONS]
    (contents,) = root.all("nav", class_="toc")
    assert [a.attributes["href"][1:] for a in contents.all("a")] == SECTIONS


def test_what_was_looked_for_and_not_found_is_named() -> None:
    text = " ".join(read(page("role")).all("section", id="method")[0].words.split())
    assert "Checked, and nothing found: denied calls" in text
    assert "suspicious calls" not in text


@EVERY_SAMPLE
def test_the_page_has_the_steps_of_the_apply_list(role: str, today: bool) -> None:
    found = plan(role, today)
    (section,) = read(render("html", found)).all("section", id="apply")
    steps = apply_steps(found.apply_list, name=str)
    assert (
        [one.text.strip() for one in section.all("li")]
        == [step[0].upper() + step[1:] for step in steps]
        != []
    )


def test_without_today_s_policies_every_place_says_so() -> None:
    root = read(page("evidence alone"))
    for name in ("services", "changes", "blind", "risks", "policies", "trust"):
        assert re.search("not given|Not given|not known|Not known", root.all("section", id=name)[0].words), (
            name
        )
    assert "cannot be checked without the current policies" in root.all("section", id="proof")[0].words
    assert "nobody knows what the logs could have shown" in root.all("section", id="activity")[0].words
    cells = {cell for row in rows(root.all("table", class_="numbers")[0]) for cell in row}
    assert "?" in cells
    assert "0" not in cells


def test_a_promise_that_does_not_hold_is_said_with_its_counter_examples() -> None:
    (section,) = read(page("everything")).all("section", id="proof")
    (broken,) = section.all("li", class_="broken")
    assert "not held" in broken.text
    assert len(broken.all("li")) == 20
    assert "And 10 more counter-examples" in " ".join(broken.words.split())


def test_a_command_that_replaces_selectors_comes_with_its_warning() -> None:
    text = " ".join(read(page("role")).all("section", id="blind")[0].words.split())
    assert "Each command replaces all selectors of its trail, so run only one of them." in text


# --- the heat map --------------------------------------------------------------------------------


def calendar(days: int = 10, **changes: Any) -> dict[str, Any]:
    """A plan with events of s3 on the first day, and with what today allows of s3, sqs and sns."""
    made = document()
    dates = [f"2026-11-{day:02}" for day in range(1, days + 1)]
    made["window"] = {"start": dates[0], "end": f"{dates[-1]}T23:00:00Z", "days": days}
    made["calendar"] = {"days": dates, "rows": [{"service": "s3", "events": [9] + [0] * (days - 1)}]}
    made["keeps"] = [keep for keep in made["keeps"] if keep["action"] == "sqs:SendMessage"]
    made["changes"] = [
        {"action": action, "kind": kind, "now": ["*"], "proposed": [], "why": why}
        for action, kind, why in (
            ("s3:PutObject", "removed", "visible, 0 calls"),
            ("sqs:SendMessage", "unknown", "sqs data events are off"),
            ("sns:Publish", "removed", "visible since 2026-11-04, 0 calls"),
            ("dax:Query", "removed", "IAM saw no attempt at dax from 2025-10-20 to 2026-11-24"),
        )
    ]
    made["coverage"] |= changes
    return made


def drawn(made: dict[str, Any]) -> dict[str, str]:
    heat = heat_of(parse_plan(made))
    return {", ".join(row.services): "".join(map(str, states(row, edges(heat.rows)))) for row in heat.rows}


def test_services_that_were_never_used_share_a_row_where_the_logs_tell_the_same_of_them() -> None:
    made = calendar()
    made["changes"] += [
        gone | {"action": "sms:Any"} for gone in made["changes"] if gone["action"] == "sns:Publish"
    ]
    assert list(drawn(made)) == ["s3", "sqs", "dax", "sms, sns"]


def test_a_day_without_events_is_a_zero_where_a_use_would_have_been_seen_and_hatched_where_not() -> None:
    assert drawn(calendar()) == {
        "s3": "5" + "z" * 9,
        "sqs": "x" * 10,  # a permission is kept that the logs cannot show
        "sns": "xxx" + "z" * 7,  # visible since the fourth
        "dax": "x" * 10,  # goes by IAM's word, not by that of the logs
    }


def test_a_day_that_was_not_logged_is_hatched_for_all_but_what_was_seen() -> None:
    stopped = [{"trail": "t", "start": "2026-11-01T05:00:00Z", "end": "2026-11-02T01:00:00Z"}]
    made = drawn(calendar(stopped=stopped, days_without_events=["2026-11-06"]))
    assert made["s3"] == "5x" + "zzz" + "x" + "zzzz"


def test_without_today_s_policies_no_zero_means_anything() -> None:
    made = calendar()
    made["today"], made["changes"] = None, []
    assert drawn(made)["s3"] == "5" + "x" * 9


def test_long_windows_are_drawn_by_week_and_wide_roles_are_cut() -> None:
    made = document()
    days = [f"20{20 + i // 360}-{i // 30 % 12 + 1:02}-{i % 30 % 28 + 1:02}" for i in range(400)]
    made["calendar"] = {
        "days": days,
        "rows": [{"service": f"s{i:03}", "events": [i] * 400} for i in range(1, 90)],
    }
    heat = heat_of(parse_plan(made))
    assert heat.step == 7
    assert len(heat.columns) == 58
    assert heat.rows[0].events == (89 * 7,) * 57 + (89,)
    assert len(heat.rows) * len(heat.columns) <= CELLS + 6 * 58
    left_out = sum(len(row.services) for row in heat.omitted)
    assert sum(len(row.services) for row in heat.rows) + left_out >= 89
    text = " ".join(read(render("html", parse_plan(made))).all("section", id="activity")[0].words.split())
    assert f"Not drawn: {left_out} services with {sum(row.total for row in heat.omitted):,} events" in text


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_more_events_are_never_paler(events: list[int]) -> None:
    row = HeatRow(("s3",), tuple(events), (False,) * len(events), 0)
    found = states(row, edges([row]))
    levels = [(n, state) for n, state in zip(events, found, strict=True) if isinstance(state, int)]
    assert [n for n, state in zip(events, found, strict=True) if state == "z"] == [
        n for n in events if n == 0
    ]
    assert all(a <= b for (_, a), (_, b) in pairwise(sorted(levels)))
    assert {state for _, state in levels} <= set(range(1, 6))


# --- the index -----------------------------------------------------------------------------------


def test_the_index_sums_its_rows_and_keeps_their_order() -> None:
    lost = {
        "actions_now": None,
        "actions_proposed": None,
        "needed": None,
        "unverified": None,
        "escalations_closed": None,
        "escalations_left": None,
    }
    found = [
        *index(14),
        *index(1, **lost, last_call="", verdict="failed", plan="", role="ci-deployer", code="PG-E110"),
    ]
    root = read(first_index(found))
    shown = rows(root.all("table", id="role-table")[0])
    assert [row[0].split()[0] for row in shown] == [row.role for row in found]
    assert shown[0] == ["payments-stream-consumer-0 /service-role/ payments", "yes", "2026-11-24 22:36", "9,412", "18",
                        "3", "0", "0", "14 → 0", "30", "–", found[0].reason]  # fmt: skip
    assert shown[-1][2:9] == ["never", "–", "–", "–", "0", "0", "–"]
    assert shown[-1][-1].endswith(" PG-E110")
    cards = " ".join(" ".join(card.words.split()) for card in root.all("div", class_="card"))
    assert (
        f"{sum(row.actions_now or 0 for row in found):,} → today, proposed {14 * 21} today and proposed, of 14 roles"
        in cards
    )
    assert f"{14 * 14:,} closed, 7 left" in cards
    verdicts = rows(root.all("table", class_="sums")[0])
    assert {row[0]: number(row[1]) for row in verdicts} == Counter(answer_of(row.verdict) for row in found)
    links = [a.attributes["href"] for a in root.all("table", id="role-table")[0].all("a")]
    assert links == [f"roles/{row.plan}.html" for row in found if row.plan]


def test_the_index_names_the_roles_whose_trust_policies_leave_most_open() -> None:
    found = [
        *index(30, trust_findings=()),
        *index(1, role="open", trust_findings=("PG701", "PG703"), trust_reason="1 removed"),
        *index(1, role="foreign", trust_findings=("PG703",), plan="", account="444455556666"),
        *index(1, role="long", trust_policy="", trust_findings=("PG704",)),
        *index(1, role="small", trust="unchanged", trust_findings=("PG701",)),
    ]
    (section,) = read(first_index(found)).all("section", id="trust")
    assert "13 of 24 roles that somebody assumed" in section.words
    shown = rows(section.all("table")[0])
    assert [row[:3] for row in shown[:2]] == [
        ["open 111122223333", "PG701 PG703", "1 removed"],
        ["foreign 444455556666", "PG703", "today's policy is the smallest"],
    ]
    assert shown[2][3] == "the session alone"
    assert len(shown) == 12
    assert "And 1 more" in section.words
    links = [a.attributes["href"] for a in section.all("a")][:3]
    assert links == [
        "roles/payments-stream-consumer-0.html#trust",
        "trust/payments-stream-consumer-0.json",
        "trust/payments-stream-consumer-0.json",
    ]
    assert not read(first_index(index(3, trust=None))).all("section", id="trust")


def test_a_row_of_another_account_says_so() -> None:
    found = [*index(1), *index(1, account="444455556666", path="/", role="a")]
    shown = rows(read(first_index(found)).all("table", id="role-table")[0])
    assert [row[0] for row in shown] == [
        "payments-stream-consumer-0 111122223333 /service-role/ payments",
        "a 444455556666 payments",
    ]
    assert "2 accounts" in read(first_index(found)).all("title")[0].text


def test_the_index_says_in_two_sentences_what_the_batch_is_worth() -> None:
    found = index(14)
    text = " ".join(read(first_index(found)).words.split())
    now, proposed = sum(row.actions_now or 0 for row in found), 14 * 21
    assert f"14 IAM roles can do without {100 * (now - proposed) // now} % of their permissions" in text
    assert (
        "2 of 14 roles can be changed now, 2 after a look and 2 once more days have passed or are read."
        in text
    )
    left = sum(row.risks_left["escalation"] + 1 for row in found)
    assert f"The new policies close {14 * 16} of {14 * 16 + left} known ways to escalate" in text
    assert "1 of 1 role can be changed now." in read(first_index(index(1))).words
    assert "1 of 2 roles can be changed now and 1 after a look." in read(first_index(index(2))).words
    unknown = [*index(2), *index(1, role="other", actions_now=None)]
    assert "2 of 3 IAM roles can do without" in read(first_index(unknown)).all("h1")[0].text
    (alone,) = read(first_index(index(1))).all("h1")
    assert alone.text == "1 IAM role can do without 99 % of its permissions"
    assert "IAM roles, right-sized" in read(page("index without today")).all("h1")[0].text


def test_the_command_of_a_question_is_whole_and_one_for_all_stands_before_them() -> None:
    found = index(1)
    command = f"policygen doctor {'--service abc ' * 99}"
    asked = BatchQuestion(
        id="data-events:abc", asks="reads of abc: 1 role", why="", roles=("a",), actions=("s3:GetObject",),
        riskiest=(), answer="", command=command, keep="", drop="",
    )  # fmt: skip
    root = read(first_index(found, questions=(asked,), data_events=command))
    assert [one.text for one in root.all("pre") if one.text.startswith("policygen doctor")] == [command] * 2
    assert "run no other one for it" in root.words


def test_each_row_carries_its_questions_and_each_question_the_number_of_its_roles() -> None:
    found = index(9)
    asked = tuple(question(f"no-sdk:{n}", *(row.plan for row in found[:: n + 1])) for n in range(8))
    root = read(first_index(found, questions=asked))
    (table,) = root.all("table", id="question-table")
    assert [head.all("strong")[0].text for head in table.all("th", scope="row")] == [
        pluralize(len(one.roles), "role") for one in asked
    ]
    for row, line in zip(found, root.all("table", id="role-table")[0].all("tr")[1:], strict=True):
        tokens = {token for token in line.attributes["data-kind"].split() if token[0] == "q"}
        assert tokens == {f"q{i}" for i, one in enumerate(asked) if row.plan in one.roles}
    many = tuple(question(f"no-sdk:{n}", "a") for n in range(70))
    root = read(first_index(found, questions=many))
    assert (len(rows(root.all("table", id="question-table")[0])), "And 10 more." in root.words) == (60, True)


def question(id_: str, *roles: str, command: str = "") -> BatchQuestion:
    return BatchQuestion(
        id=id_, asks=f"{id_} actions: {len(roles)} roles", why="", roles=roles, actions=("s3:GetObject",),
        riskiest=(), answer="ask", command=command, keep="", drop="",
    )  # fmt: skip


def test_what_is_needed_and_unverified_is_what_is_proposed() -> None:
    found = [*index(5), *index(1, role="other", actions_now=None, needed=90)]
    cards = {card.all("h3")[0].text: card for card in read(first_index(found)).all("div", class_="card")}
    tight = [int(text) for text in re.findall(r"\d+", cards["How tight?"].all("p", class_="big")[0].words)]
    assert sum(tight) == sum((row.needed or 0) + (row.unverified or 0) for row in found[:5])
    assert "of 5 roles" in cards["How tight?"].words


def test_the_charts_of_the_index_add_up() -> None:
    found = index(20)
    root = read(first_index(found))
    risks = {row[0]: (number(row[1]), number(row[2])) for row in rows(root.all("section", id="risks")[0])}
    for name, family in (
        ("escalate privileges", "escalation"),
        ("exfiltrate data", "exfiltration"),
        ("expose resources", "exposure"),
    ):
        assert risks[name] == (
            sum(row.risks_closed.get(family, 0) for row in found),
            sum(row.risks_left.get(family, 0) for row in found),
        )
    unused = {row[0]: (number(row[1]), number(row[2])) for row in rows(root.all("section", id="unused")[0])}
    assert unused == {
        service: (
            sum(service in row.services_unused for row in found),
            sum(service in row.services for row in found),
        )
        for service in ("iam", "sqs", "ec2")
    }
    assert sum(number(row[1]) for row in rows(root.all("section", id="verdicts")[0])) == 20


def test_the_index_says_what_changed_since_the_last_batch() -> None:
    (section,) = read(page("index")).all("section", id="since")
    words = " ".join(section.words.split())
    assert (
        "39 roles, 2026-10-19 to 2026-11-17 . 1 role came, 1 went. Answers: look first → yes: 1, new" in words
    )
    assert (
        "Today's policies of 1 role allow 100 actions fewer. Those of 1 role allow more: consumer-wide. Unverified"
        in words
    )
    assert [row[:3] for row in rows(section)] == [
        ["consumer-wide", "yes", "yes"],
        ["payments-stream-consumer-0", "look first", "yes"],
        ["consumer-new", "not in it", "not yet"],
        ["consumer-old", "unused", "gone"],
    ]
    assert not read(first_index(index(3))).all("section", id="since")
    quiet = BatchSince(start="2026-10-19", end="2026-11-17", roles=3, unverified=0)
    (section,) = read(first_index(index(3), since=quiet)).all("section", id="since")
    assert "No role has another answer or other policies." in section.words


def test_the_choices_of_the_index_are_the_values_of_its_rows() -> None:
    found = [*index(6), *index(1, role="other", account="444455556666", path="/", tags={}, owner="")]
    root = read(first_index(found))
    offered = {
        select.attributes["name"]: {
            option.text: option.attributes["value"]
            for option in select.all("option")
            if option.attributes["value"]
        }
        for select in root.all("select")
    }
    assert list(offered) == [
        "answer",
        "trust",
        "rule",
        "owner",
        "tag",
        "service",
        "runs",
        "path",
        "account",
    ]
    assert list(offered["tag"]) == ["stage=prod", "team=orders", "team=payments"]
    assert list(offered["runs"]) == ["ecs-tasks", "lambda"]
    shown = [
        row.attributes["data-kind"].split() for row in root.all("table", id="role-table")[0].all("tr")[1:]
    ]
    for row, tokens in zip(found, shown, strict=True):
        assert {offered["account"][row.account], offered["answer"][answer_of(row.verdict)]} <= {*tokens}
        assert {name for name, token in offered["service"].items() if token in tokens} == set(row.services)
        assert {name for name, token in offered["tag"].items() if token in tokens} == {
            f"{key}={value}" for key, value in row.tags.items()
        }
        assert {name for name, token in offered["rule"].items() if token in tokens} == set(row.trust_findings)
    assert list(offered["trust"]) == ["nobody came", "smaller is enough", "stays as today"]
    every = [token for tokens in offered.values() for token in tokens.values()]
    assert len(every) == len(set(every))
    # What all rows have tells none of them from the others.
    assert [facet.name for facet in facets_of(index(1))] == ["answer"]


def test_many_values_of_a_choice_are_cut_to_what_most_rows_have() -> None:
    found = [
        *index(300, tags={"app": "shop"}),
        *(row for i in range(400) for row in index(1, tags={"app": f"a{i}"})),
    ]
    (tags,) = (facet for facet in facets_of(found) if facet.name == "tag")
    assert (len(tags.tokens), tags.omitted) == (MOST, 401 - MOST)
    assert "app=shop" in tags.tokens
    assert tokens_of(found[-1], [tags]) == ""


def test_an_index_says_what_it_lacks() -> None:
    text = " ".join(read(page("index without today")).words.split())
    assert "These policies rest on the logs alone." in text
    assert "Not read completely, or not proved: a; b." in text
    assert "the current policies are not known" in text


def test_an_index_of_many_roles_has_pages() -> None:
    pages = render_index(batch(index(2 * PAGE + 1)))
    assert list(pages) == ["index.html", "index-2.html", "index-3.html"]
    sizes = [text.count("<tr data-kind") for text in pages.values()]
    assert sizes == [PAGE, PAGE, 1]
    for name, text in pages.items():
        assert f"<h1>{2 * PAGE + 1:,} IAM roles" in text  # totals are of all
        assert set(re.findall(r'href="(index[^"]*)"', text)) == set(pages) - {name}
    assert "Rows 4,001 to 4,001 of 4,001" in read(pages["index-3.html"]).words


def test_every_verdict_has_its_sign_in_the_style() -> None:
    (style,) = read(page("index")).all("style")
    signs = dict(re.findall(r'\.v-([a-z-]+)::before\{content:"(.) "', style.text))
    assert set(signs) | {"review"} == set(VERDICT_MEANINGS)
    assert len({*signs.values(), "?"}) == len(VERDICT_MEANINGS)


def test_every_change_has_the_screen_s_sign_in_the_style() -> None:
    (style,) = read(page("role")).all("style")
    signs = {
        kind: sign
        for kinds, sign in re.findall(r'(\.changes \[data-kind=[^{]*)\{content:"(.) " / ""', style.text)
        for kind in re.findall(r"\[data-kind=([a-z]+)\] td:first-child::before", kinds)
    }
    assert signs == {
        "narrowed": "~", "unchanged": "~", "kept": "=", "unknown": "?", "removed": "−", "added": "+", "missing": "!",
        "granted": "+",
    }  # fmt: skip
    assert set(signs) == set(WORDS)
