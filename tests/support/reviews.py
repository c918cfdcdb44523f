"""Plans for the formats of reviews: of a sample, with one of everything, and with hostile texts in every field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import strategies as st

from policygen.plan.build import plan_from_analysis
from policygen.plan.io import parse_plan
from policygen.plan.model import Plan
from tests.support.samples import sample, shortened

Values = dict[str, Any]


@cache
def plan(role: str, today: bool = True) -> Plan:
    """The plan of one of the samples' roles, as if it were saved in the repository."""
    made = plan_from_analysis(sample(role, today))
    return parse_plan(made.document, f"plans/{made.role.name}.json")


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
    found["changes"] += [one | {"action": "s3:Scan", "why": "used only in suspicious calls"}]
    risk = found["risks"]["removed"][0]
    found["risks"]["left"] = [risk | {"family": kind} for kind in ("escalation", "exfiltration", "exposure")]
    found["missing"] = [seen(action="s3:GetObject", resource="arn:aws:s3:::b/k", cause="a resource policy")]
    denied = {"action": "s3:PutObject", "resource": "arn:aws:s3:::b/k", "event": "s3.amazonaws.com PutObject"}
    found["wanted_but_denied"] = [
        seen(**denied, policy_type="identity-based", explicit=False),
        seen(**denied | {"action": ""}, policy_type="service control", explicit=True),
    ]
    found["unmapped"] = [seen(event="new.amazonaws.com Do", why="no rule and no action of that name")]
    found["open_names"] = [{"type": "ec2:image", "names": 3, "reason": "names are made anew"}]
    found["seasonal"] = [
        {"action": "s3:PutBucketTagging", "says": "IAM saw an attempt at s3 last on 2026-08-02"}
    ]
    found["notes"] = ["a service control policy was not read"]
    found["decisions"]["losses"] = [
        {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "rule": "drop[0]"}
    ]
    found["trust"]["proposal"] = trust_proposal_of_everything(found["trust"]["document"])
    return json.dumps(found)


def trust_proposal_of_everything(document: Values) -> Values:
    """What a plan says of a trust policy in which everything is to be said."""
    rule = {
        "rule": "PG701",
        "level": "error",
        "text": "any AWS account may assume the role",
        "remains": False,
    }
    return {
        "answer": "narrower",
        "reason": "1 removed, 2 narrowed, 1 kept",
        "code": "",
        "document": document,
        "session_now": 43_200,
        "session_proposed": 3_600,
        "assumptions": 9,
        "last": "2026-11-24T10:09:53Z",
        "evidence": "9 assumptions by 1 principal on 9 days, last 2026-11-24 10:09",
        "left_out": "1 denied",
        "coverage": "30/30 days, trail org-trail: management reads on, all regions",
        "callers": [{"name": "444455556666 role/ops", "times": 9, "days": 9, "came_with": ["MFA always"]}],
        "more_callers": 2,
        "changes": [
            {"kind": "narrowed", "what": "444455556666 → role/ops", "why": ""},
            {"kind": "removed", "what": "arn:aws:iam::111122223333:root", "why": "visible, 0 assumptions"},
            {"kind": "kept", "what": "lambda.amazonaws.com", "why": "function f has the role"},
            {"kind": "narrowed", "what": "session 12 h → 1 h", "why": "nobody asked for more"},
        ],
        "questions": ["role/ops always satisfied mfa; --require mfa asks for it"],
        "hints": ["org is not required of role/ops: not all of its uses had it"],
        "findings": [rule, rule | {"rule": "PG703", "level": "warning", "remains": True}],
        "promises": [{"promise": "sufficient", "finding": "all 9 observed requests are allowed"}],
        "losses": 0,
    }


FIXED = {"kind", "family", "answer"}
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

any_text = st.text(
    st.one_of(
        st.sampled_from("`|@#:/\\<>&[]()!*_~$-=+.\n\r\t ;,\"'{}%0a9"), st.characters(exclude_categories=[])
    ),
    max_size=60,
)
