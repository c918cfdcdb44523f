"""Pages for tests, and a reader of pages that is stricter than a browser."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from functools import cache
from html.parser import HTMLParser
from typing import Any

from msgspec.structs import replace

from policygen.plan.batch_table import (
    VERDICT_MEANINGS,
    BatchChange,
    BatchQuestion,
    BatchRow,
    BatchSince,
    BatchTable,
)
from policygen.plan.build import plan_from_analysis as plan_of_analysis
from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from policygen.report.formats import render
from policygen.report.html.batch_index import render_index
from tests.support.samples import sample

HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "style": "</style><style>*{display:none}</style>",
    "image": "<img src=x onerror=alert(1)>",
    "quotes": "\" onmouseover=alert(1) x='y' `z`",
    "entities": "&lt;b&gt; &amp;",
    "template": "{{ 7 * 7 }} {% raw %} ${aws:username} %{if}",
    "comment": "--> <!-- ]]>",
    "direction": "safe\u202egnp.exe\u2066\u200f",
    "control": "a\x1b]0;title\x07\x00b",
    "long": "n" * 1_000,
}
SECTIONS = ["notices", "proof", "call", "activity", "services", "learning", "changes", "blind", "denied", "missing",
            "unmapped", "suspects", "others", "risks", "users", "apply", "policies", "trust", "method"]  # fmt: skip
"""The parts of a role's page, in their order."""


@cache
def plan(role: str = "orders-api", today: bool = True) -> Plan:
    return plan_of_analysis(sample(role, today))


def document(role: str = "orders-api", today: bool = True) -> dict[str, Any]:
    return copy.deepcopy(plan(role, today).document)


# --- reading a page ------------------------------------------------------------------------------

VOID = {"meta", "link", "br", "wbr", "input", "img", "hr", "col"}

CLOSED_BY = {"td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}, "li": {"li"},
             "dt": {"dd"}, "dd": {"dt"}, "option": {"option"}}  # fmt: skip
"""Beginning of an element -> what HTML lets it close."""


