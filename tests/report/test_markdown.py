"""Comments in Markdown: dead whatever they hold, whole, and with room."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from html.parser import HTMLParser

import cmarkgfm  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from policygen.gate.findings import RULES, Finding
from policygen.gate.report import RULES_URL, FindingsReport
from policygen.iam.locations import Location
from policygen.plan.io import parse_plan
from policygen.report.figures import figures
from policygen.report.findings import report as findings
from policygen.report.formats import render
from policygen.report.markdown import escape as commonmark
from policygen.report.markdown.escape import LIMIT, Section, code, comment, fence, prose, row
from policygen.text import escape_controls
from tests.support.effort import every, examples
from tests.support.reviews import HOSTILE, TEXTS, any_text, everything, hostile_plan, plan
from tests.support.samples import EVERY_SAMPLE


def whole(text: str) -> bool:
    """Whether a comment shows all of a text."""
    return len(escape_controls(text)) <= commonmark.NAME and "`" * 17 not in text


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
    "h3", "h4", "p", "ul", "ol", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details",
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


RULE = re.compile(rf"href={re.escape(RULES_URL)}/PG\d+\.md")
"""A link to the page of a rule: no text of a log or a policy is in it."""


def assert_dead(page: Page, links: re.Pattern[str] | None = None) -> None:
    """Nothing but our own elements, and no text that GitHub would bring to life; `links`: those there may be."""
    assert set(page.tags) <= (OURS | {"a"} if links else OURS)
    others = [one for one in page.attributes if not HARMLESS.fullmatch(one)]
    assert [one for one in others if not (links and links.fullmatch(one))] == []
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
@settings(max_examples=examples(60), deadline=None)
@given(text=any_text)
@example(text="0")
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
        ("every permission that the calls asked for is allowed: 522, asked for 2,334 times", None),
        ("Lambda writes the logs of orders-api, making the group if missing; then none", None),
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
        (line,) = [
            line
            for line in render("text", made, show_all=True).splitlines()
            if line.startswith(f"  {one.name} ")
        ]
        shown = [
            int(number.replace(",", "")) for number in line[len(one.name) + 2 :].split()[: 2 if today else 1]
        ]
        assert shown == ([one.now, one.proposed] if today else [one.proposed])
        assert row(prose(one.name), f"{one.now:,}" if today else "not known", f"{one.proposed:,}") in text
    for check in made.proof:
        assert f"✔ **{check.promise}**: {prose(check.finding)}" in text


def test_what_is_cut_is_counted_and_the_policy_is_never_cut_in_the_middle() -> None:
    found = copy.deepcopy(plan("deploy-ci").document)
    found["policies"] = [one | {"name": f"part-{i}"} for i in range(20) for one in found["policies"]]
    found["changes"] = [one | {"why": f"reason {i}"} for i in range(80) for one in found["changes"][::40]]
    made = parse_plan(found, "plans/deploy-ci.json")
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


@pytest.mark.sweep
def test_a_comment_of_the_gate_is_dead_too_and_has_room() -> None:
    for text in every(4, [*TEXTS.values()]):
        found = [Finding(rule, text, text, text, text, Location(1, 1), text) for rule in RULES.values()] * 60
        made = findings.render(
            "markdown", FindingsReport(text, text, found, [text] * 9, "error", 3, 30, 30, text)
        )
        assert len(made.encode()) <= LIMIT
        for parser in PARSERS.values():
            page = Page(parser(made))
            assert_dead(page, RULE)
            assert page.tags["td"] == 6 * (page.tags["tr"] - 1)
    assert "gate **failed**" in made
    assert "<!-- policygen:check:" in made
