"""Random templates of CloudFormation and SAM, from a seed.

Every grant has a resource of its own, so that one that is lost or put in another's place is seen. A third of the
templates is plain: nothing in them depends on who deploys.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.judges.deploy import ACCOUNT, ELSEWHERE, KNOWN, REGION, Document, trusting
from tests.judges.deploy.moto_stacks import LEGACY
from tests.judges.deploy.sam import NO_VALUE, TEMPLATES
from tests.judges.deploy.yaml_text import yaml_text

SERVICES: list[tuple[list[str], list[str], str]] = [
    (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], ["s3:*", "s3:Get*"], "arn:aws:s3:::data-{}/*"),
    (["sqs:SendMessage", "sqs:ReceiveMessage"], ["sqs:*"], f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs-{{}}"),
    (
        ["dynamodb:GetItem", "dynamodb:Query"],
        ["dynamodb:Get*"],
        f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/items-{{}}",
    ),
]
"""Actions of a service, wildcards of them, and a resource with a place for a number."""
CONDITIONS: list[Document] = [
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringNotEquals": {"aws:RequestedRegion": [REGION]}},
    {"StringLike": {"aws:PrincipalTag/team": ["r*", "blue"]}},
]
STAGES = ["prod", "test", "dev"]
RESOURCES: list[tuple[str, str, str, Callable[[str], Any]]] = [
    ("AWS::SQS::Queue", "QueueName", "queue-{}", lambda name: {"Fn::GetAtt": [name, "Arn"]}),
    ("AWS::SNS::Topic", "TopicName", "topic-{}", lambda name: {"Ref": name}),
    ("AWS::S3::Bucket", "BucketName", "bucket-{}", lambda name: {"Fn::Sub": f"${{{name}.Arn}}/*"}),
    ("AWS::S3::Bucket", "BucketName", "store-{}", lambda name: {"Fn::Sub": f"arn:aws:s3:::${{{name}}}/*"}),
]
"""Resources that policies refer to: type, the property with the name, a name, and how its ARN is written."""


ODD = [
    "conditional", "given", "of_list", "mapped_by_stage", "of_systems_manager", "numbered", "imported", "encoded",
    "of_vpc", "list of a parameter", "list by a condition", "text left out", "effect", "condition of a statement",
    "statement left out", "document", "inline policy left out", "list left out", "unknown policy",
    "attached by a condition", "boundary by a condition", "role by a function", "resource by a condition",
    "roles by a condition", "policy template", "role of a function", "roles of one name", "merge key", "name",
]  # fmt: skip
"""What a template may have whose meaning depends on who deploys it, or that is written in a way of its own."""


class Deployable(NamedTuple):
    """A template, and the values that a deployer may give its parameters."""

    text: str
    suffix: str
    defaults: dict[str, str]
    conditions: dict[str, str]
    """Other values for parameters that are in conditions alone."""
    other: dict[str, str]
    """Other values for all parameters."""


class _Generator:
    """Makes one template."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.plain = self.chance.random() < 0.35
        # Few odd forms in one template, but those often: of one that has all of them, no reader knows anything.
        self.odd = set() if self.plain else set(self.chance.sample(ODD, self.chance.choice([1, 2, 3, 8])))
        self.number = 0
        self.template: Document = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
        self.defaults: dict[str, str] = {}
        self.conditions: dict[str, str] = {}
        self.other: dict[str, str] = {}
        self.resources: Document = self.template["Resources"]
        self.stage_parameter = ""

    # --- Parts of a template ---

    def is_so(self, chance: float) -> bool:
        return self.chance.random() < chance

    def is_odd(self, form: str, chance: float = 0.35) -> bool:
        return form in self.odd and self.chance.random() < chance

    def next(self) -> int:
        self.number += 1
        return self.number

    def parameter(self, kind: str, default: str, other: str, *, decides: bool = False, **more: Any) -> str:
        """Add a parameter and return its name; one without a default has no value but the deployer's."""
        name = f"Parameter{self.next()}"
        self.template.setdefault("Parameters", {})[name] = {"Type": kind, **more}
        if not self.is_so(0.08):
            self.template["Parameters"][name]["Default"] = default
        self.defaults[name], self.other[name] = default, other
        self.conditions[name] = other if decides else default
        return name

    def condition(self) -> str:
        """Add a condition, or return one that is there."""
        known: Document = self.template.setdefault("Conditions", {})
        if known and self.is_so(0.4):
            return self.chance.choice(sorted(known))
        name = f"Is{self.next()}"
        found = self.test(2)
        known[name] = found
        return name

    def test(self, depth: int) -> Document:
        known = sorted(self.template["Conditions"])
        form = self.chance.choice(["equals", "equals", "not", "and", "or", "number", "place"])
        if depth == 0 or form == "equals":
            return {"Fn::Equals": [{"Ref": self.stage()}, self.chance.choice(STAGES)]}
        if form == "number":
            size = self.parameter("Number", "3", self.chance.choice(["3", "5"]), decides=True)
            return {"Fn::Equals": [{"Ref": size}, 3]}
        if form == "place":
            return {"Fn::Equals": [{"Ref": "AWS::Region"}, self.chance.choice([REGION, "us-east-1"])]}
        inner = [
            {"Condition": self.chance.choice(known)} if known and self.is_so(0.4) else self.test(depth - 1)
            for _ in range(1 if form == "not" else 2)
        ]
        return {f"Fn::{form.title()}": inner}

    def stage(self) -> str:
        """Return the parameter that says for which stage it is."""
        if not self.stage_parameter or self.is_so(0.2):
            default, other = self.chance.sample(STAGES, 2)
            more = {"AllowedValues": STAGES} if self.is_so(0.6) else {}
            self.stage_parameter = self.parameter("String", default, other, decides=True, **more)
        return self.stage_parameter

    def row(self) -> str:
        """Return a parameter that says which row of a mapping counts."""
        default, other = self.chance.sample(STAGES, 2)
        return self.parameter("String", default, other, AllowedValues=STAGES)

    def chosen(self, one: Any, other: Any) -> Document:
        return {"Fn::If": [self.condition(), one, other]}

    # --- Texts ---

    def text(self, make: Callable[[], str], depth: int = 2) -> Any:
        """Return an expression for a text; `make` makes one such text."""
        if depth and self.is_so(0.6 if depth < 2 else 0.3):
            forms = [self.joined, self.selected, self.split, self.substituted, self.mapped]
            return self.chance.choice(forms)(make, depth - 1)
        odd = [self.conditional, self.given, self.of_list, self.mapped_by_stage]
        if (sample := make()).startswith("arn:") and ":policy/" not in sample:
            odd += [self.of_systems_manager, self.numbered, self.imported, self.encoded, self.of_vpc]
        form = self.chance.choice(odd)
        return form(make, depth - 1) if self.is_odd(form.__name__, 0.6) else make()

    def joined(self, make: Callable[[], str], depth: int) -> Any:
        head, mark, tail = make().partition(":")
        parts = [head, *([f"{mark}{tail}"] if mark else [])]
        return {"Fn::Join": ["", [*parts[:-1], self.text(lambda: parts[-1], min(depth, 0))]]}

    def selected(self, make: Callable[[], str], depth: int) -> Any:
        texts = [self.text(make, max(depth, 0)) for _ in range(self.chance.randint(1, 3))]
        number = self.chance.randrange(len(texts))
        return {"Fn::Select": [number if self.is_so(0.5) else str(number), texts]}

    def split(self, make: Callable[[], str], depth: int) -> Any:
        texts = [make() for _ in range(self.chance.randint(1, 3))]
        return {"Fn::Select": [self.chance.randrange(len(texts)), {"Fn::Split": ["|", "|".join(texts)]}]}

    def substituted(self, make: Callable[[], str], depth: int) -> Any:
        written = make()
        if self.is_so(0.5):
            for value, name in ((ACCOUNT, "AccountId"), (REGION, "Region"), ("arn:aws:", "Partition")):
                put = f"${{AWS::{name}}}" if name != "Partition" else "arn:${AWS::Partition}:"
                written = written.replace(value, put)
            return {"Fn::Sub": written}
        head, _, tail = written.partition(":")
        return {"Fn::Sub": [f"{head}:${{Rest}}", {"Rest": self.text(lambda: tail, 0)}]} if tail else written

    def mapped(self, make: Callable[[], str], depth: int) -> Any:
        name = f"Map{self.next()}"
        self.template.setdefault("Mappings", {})[name] = {
            key: {second: make() for second in ("a", "b")} for key in (REGION, "us-east-1")
        }
        first = {"Ref": "AWS::Region"} if self.is_so(0.5) else "us-east-1"
        return {"Fn::FindInMap": [name, first, self.chance.choice(["a", "b"])]}

    def mapped_by_stage(self, make: Callable[[], str], depth: int) -> Any:
        name = f"Map{self.next()}"
        self.template.setdefault("Mappings", {})[name] = {key: {"value": make()} for key in STAGES}
        return {"Fn::FindInMap": [name, {"Ref": self.row()}, "value"]}

    def conditional(self, make: Callable[[], str], depth: int) -> Any:
        return self.chosen(self.text(make, max(depth, 0)), self.text(make, max(depth, 0)))

    def given(self, make: Callable[[], str], depth: int) -> Any:
        default, other = make(), make()
        more = {"AllowedValues": [default, other]} if self.is_so(0.4) else {}
        name = self.parameter("String", default, other, **more)
        return {"Ref": name} if self.is_so(0.5) else {"Fn::Sub": f"${{{name}}}"}

    def of_list(self, make: Callable[[], str], depth: int) -> Any:
        name = self.parameter("CommaDelimitedList", f"{make()},{make()}", f"{make()},{make()}")
        return {"Fn::Select": [self.chance.randint(0, 1), {"Ref": name}]}

    def of_systems_manager(self, make: Callable[[], str], depth: int) -> Any:
        if self.is_so(0.3):
            name = self.parameter("AWS::SSM::Parameter::Value<List<String>>", "/app/list", "/app/list")
            return {"Fn::Select": [self.chance.randint(0, 1), {"Ref": name}]}
        return {"Ref": self.parameter("AWS::SSM::Parameter::Value<String>", "/app/bucket", "/app/other")}

    def numbered(self, make: Callable[[], str], depth: int) -> Any:
        if self.is_so(0.3):
            name = self.parameter("List<Number>", "3,4", "5,6")
            return {"Fn::Join": ["", [make(), "/", {"Fn::Select": [1, {"Ref": name}]}]]}
        return {"Fn::Sub": f"{make()}${{{self.parameter('Number', '3', '5')}}}"}

    def of_vpc(self, make: Callable[[], str], depth: int) -> Any:
        kind = "AWS::EC2::VPC::Id"
        if self.is_so(0.3):
            name = self.parameter(f"List<{kind}>", "vpc-1,vpc-2", "vpc-3,vpc-4")
            return {"Fn::Join": ["-", [make(), {"Fn::Join": ["-", {"Ref": name}]}]]}
        return {"Fn::Join": ["-", [make(), {"Ref": self.parameter(kind, "vpc-1", "vpc-3")}]]}

    def imported(self, make: Callable[[], str], depth: int) -> Any:
        return {"Fn::ImportValue": "BucketArn"}

    def encoded(self, make: Callable[[], str], depth: int) -> Any:
        return {"Fn::Join": ["", [make(), {"Fn::Base64": f"text{self.next()}"}]]}

    # --- Policies ---

    def list_of(self, make: Callable[[], str], more: int, *, lists: bool = True) -> Any:
        """Return one text or a list of texts, of which conditions may leave some out."""
        found = [self.text(make) for _ in range(self.chance.randint(1, more))]
        if lists and self.is_odd("list of a parameter"):
            name = self.parameter("CommaDelimitedList", f"{make()},{make()}", make())
            return {"Ref": name}
        if lists and self.is_odd("list by a condition"):
            return self.chosen(found, [make()])
        if self.is_odd("text left out"):
            found.append(self.chosen(self.text(make, 0), NO_VALUE))
        if lists and self.is_so(0.1):
            return {"Fn::Split": [",", ",".join([make(), make()])]}
        return found[0] if len(found) == 1 and self.is_so(0.5) else found

    def statement(self, *, allow: bool = False) -> Document:
        actions, wild, resource = self.chance.choice(SERVICES)
        deny = not allow and self.is_so(0.2)

        def name() -> str:
            return resource.format(self.next())

        def action() -> str:
            return self.chance.choice(wild if self.is_so(0.2) else actions)

        found: Document = {"Effect": "Deny" if deny else "Allow"}
        if not (allow or deny) and self.is_odd("effect"):
            found["Effect"] = self.chosen("Allow", "Deny")
        found["Action"] = self.list_of(action, 2, lists=False)
        if not deny and self.is_so(0.04):
            found["NotAction"] = found.pop("Action")
        if deny:
            # What is denied is within what others allow.
            found["Resource"] = self.chance.choice(["*", name(), "arn:aws:s3:::data-*"])
        elif self.is_so(0.2):
            found["Resource"] = self.of_resource()
        else:
            found["Resource"] = self.list_of(name, 3)
        if self.is_so(0.05) and isinstance(found["Resource"], str | list) and not deny:
            found["NotResource"] = found.pop("Resource")
        if self.is_so(0.2):
            found["Condition"] = dict(self.chance.choice(CONDITIONS))
        elif self.is_odd("condition of a statement"):
            found["Condition"] = self.chosen(self.chance.choice(CONDITIONS), NO_VALUE)
        if self.is_so(0.05) and "Resource" in found:
            found["Resource"] = {"Fn::Sub": f"arn:aws:s3:::home-{self.next()}/${{!aws:PrincipalTag/team}}/*"}
        return found

    def of_resource(self) -> Any:
        """Add a resource and return its ARN, as policies are written that refer to it."""
        kind, property_name, name, written = self.chance.choice(RESOURCES)
        logical = f"Thing{self.next()}"
        properties = (
            {property_name: self.text(lambda: name.format(self.next()), 1)} if self.is_so(0.85) else {}
        )
        self.resources[logical] = {"Type": kind, "Properties": properties}
        return written(logical)

    def document(self) -> Any:
        statements: list[Any] = [self.statement(allow=True)]
        for _ in range(self.chance.choice([0, 0, 1, 2])):
            one = self.statement()
            if self.is_odd("statement left out", 0.6):
                one = self.chosen(one, NO_VALUE if self.is_so(0.6) else self.statement())
            statements.insert(self.chance.randint(0, len(statements)), one)
        only = len(statements) == 1 and self.is_so(0.3)
        found: Any = {"Version": "2012-10-17", "Statement": statements[0] if only else statements}
        return self.chosen(found, self.document()) if self.is_odd("document", 0.2) else found

    def sometimes(self) -> Any:
        """Return a document of a policy that a condition may leave out: then what it denies is allowed."""
        found = self.document()
        if self.is_so(0.5) and isinstance(found.get("Statement"), list):
            actions = ["*", *(wild[0] for _, wild, _ in SERVICES)]
            found["Statement"].append(
                {"Effect": "Deny", "Action": self.chance.choice(actions), "Resource": "*"}
            )
        return found

    def inline(self) -> Any:
        if self.is_odd("inline policy left out", 0.6):
            found, other = self.inline_of(self.sometimes()), NO_VALUE
            if self.is_so(0.3):
                other = self.inline_of(self.document())
            return self.chosen(found, other) if self.is_so(0.7) else self.chosen(other, found)
        return self.inline_of(self.document())

    def inline_of(self, document: Any) -> Document:
        return {"PolicyName": f"inline-{self.next()}", "PolicyDocument": document}

    def several(self, of: list[Any]) -> Any:
        """Return a list, or one of two by a condition."""
        if of and self.is_odd("list left out"):
            return self.chosen(of, NO_VALUE if self.is_so(0.5) else of[:1])
        return of

    def arn(self) -> Any:
        """Return the ARN of a managed policy: of the account, most often one that the gate knows."""
        if self.is_odd("unknown policy"):
            unknown: list[Any] = [{"Fn::ImportValue": "PolicyArn"}, *sorted(ELSEWHERE)]
            return self.chance.choice(unknown)
        known = sorted(KNOWN)
        if self.is_odd("attached by a condition", 0.7):
            one = self.chance.choice(known)
            return self.chosen(one, NO_VALUE) if self.is_so(0.5) else self.conditional_arn(one)
        return self.text(lambda: self.chance.choice(known), 1 if self.is_so(0.3) else 0)

    def conditional_arn(self, one: str) -> Any:
        name = self.parameter("CommaDelimitedList", one, self.chance.choice(sorted(ELSEWHERE)))
        return {"Fn::Select": [0, {"Ref": name}]}

    def boundary(self) -> Any:
        fence, wall = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("fence", "wall"))
        if self.is_so(0.4):
            logical = f"Boundary{self.next()}"
            properties = {"ManagedPolicyName": f"boundary-{self.next()}"} if self.is_so(0.6) else {}
            self.resources[logical] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {**properties, "PolicyDocument": self.document()},
            }
            return {"Ref": logical}
        if self.is_odd("boundary by a condition", 0.8):
            return self.chosen(fence, self.chance.choice([NO_VALUE, wall]))
        return self.text(lambda: fence, 1)

    # --- Roles ---

    def role(self, logical: str, name: Any, condition: str = "") -> None:
        properties: Document = {"AssumeRolePolicyDocument": trusting(f"arn:aws:iam::{ACCOUNT}:root")}
        if name is not None:
            properties["RoleName"] = name
        if self.is_so(0.8):
            properties["Policies"] = self.several([self.inline() for _ in range(self.chance.randint(1, 2))])
        if self.is_so(0.3):
            properties["ManagedPolicyArns"] = self.several(
                [self.arn() for _ in range(self.chance.randint(1, 2))]
            )
        if self.is_so(0.2):
            properties["PermissionsBoundary"] = self.boundary()
        self.add(logical, "AWS::IAM::Role", properties, condition)

    def add(self, logical: str, kind: str, properties: Document, condition: str = "") -> None:
        more = {"Condition": condition} if condition else {}
        self.resources[logical] = {"Type": kind, **more, "Properties": properties}

    def reference(self, logical: str, name: Any) -> Any:
        """Return what names a role in another resource."""
        forms: list[Any] = [{"Ref": logical}] * 6 + [{"Fn::Sub": f"${{{logical}}}"}]
        if isinstance(name, str):
            forms.append(name)
        if self.is_odd("role by a function", 0.7):
            forms = [{"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": [logical, "Arn"]}]}]}]
            forms.append(self.chosen({"Ref": logical}, LEGACY))
            if isinstance(name, str):
                forms.append({"Ref": self.parameter("String", name, LEGACY)})
                forms.append({"Ref": self.parameter("String", LEGACY, name)})
        return self.chance.choice(forms)

    def attached(self, logical: str, name: Any, condition: str) -> None:
        """Add a policy that is a resource of its own to a role."""
        kind = self.chance.choice(["Policy", "RolePolicy", "ManagedPolicy", "ManagedPolicy"])
        own = f"attached-{self.next()}"
        policy = f"Attached{self.next()}"
        only = condition
        if not condition and self.is_odd("resource by a condition", 0.7):
            only = self.condition()
        left_out = only != condition or self.is_odd("roles by a condition", 0.6)
        properties: Document = {"PolicyDocument": self.sometimes() if left_out else self.document()}
        named = {"Ref": logical} if condition else self.reference(logical, name)
        if kind == "RolePolicy":
            properties |= {"PolicyName": own, "RoleName": named}
        else:
            roles: Any = [named]
            if not condition and left_out and only == condition:
                roles = [LEGACY, self.chosen(named, NO_VALUE)]
            if kind == "Policy":
                properties["PolicyName"] = own
            elif self.is_so(0.5):
                properties["ManagedPolicyName"] = own
            if kind == "ManagedPolicy" and self.is_so(0.4):
                there = self.resources[logical]["Properties"]
                given = there.setdefault("ManagedPolicyArns", [])
                if isinstance(given, list):
                    is_sometimes = only and only != condition
                    ref: Any = {"Ref": policy}
                    given.append({"Fn::If": [only, ref, NO_VALUE]} if is_sometimes else ref)
                    roles = []
            if roles:
                properties["Roles"] = self.several(roles) if kind == "ManagedPolicy" else roles
        self.add(policy, f"AWS::IAM::{kind}", properties, only)

    def function(self, logical: str) -> None:
        """Add a function of SAM, with the policies of the role that SAM makes for it."""
        properties: Document = {"Handler": "app.main", "Runtime": "python3.13", "InlineCode": "main = print"}
        policies: list[Any] = []
        for _ in range(self.chance.randint(1, 3)):
            form = self.chance.choice(["document", "document", "arn"])
            if form == "document":
                found: Any = {"Version": "2012-10-17", "Statement": [self.statement(allow=True)]}
                left_out = self.is_odd("inline policy left out", 0.6)
                policies.append(self.chosen(found, NO_VALUE) if left_out else found)
            else:
                policies.append(self.text(lambda: self.chance.choice(sorted(KNOWN)), 1))
            if self.is_odd("policy template"):
                template = self.chance.choice(sorted(TEMPLATES))
                key = "BucketName" if template.startswith("S3") else "QueueName"
                policies.append({template: {key: self.text(lambda: f"sam-{self.next()}", 0)}})
        properties["Policies"] = policies[0] if len(policies) == 1 and self.is_so(0.5) else policies
        if self.is_odd("role of a function", 0.8):
            arn = f"arn:aws:iam::{ACCOUNT}:role/{LEGACY}"
            given = self.chance.choice([self.chosen(arn, NO_VALUE), self.chosen(NO_VALUE, arn), arn])
            properties["Role"] = given
        if self.is_so(0.2):
            properties["PermissionsBoundary"] = self.boundary()
        elif self.is_so(0.1):
            self.template["Globals"] = {"Function": {"PermissionsBoundary": self.boundary()}}
        self.add(logical, "AWS::Serverless::Function", properties)

    def made(self, seed: int) -> Deployable:
        form = self.chance.choice(["one", "one", "two", "sam"])
        if self.is_odd("roles of one name", 0.9):
            form = "same name"
        elif self.odd & {"role of a function", "policy template"}:
            form = "sam"
        roles: list[tuple[str, Any, str]] = []
        if form == "same name":
            condition = self.condition()
            self.template["Conditions"]["Otherwise"] = {"Fn::Not": [{"Condition": condition}]}
            roles = [("App", "app", condition), ("Fallback", "app", "Otherwise")]
        elif form in {"one", "two"}:
            names = ["App", "Worker"][: 1 if form == "one" else 2]
            roles = [(one, self.role_name(one), "") for one in names]
            if self.is_odd("resource by a condition"):
                roles[0] = (*roles[0][:2], self.condition())
        for logical, name, condition in roles:
            self.role(logical, name, condition)
        if form == "sam":
            self.template["Transform"] = "AWS::Serverless-2016-10-31"
            self.function("Api")
            if self.is_so(0.3):
                self.function("Cron")
        for logical, name, condition in roles:
            least = (
                2
                if self.odd & {"resource by a condition", "roles by a condition", "role by a function"}
                else 0
            )
            for _ in range(max(least, self.chance.choice([0, 0, 1, 2]))):
                self.attached(logical, name, condition)
        as_yaml = self.is_so(0.5) or "merge key" in self.odd
        merging = 0.1 if "merge key" in self.odd else 0.0
        text = (
            yaml_text(self.template, self.chance, merging) if as_yaml else json.dumps(self.template, indent=1)
        )
        suffix = ".yaml" if as_yaml else ".json"
        return Deployable(text, suffix, self.defaults, self.conditions, self.other)

    def role_name(self, logical: str) -> Any:
        """Return a role's name; None for one that the stack makes up."""
        if self.is_so(0.2):
            return None
        return self.text(logical.lower, 1) if self.is_odd("name", 0.8) else logical.lower()


def template_of(seed: int) -> Deployable:
    """Return the template of a seed."""
    return _Generator(seed).made(seed)