class Node:
    """An element: its name, its attributes, and what is in it."""

    def __init__(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.inside: list[Node | str] = []

    def all(self, tag: str = "", **attributes: str) -> list[Node]:
        found = []
        for one in self.inside:
            if isinstance(one, Node):
                if (not tag or one.tag == tag) and all(
                    one.attributes.get(k.rstrip("_")) == v for k, v in attributes.items()
                ):
                    found.append(one)
                found += one.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return "".join(one if isinstance(one, str) else one.text for one in self.inside)

    @property
    def words(self) -> str:
        """What a reader sees: without styles, scripts and tips of pictures."""
        return "".join(
            one
            if isinstance(one, str)
            else ""
            if one.tag in {"style", "script", "svg", "pre"}
            else one.words + " "
            for one in self.inside
        )


class Reader(HTMLParser):
    """Builds the tree, and refuses what a browser would have to repair."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is given twice"
        node = Node(tag, {name: value or "" for name, value in attrs})
        if tag in CLOSED_BY:
            self._imply(CLOSED_BY[tag])
        self.open[-1].inside.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Node(tag, {name: value or "" for name, value in attrs}))

    def _imply(self, closed: set[str]) -> None:
        """Closes cells, rows and items that HTML lets stay open."""
        while self.open[-1].tag in closed:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in {"tr", "tbody", "thead", "tfoot"}:
            self._imply({"td", "th"} if tag == "tr" else {"td", "th", "tr"})
        if tag in {"ul", "ol"}:
            self._imply({"li"})
        if tag in {"div", "dl"}:
            self._imply({"dd"})
        if tag == "select":
            self._imply({"option"})
        assert self.open[-1].tag == tag, f"</{tag}> closes {self.open[-1].tag}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(text: str) -> Node:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root], "something stays open"
    return reader.root


def rows(table: Node) -> list[list[str]]:
    (body,) = table.all("tbody")
    return [
        [" ".join(cell.words.split()) for cell in row.inside if isinstance(cell, Node)]
        for row in body.all("tr")
    ]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def index(count: int, **changes: Any) -> list[BatchRow]:
    """Rows as long as real ones are."""
    kinds = list(VERDICT_MEANINGS)
    return [
        BatchRow(
            **{
                "role": f"payments-stream-consumer-{i}",
                "account": "111122223333",
                "arn": f"arn:aws:iam::111122223333:role/service-role/payments-stream-consumer-{i}",
                "path": "/service-role/",
                "verdict": kinds[i % len(kinds)],
                "reason": "30 days of evidence, last new permission 22 days before the end",
                "last_call": "2026-11-24T22:36:06Z",
                "actions_now": 9_412 + i,
                "actions_proposed": 21,
                "needed": 18,
                "unverified": 3,
                "escalations_closed": 14,
                "escalations_left": i % 2,
                "days": 30,
                "questions": i % 3,
                "plan": f"payments-stream-consumer-{i}",
                "owner": ("payments", "orders", "")[i % 3],
                "tags": {"team": ("payments", "orders")[i % 3], "stage": "prod"} if i % 3 < 2 else {},
                "trusts": (("lambda", "ecs-tasks")[i % 2] + ".amazonaws.com",),
                "services": ("dynamodb", "kms", "s3")[: 1 + i % 3],
                "services_unused": ("ec2", "iam", "sqs")[i % 2 :],
                "risks_closed": {"escalation": 14, "exfiltration": 2},
                "risks_left": {"escalation": i % 2, "exposure": 1},
                "trust": ("narrower", "unchanged", "unseen")[i % 3],
                "trust_reason": "today's policy is the smallest",
                "trust_policy": "" if i % 3 else f"payments-stream-consumer-{i}",
                "trust_findings": ("PG701", "PG703")[: 2 - i % 3],
                **changes,
            }
        )
        for i in range(count)
    ]


def in_two_accounts() -> list[BatchRow]:
    """Rows of two accounts, with everything that can make a row wide."""
    accounts = itertools.cycle(["111122223333", "444455556666"])
    more = {
        "replay_calls": 55_800,
        "replay_denied": 0,
        "actions_now": 22_057,
        "role": "AWSServiceRole" + "x" * 50,
    }
    wide = [replace(row, account=next(accounts), **more) for row in index(8)]
    return [
        replace(row, account=next(accounts), replay_calls=558, replay_denied=0) for row in index(12)
    ] + wide


def batch(found: list[BatchRow], **changes: Any) -> BatchTable:
    return BatchTable(
        **{
            "schema_version": 1,
            "policygen": "0.1.0",
            "iam_data": "0.1.202610271",
            "start": "2026-10-26",
            "end": "2026-11-24T22:36:06Z",
            "days": 30,
            "accounts": ("111122223333",),
            "records": 7_541,
            "files": 122,
            "incomplete": (),
            "rows": tuple(found),
            **changes,
        }
    )


def since() -> BatchSince:
    """The difference to an earlier batch, with everything that can differ."""
    role = {
        "role": "payments-stream-consumer-0",
        "account": "111122223333",
        "plan": "payments-stream-consumer-0",
    }
    return BatchSince(
        start="2026-10-19",
        end="2026-11-17",
        roles=39,
        unverified=160,
        changes=(
            BatchChange(**role, before="review", after="ready", actions_before=9_512, actions_after=9_412),
            BatchChange(role="consumer-new", account="111122223333", after="wait", actions_after=12),
            BatchChange(role="consumer-old", account="111122223333", before="unused"),
            BatchChange(role="consumer-wide", account="111122223333", before="ready", after="ready",
                        actions_before=9, actions_after=30),
        ),
    )  # fmt: skip


def questions(found: list[BatchRow]) -> tuple[BatchQuestion, ...]:
    """Questions of all roles, of each second, of each third."""
    return tuple(
        BatchQuestion(
            id=f"protocol:s{step}",
            asks=f"uses of s{step} that no log shows: {len(found[::step])} roles",
            why="never in CloudTrail",
            roles=tuple(row.plan for row in found[::step]),
            actions=(f"s{step}:Use",),
            riskiest=(f"s{step}:Use",),
            answer="ask the role's owner, or try a month without them",
            command="\n".join(f"policygen probation plans/{row.plan}.json" for row in found[::step][:5]),
            keep="",
            drop="",
        )
        for step in (1, 2, 3, 4, 5, 6, 8, 9, 10)
    )


def first_index(found: list[BatchRow], **changes: Any) -> str:
    return render_index(batch(found, **changes))["index.html"]


PAGES: Mapping[str, Callable[[], str]] = {
    "role": lambda: render("html", plan(), indexed=True),
    "administrator": lambda: render("html", plan("deploy-ci")),
    "evidence alone": lambda: render("html", plan("orders-api", False)),
    "everything": lambda: render("html", everything()),
    "index": lambda: first_index(
        index(40),
        since=since(),
        questions=questions(index(40)),
        data_events="policygen doctor --services s3,sqs",
    ),
    "index of two accounts": lambda: first_index(in_two_accounts(), questions=questions(in_two_accounts())),
    "empty index": lambda: first_index([]),
    "index without today": lambda: first_index(
        index(4, actions_now=None, account=""), accounts=(), incomplete=("a", "b")
    ),
}


@cache
def page(name: str) -> str:
    return PAGES[name]()


def seen(count: int = 3) -> dict[str, Any]:
    return {
        "count": count, "days": 1, "first": "2026-11-02T00:00:00Z", "last": "2026-11-03T08:00:00Z",
        "event_ids": ["9ba442a6-ee0e-4b20-851c-690bcc092dfa"], "weak": 0,
    }  # fmt: skip


@cache
def everything() -> Plan:
    """A plan in which every section has something to say, most of it hostile."""
    made = document()
    texts = list(HOSTILE.values())
    made["role"]["name"] = HOSTILE["image"]
    made["notes"] = [f"a note {HOSTILE['script']}"]
    made["predecessors"] = [{"role_id": "AROA1", "events": 1_209, "last": "2026-10-30T09:07:08Z"}]
    made["missing"] = [
        {
            "action": "s3:GetObject",
            "resource": f"arn:aws:s3:::b/{one}",
            "cause": "a resource policy allows it",
            **seen(),
        }
        for one in texts
    ]
    made["wanted_but_denied"] = [
        {
            "action": "",
            "resource": one,
            "policy_type": "identity-based",
            "explicit": False,
            "event": one,
            **seen(),
        }
        for one in texts
    ]
    made["unmapped"] = [{"event": one, "why": "no rule", **seen()} for one in texts]
    made["suspects"] = [
        {
            "sign": sign, "event": one, "function": "", "accepted": sign == "foreign-agent",
            "sessions": [one], "addresses": [one], "user_agents": [one], "results": {"succeeded": 2, "denied": 1},
            "calls": [
                {"action": "s3:GetObject", "resource": one, "region": one, "result": "denied", "error": one,
                 "count": 3, "first": "2026-11-18T02:41:20Z", "last": "2026-11-18T02:41:20Z",
                 "addresses": [one], "event_ids": [one]}
            ],
            **seen(),
        }
        for sign in ("foreign-agent", "after-quiet", "interactive-agent")
        for one in texts
    ]  # fmt: skip
    made["users"] = [
        {"function": f"arn:aws:lambda:::function:{one}", "actions": ["s3:GetObject"]} for one in texts
    ]
    made["open_names"] = [{"type": "ec2:image", "names": 2, "reason": one} for one in texts]
    made["losses"] = [
        {"action": "s3:GetObject", "resource": one, "statement": one, "why": one} for one in texts
    ]
    made["barred"] = [{"action": "s3:GetObject", "by": one} for one in texts]
    made["asides"] = [
        {"action": "s3:GetObject", "resource": one, "grade": grade, "allowed": grade == "hint", **seen()}
        for one in texts
        for grade in ("hint", "indirect")
    ]
    made["decisions"] = {
        "losses": [{"action": "s3:GetObject", "resource": one, "rule": one} for one in texts],
        "spared": [{"action": "s3:GetObject", "resource": one, "rule": one} for one in texts],
        "expired": texts,
        "unused": texts,
    }
    made["unauthenticated"] = seen(17)
    made["coverage"]["incomplete"] = texts
    made["coverage"]["days_without_events"] = ["2026-11-15"]
    made["coverage"]["stopped"] = [
        {"trail": "t", "start": "2026-11-10T12:00:00Z", "end": "2026-11-11T12:00:00Z"}
    ]
    made["proof"][1] |= {"held": False, "finding": HOSTILE["quotes"], "counter_examples": texts * 3}
    made["risks"]["left"] = made["risks"]["removed"][:2] + [
        {
            "rule": one,
            "title": one,
            "family": "exposure",
            "actions": [one],
            "resources": [one],
            "source": f"javascript:{one}",
        }
        for one in texts
    ]
    made["keeps"] += [
        {
            "action": f"sns:{one}", "resource": one, "not_resource": [], "condition": {}, "kind": kind, "why": one,
            "blind_spot": "never-logged", "remedy": one, "command": one, "note": one, "visible": False,
        }
        for kind in ("unknown", "decision")
        for one in texts
    ]  # fmt: skip
    made["calendar"]["rows"].append({"service": HOSTILE["image"], "events": [1] * 45})
    made["policies"].append(copy.deepcopy(made["policies"][0]))
    made["policies"][0]["document"]["Statement"][0]["Resource"] = [f"arn:aws:s3:::b/{one}" for one in texts]
    made["today"][0]["name"] = HOSTILE["quotes"]
    made["strength"]["once"] = [f"s3:{one}" for one in texts]
    return parse_plan(made)
