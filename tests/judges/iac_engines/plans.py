"""Plans to render: those of the sample roles, and plans made of what strangers may write into names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Never

from hypothesis import strategies as st

from policygen.account.snapshot import load_snapshot
from policygen.evidence.observe import ObserveOptions
from policygen.logs.window import Window, window_of
from policygen.logs.window_end import WindowEnd
from policygen.plan.apply_list import ApplyList
from policygen.plan.build import plan_from_analysis
from policygen.plan.model import PlanCaution, PlanGrant, PlanReadiness, PlanUnverified
from policygen.plan.model_decisions import PlanDecisions
from policygen.plan.model_evidence import PlanAnomaly, PlanNotAllowed
from policygen.rightsize.analysis import analyse
from policygen.rightsize.assess.tightness import Tightness
from tests.judges.iac_engines import Document
from tests.support import ROOT

HOME = "arn:aws:iam::111122223333:role/service-role/"
SAMPLES = ("orders-api", f"{HOME}stock-sync", "report-monthly", "image-resizer", "deploy-ci", "bastion")
"""The sample roles for which a policy is suggested."""


@dataclass(frozen=True)
class Role:
    name: str
    account: str = "111122223333"
    arn: str = ""


@dataclass(frozen=True)
class Named:
    name: str
    document: Document


@dataclass(frozen=True)
class Evidence:
    granted: Sequence[Never] = ()


@dataclass(frozen=True)
class Plan:
    role: Role
    policies: Sequence[Named]
    window: Window
    tightness: Tightness = field(default_factory=lambda: Tightness(seen=23))
    unverified: PlanUnverified = field(default_factory=PlanUnverified)
    dropped_unverified: Sequence[str] = ()
    missing: Sequence[PlanNotAllowed] = ()
    cautions: Sequence[PlanCaution] = ()
    apply_list: ApplyList = field(default_factory=lambda: ApplyList(today_known=False))
    strength: PlanReadiness | None = None
    added: Sequence[PlanGrant] = ()
    suspects: Sequence[PlanAnomaly] = ()
    inputs: Sequence[Sequence[str]] | None = None
    decisions: PlanDecisions = field(default_factory=PlanDecisions)
    today: None = None
    gate: dict[str, Any] | None = None
    wanted_but_denied: Sequence[Never] = ()
    unmapped: Sequence[Never] = ()
    open_names: Sequence[Never] = ()
    grants: Sequence[Never] = ()
    changes: Sequence[Never] = ()
    names: Sequence[Never] = ()
    evidence: Evidence = field(default_factory=Evidence)
    keeps: Sequence[Never] = ()
    broader: frozenset[str] = frozenset()
    support: Mapping[str, Never] = field(default_factory=dict)
    losses: Sequence[Never] = ()
    users: Sequence[Never] = ()

    @property
    def documents(self) -> list[Document]:
        return [policy.document for policy in self.policies]


def plan(*documents: Document, role: str = "orders-api", names: Sequence[str] = ()) -> Plan:
    names = names or [f"policygen-{number + 1}" for number in range(len(documents))]
    policies = [Named(name, each) for name, each in zip(names, documents, strict=True)]
    return Plan(Role(role), policies, window_of(30, WindowEnd.parse("2026-11-24")))


@cache
def sample(role: str) -> Plan:
    snapshot = load_snapshot(ROOT / "samples/account.json")
    analysis = analyse([ROOT / "samples/trail"], role, account=snapshot, observe=ObserveOptions(days=30))
    made = plan_from_analysis(analysis)
    return Plan(**{one.name: getattr(made, one.name) for one in fields(Plan)})


def halves(made: Plan) -> Plan:
    """The same statements in two policies, as where one would be too large."""
    (document,) = made.documents
    statements = document["Statement"]
    middle = len(statements) // 2
    return plan(*({**document, "Statement": part} for part in (statements[:middle], statements[middle:])))


def of(values: Sequence[str] = (), keys: Sequence[str] = ()) -> Document:
    """A document with these texts in ARNs and as condition values, and these as condition keys."""
    arns = [f"arn:aws:s3:::b/{value}" for value in values]
    statements = [
        {"Sid": "All", "Effect": "Allow", "Action": ["s3:Get*", "s3:?utObject"], "Resource": ["*", *arns]}
    ]
    statements += [
        {
            "Sid": f"V{i}",
            "Effect": "Deny",
            "NotAction": ["s3:ListBucket"],
            "NotResource": [arn],
            "Condition": {"StringEquals": {"aws:PrincipalTag/t": [value]}},
        }
        for i, (arn, value) in enumerate(zip(arns, values, strict=True))
    ]
    statements += [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["*"],
            "Condition": {"Null": {key: ["true"], "aws:x": ["false"]}, "StringLike": {key: ["a", "${*}b"]}},
        }
        for key in keys
    ]
    return {"Version": "2012-10-17", "Statement": statements}


VARIABLES = ["${aws:username}", "${*}", "${?}", "${$}", "${aws:PrincipalTag/team, 'none'}", "a/${saml:sub}/*"]
"""What IAM itself reads: every language has to leave it alone."""

HOSTILE = [
    *VARIABLES,
    # Templates of HCL, CloudFormation, Serverless and the CDK, whole, broken and in the neighbourhood of marks.
    *("$", "%", "${", "%{", "$${", "%%{", "$$${x}", "$%{if}", "%${x}", "$$$${", "a$", "a%", '$"', "$ {", "$\n{"),
    *("${}", "%{}", "${~ x ~}", "~}", "%{ for x in y }", "$}", "\\${x}", "\\\\${self:x}", "${!x}", "${AWS::Region}"),
    *("${self:provider}", "${env:PATH}", "${opt:x, 'y'}", "${file(/etc/passwd)}", "#{AWS::Region}"),
    *("${Token[TOKEN.1]}", "#{Token[TOKEN.2]}", "a-1.8881545897087626e+289b", "${Token[AWS.AccountId.3]}"),
    *("Fn::Sub", "Fn::GetAtt", "Ref", "!Sub x", "!!python/object:x", "Fn.sub("),
    # Ends of strings, lines, comments and documents.
    *("\\", "\\\\", '"', "'", "`", '"""', "*/", "//", "#", "\n", "\r\n", "\r", "\t", "\x85", "\u2028", "\u2029"),
    *("EOT", "<<EOT", "---", "...", "</script>", "]]>", "=cmd()", "@a", "${jndi:ldap://x}"),
    # Words, numbers and marks of YAML.
    *("yes", "No", "null", "~", "true", "1e3", "0x1f", "0o7", "1_000", "12:30:45", "2026-11-24", ".inf", "<<", "="),
    *("*a", "&a", "!a", "- a", "? a", "a: b", "a:", "a #b", "[a]", "{a}", "|", "> x", "%YAML", "y", " a ", "", " "),
    # Properties of every object.
    *("constructor", "toString", "hasOwnProperty", "prototype", "resolve", "length", "$IntrinsicKey$0"),
    # Controls, direction marks, characters outside the first plane, and length.
    *("\x00", "\x07", "\x1b[2J", "\x7f", "\u202e", "\u200b", "\ufeff", "\uffff", "é", "日本", "\U0001f600", "x" * 1000),
    "\U00010400" * 128,
]  # fmt: skip

_PIECES = [
    *"$%{}#!&~\\\"'`\n\r\t *:-?<>[]()=@|,.",
    "${",
    "%{",
    "$${",
    "Token[",
    "aws:",
    "self:",
    "Fn::",
    "a",
    "1e3",
]
TEXTS = st.lists(
    st.sampled_from(_PIECES) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
).map("".join)
"""Texts in which marks of all the languages meet."""
