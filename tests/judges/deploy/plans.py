"""Random final states of IAM, and the plans of Terraform that lead to them, from a seed.

A plan is made from the state as Terraform prints one: what is known only after apply is left out of the values and is
`true` in `after_unknown`, and the configuration keeps what the expression refers to.
Format: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.judges.deploy import ACCOUNT, ELSEWHERE, KNOWN, OTHER_ACCOUNT, Document, allowing, trusting
from tests.judges.deploy.rights import Rights

_INDEX = re.compile(r"\[[^]]*\]")
_PROVIDERS = {"aws": ACCOUNT, "aws.other": OTHER_ACCOUNT, "awscc": ACCOUNT}
ODD = [
    "name", "trust", "document", "data", "boundary", "reference", "each", "count", "module",
    "inner module", "two modules", "module of instances", "two providers", "arns", "exclusive",
    "attachment of several", "awscc", "inline", "variable", "local", "unknown policy", "kept",
]  # fmt: skip
"""What a plan may have whose meaning is hidden, or that is easily taken for something else."""


class Resource(NamedTuple):
    """An instance of a resource as it will be, and what the plan hides of it."""

    kind: str
    label: str
    values: Document
    refers: Mapping[str, Sequence[str]]
    hidden: frozenset[str]
    module: str = ""
    """``module.name`` with instances, parted by dots; "" for the root."""
    instance: str = ""
    provider: str = "aws"

    @property
    def address(self) -> str:
        return ".".join(filter(None, [self.module, f"{self.kind}.{self.label}{self.instance}"]))


class Planned(NamedTuple):
    """A plan, and the roles as they will be."""

    plan: Document
    roles: dict[tuple[str, str], Rights]
    """Account and name of a role -> its rights."""


class _Generator:
    """Makes one state."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        plain = self.chance.random() < 0.3
        # Few odd forms in one plan, but those often: of one that has all of them, no reader knows anything.
        self.odd = set() if plain else set(self.chance.sample(ODD, self.chance.choice([1, 2, 3, 6])))
        self.number = self.labels = 0
        self.all: list[Resource] = []
        self.kept: dict[tuple[str, str], list[Document]] = {}
        """Inline policies that roles have outside of the plan, and that an exclusive list keeps."""

    def is_odd(self, form: str, chance: float = 0.6) -> bool:
        return form in self.odd and self.chance.random() < chance

    def next(self) -> int:
        self.number += 1
        return self.number

    def label(self, kind: str) -> str:
        self.labels += 1
        return f"{kind}{self.labels}"

    def document(self) -> Document:
        """Return a document whose resources no other document has."""
        found = allowing(
            self.chance.choice(["s3:GetObject", "s3:*", "s3:Put*"]), f"arn:aws:s3:::data-{self.next()}/*"
        )
        if self.chance.random() < 0.3:
            found["Statement"].append(
                {
                    "Effect": "Allow",
                    "Action": ["sqs:SendMessage"],
                    "Resource": [f"arn:aws:sqs:*:*:j-{self.next()}"],
                }
            )
        if self.chance.random() < 0.15:
            denied = {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::data-{self.next()}/*"}
            found["Statement"].append(denied)
        return found

    def policy(self, refers: dict[str, list[str]], hidden: set[str], attribute: str = "policy") -> str:
        """Return a document's text: at times it depends on what is made in the same plan."""
        if self.is_odd("document", 0.35):
            hidden.add(attribute)
            refers[attribute] = ["aws_s3_bucket.data.arn", "aws_s3_bucket.data"]
        elif self.is_odd("data"):
            label = f"data.aws_iam_policy_document.{self.label('d')}"
            refers[attribute] = [f"{label}.json", label]
            if self.chance.random() < 0.4:
                hidden.add(attribute)
        return json.dumps(self.document())

    def add(self, kind: str, label: str, values: Document, **more: Any) -> Resource:
        found = Resource(
            kind, label, values, more.pop("refers", {}), frozenset(more.pop("hidden", ())), **more
        )
        self.all.append(found)
        return found

    # --- Roles ---

    def role(self, label: str, name: str, **place: Any) -> Resource:
        hidden = {"arn", "id"}
        refers: dict[str, list[str]] = {}
        if any(
            (_account(one), one.values.get("name")) == (_PROVIDERS[place.get("provider", "aws")], name)
            for one in self.all
        ):
            name = f"{name}-{self.next()}"  # an account has no two roles of one name
        values: Document = {
            "name": name,
            "id": name,
            "arn": f"arn:aws:iam::{_PROVIDERS[place.get('provider', 'aws')]}:role/{name}",
            "assume_role_policy": json.dumps(trusting(f"arn:aws:iam::{ACCOUNT}:role/caller-{self.next()}")),
        }
        if self.is_odd("trust"):
            hidden.add("assume_role_policy")
            refers["assume_role_policy"] = ["aws_iam_openid_connect_provider.ci.arn"]
        if self.is_odd("name", 0.4):
            hidden.add("name")
            refers["name"] = ["random_pet.name.id", "random_pet.name"]
        if self.is_odd("inline", 0.7) or self.chance.random() < 0.3:
            values["inline_policy"] = [
                {"name": f"in-{self.next()}", "policy": json.dumps(self.document())}
                for _ in range(self.chance.randint(1, 2))
            ]
            if self.is_odd("inline", 0.4):
                hidden.add(self.chance.choice(["inline_policy", "inline_policy.policy"]))
                refers["inline_policy"] = ["aws_s3_bucket.data.arn"]
        self.lists(values, refers, hidden, place)
        return self.add("aws_iam_role", label, values, refers=refers, hidden=hidden, **place)

    def lists(
        self, values: Document, refers: dict[str, list[str]], hidden: set[str], place: Document
    ) -> None:
        """Add the managed policies that a role names, and its boundary."""
        if self.is_odd("arns") or self.chance.random() < 0.15:
            arns = [self.known_arn() for _ in range(self.chance.randint(1, 2))]
            if self.is_odd("arns"):
                made = self.managed(**place)
                arns.append(made.values["arn"])
                refers["managed_policy_arns"] = _references(made, "arn")
                hidden.add(
                    self.chance.choice(["managed_policy_arns", f"managed_policy_arns.{made.values['arn']}"])
                )
            values["managed_policy_arns"] = arns
        if self.is_odd("boundary", 0.8) or self.chance.random() < 0.15:
            values["permissions_boundary"] = f"arn:aws:iam::{ACCOUNT}:policy/fence"
            if self.is_odd("boundary", 0.7):
                made = self.managed(**place)
                values["permissions_boundary"] = made.values["arn"]
                refers["permissions_boundary"] = _references(made, "arn")
                hidden.add("permissions_boundary")

    def cloud_control_role(self, label: str, name: str) -> Resource:
        """Add a role of the provider awscc."""
        values: Document = {
            "role_name": name,
            "assume_role_policy_document": json.dumps(
                trusting(f"arn:aws:iam::{ACCOUNT}:role/c-{self.next()}")
            ),
            "policies": [
                {"policy_name": f"in-{self.next()}", "policy_document": json.dumps(self.document())}
            ],
        }
        hidden, refers = {"arn", "id"}, dict[str, list[str]]()
        values |= {"id": name, "arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}
        self.lists(values, refers, hidden, {})
        return self.add("awscc_iam_role", label, values, refers=refers, hidden=hidden, provider="awscc")

    def known_arn(self) -> str:
        return self.chance.choice(sorted(ELSEWHERE if self.is_odd("unknown policy", 0.4) else KNOWN))

    def managed(self, label: str = "", **place: Any) -> Resource:
        name = f"policy-{self.next()}"
        refers: dict[str, list[str]] = {}
        hidden = {"arn", "id"} if self.chance.random() < 0.7 else set()
        arn = f"arn:aws:iam::{_PROVIDERS[place.get('provider', 'aws')]}:policy/{name}"
        values = {"name": name, "path": "/", "arn": arn, "id": arn, "policy": self.policy(refers, hidden)}
        return self.add(
            "aws_iam_policy", label or self.label("p"), values, refers=refers, hidden=hidden, **place
        )

    # --- What gives roles policies ---

    def named(
        self, attribute: str, target: Resource, what: str, refers: dict[str, list[str]], hidden: set[str]
    ) -> Any:
        """Return the value of an attribute that names another resource, at times by what is not known yet."""
        if what in target.hidden:
            hidden.add(attribute)
            refers[attribute] = _references(target, what)
            if self.is_odd("variable", 0.5):
                refers[attribute] = ["var.given"]
            elif self.is_odd("local", 0.5):
                refers[attribute] = ["local.given"]
        elif self.chance.random() < 0.5:
            refers[attribute] = _references(target, what)
        return target.values[what]

    def granted(self, role: Resource, **place: Any) -> None:
        """Give a role a policy, by a resource of its own in the same module."""
        by_id = self.chance.random() < (0.7 if "reference" in self.odd else 0.3)
        what = "id" if by_id else "role_name" if role.kind == "awscc_iam_role" else "name"
        refers: dict[str, list[str]] = {}
        hidden: set[str] = set()
        form = self.chance.choice(["inline", "inline", "attachment"])
        if self.is_odd("attachment of several"):
            form = "several"
        if form == "inline":
            values = {
                "role": self.named("role", role, what, refers, hidden),
                "name": f"own-{self.next()}",
                "policy": self.policy(refers, hidden),
            }
            self.add("aws_iam_role_policy", self.label("i"), values, refers=refers, hidden=hidden, **place)
            return
        policy: Document = {"policy_arn": self.known_arn()}
        if self.chance.random() < 0.7:
            made = self.managed(**place)
            policy["policy_arn"] = self.named("policy_arn", made, "arn", refers, hidden)
        if form == "several":
            values = {**policy, "roles": [self.named("roles", role, what, refers, hidden)]}
            self.add(
                "aws_iam_policy_attachment", self.label("a"), values, refers=refers, hidden=hidden, **place
            )
        else:
            values = {**policy, "role": self.named("role", role, what, refers, hidden)}
            kind = "aws_iam_role_policy_attachment"
            self.add(kind, self.label("a"), values, refers=refers, hidden=hidden, **place)

    def instances(self, keys: Sequence[str], chosen_by: str, **place: Any) -> None:
        """Add roles of one block, and policies of another whose instances are of the same or of other roles."""
        label, policies = self.label("r"), self.label("i")
        names = self.chance.sample(["app", "worker", "third"], 2)
        roles = [self.role(label, name, instance=key, **place) for name, key in zip(names, keys, strict=True)]
        swapped = self.chance.random() < 0.5
        # `each.key` and `count.index` say which instance it is; `each.value` may say another one.
        by = (
            "each.value"
            if chosen_by == "each" and swapped
            else "each.key"
            if chosen_by == "each"
            else "count.index"
        )
        block = [roles[1], roles[0]] if swapped else roles
        managed = self.chance.random() < 0.4
        made = [self.managed(f"m{label}", instance=key, **place) for key in keys] if managed else []
        for number, (key, role) in enumerate(zip(keys, block, strict=True)):
            refers = {"role": [f"aws_iam_role.{label}", by]}
            hidden = {"role"} if self.chance.random() < 0.7 or "name" in role.hidden else set()
            values: Document = {"role": role.values["name"]}
            if managed:
                only = self.chance.random() < 0.3
                refers["policy_arn"] = ["each.value" if chosen_by == "each" else "count.index"]
                refers["policy_arn"] += [] if only else [f"aws_iam_policy.m{label}"]
                values["policy_arn"] = made[number].values["arn"]
                hidden |= {"policy_arn"} if "arn" in made[number].hidden else set()
                kind = "aws_iam_role_policy_attachment"
            else:
                values |= {"name": f"own-{self.next()}", "policy": json.dumps(self.document())}
                kind = "aws_iam_role_policy"
            self.add(kind, policies, values, refers=refers, hidden=hidden, instance=key, **place)

    def exclusive(self, role: Resource) -> None:
        """Add a list of the inline policies that a role has: all others are taken from it."""
        own = [one["name"] for one in role.values.get("inline_policy", [])]
        own += [
            one.values["name"]
            for one in self.all
            if one.kind == "aws_iam_role_policy" and one.values["role"] == role.values["name"]
        ]
        names = own[: self.chance.randint(0, len(own))]
        if self.is_odd("kept"):
            names.append("by-hand")
            self.kept[_account(role), role.values["name"]] = [self.document()]
        refers: dict[str, list[str]] = {}
        hidden: set[str] = set()
        values = {"role_name": self.named("role_name", role, "name", refers, hidden), "policy_names": names}
        self.add("aws_iam_role_policies_exclusive", "only", values, refers=refers, hidden=hidden)

    def made(self) -> Planned:
        if self.is_odd("awscc", 0.9):
            self.granted(self.cloud_control_role("cc", "third"))
        self.placed({})
        if self.is_odd("two providers", 0.9):
            self.placed({"provider": "aws.other"}, again="app")
        for form, modules in (
            ("module", ["module.shop"]),
            ("inner module", ["module.shop.module.inner"]),
            ("two modules", ["module.one", "module.two"]),
            ("module of instances", ['module.each["a"]', 'module.each["b"]']),
        ):
            if self.is_odd(form, 0.9):
                state, labels = self.chance.getstate(), self.labels
                for number, module in enumerate(modules):
                    # Calls of one module have the same blocks.
                    self.chance.setstate(state)
                    self.labels = labels
                    other = {"provider": "aws.other"} if form == "two modules" and number else {}
                    self.placed({"module": module, **other}, again=self.chance.choice(["app", "worker"]))
        return Planned(_plan(self.all), _roles(self.all, self.kept))

    def placed(self, place: Document, again: str = "app") -> None:
        """Add a role and its policies in one place."""
        if not place and self.is_odd("each", 0.9):
            self.instances(['["a"]', '["b"]'], "each")
            return
        if not place and self.is_odd("count", 0.9):
            self.instances(["[0]", "[1]"], "count")
            return
        role = self.role(self.label("role"), again, **place)
        for _ in range(self.chance.randint(0, 2)):
            self.granted(role, **place)
        if not place and self.odd & {"exclusive", "kept"}:
            self.exclusive(role)


def _references(target: Resource, attribute: str) -> list[str]:
    """Return what Terraform notes for a reference to an attribute, from the attribute to the whole resource."""
    address = f"{target.kind}.{target.label}"
    inner = [f"{address}{target.instance}.{attribute}", f"{address}{target.instance}"]
    return [*inner, address] if target.instance else inner


def _account(one: Resource) -> str:
    return _PROVIDERS[one.provider]


# --- The state: what the roles may do in the end ---


def _roles(
    state: Sequence[Resource], kept: Mapping[tuple[str, str], list[Document]]
) -> dict[tuple[str, str], Rights]:
    found = {}
    for one in state:
        if one.kind in {"aws_iam_role", "awscc_iam_role"}:
            name = one.values.get("name") or one.values["role_name"]
            key = _account(one), name
            found[key] = _rights(one, name, state, kept.get(key, []))
    return found


def _rights(role: Resource, name: str, state: Sequence[Resource], kept: list[Document]) -> Rights:
    here = [one for one in state if _account(one) == _account(role)]
    managed = {one.values["arn"]: one.values["policy"] for one in state if one.kind == "aws_iam_policy"}
    inline: dict[str, str] = {}
    for one in [*role.values.get("inline_policy", []), *role.values.get("policies", [])]:
        inline[one.get("name") or one["policy_name"]] = one.get("policy") or one["policy_document"]
    arns = list(role.values.get("managed_policy_arns", []))
    for one in here:
        if one.kind == "aws_iam_role_policy" and one.values["role"] == name:
            inline[one.values["name"]] = one.values["policy"]
        elif (one.kind == "aws_iam_role_policy_attachment" and one.values["role"] == name) or (
            one.kind == "aws_iam_policy_attachment" and name in one.values["roles"]
        ):
            arns.append(one.values["policy_arn"])
    for one in here:
        if one.kind == "aws_iam_role_policies_exclusive" and one.values["role_name"] == name:
            inline = {key: text for key, text in inline.items() if key in one.values["policy_names"]}

    def document(arn: str) -> Document:
        found: Document = json.loads(managed[arn]) if arn in managed else ELSEWHERE[arn]
        return found

    boundary = role.values.get("permissions_boundary")
    trust = role.values.get("assume_role_policy") or role.values["assume_role_policy_document"]
    return Rights(
        [*map(json.loads, inline.values()), *map(document, arns), *kept],
        document(boundary) if boundary else None,
        json.loads(trust),
    )


# --- The plan: what Terraform says of it before ---


def _plan(state: Sequence[Resource]) -> Document:
    """Return the plan of a state, as ``terraform show -json`` prints it."""
    return {
        "format_version": "1.2",
        "terraform_version": "1.13.0",
        "planned_values": {"root_module": _module(state, "")},
        "resource_changes": [
            {
                "address": one.address,
                "mode": "managed",
                "type": one.kind,
                "name": one.label,
                "change": {
                    "actions": ["create"],
                    "before": None,
                    "after": _after(one)[0],
                    "after_unknown": _after(one)[1],
                },
            }
            for one in state
        ],
        "configuration": {"root_module": _configuration(state, "")},
        "complete": True,
        "errored": False,
    }


def _after(one: Resource) -> tuple[Document, Document]:
    """Return the values of an instance that are known, and which are not."""
    known, unknown = dict(one.values), dict[str, Any]()
    for name in one.hidden:
        attribute, _, part = name.partition(".")
        if not part:
            known.pop(attribute, None)
            unknown[attribute] = True
        elif part == "policy":
            known[attribute] = [
                {key: value for key, value in of.items() if key != part} for of in known[attribute]
            ]
            unknown[attribute] = [{part: True} for _ in known[attribute]]
        else:  # of a list Terraform keeps the places that are not known
            known[attribute] = [None if value == part else value for value in known[attribute]]
            unknown[attribute] = [value is None for value in known[attribute]]
    return known, unknown


def _module(state: Sequence[Resource], module: str) -> Document:
    found: Document = {
        "resources": [
            {
                "address": one.address,
                "mode": "managed",
                "type": one.kind,
                "name": one.label,
                **({"index": json.loads(one.instance[1:-1])} if one.instance else {}),
                "provider_name": f"registry.terraform.io/hashicorp/{one.provider.partition('.')[0]}",
                "values": _after(one)[0],
            }
            for one in state
            if one.module == module
        ]
    }
    if module:
        found["address"] = module
    if children := list(dict.fromkeys(_children(state, module))):
        found["child_modules"] = [_module(state, one) for one in children]
    return found


def _children(state: Sequence[Resource], module: str) -> Iterator[str]:
    """Yield the modules that are called within a module."""
    for one in state:
        inner = one.module.removeprefix(f"{module}." if module else "")
        if one.module and one.module != module and (not module or inner != one.module):
            yield ".".join(filter(None, [module, ".".join(inner.split(".")[:2])]))


def _configuration(state: Sequence[Resource], module: str) -> Document:
    """Return what is written in a module: each block once, however many instances it has."""
    instances: dict[str, list[Resource]] = {}
    for one in state:
        if _INDEX.sub("", one.module) == module:
            instances.setdefault(f"{one.kind}.{one.label}", []).append(one)
    blocks = [_block(address, several) for address, several in instances.items()]
    called = dict.fromkeys(_INDEX.sub("", one) for one in _children_of_all(state, module))
    calls = {
        one.rpartition("module.")[2]: {"module": _configuration(state, one), "expressions": {}}
        for one in called
    }
    return {"resources": blocks, **({"module_calls": calls} if calls else {})}


def _block(address: str, instances: Sequence[Resource]) -> Document:
    one = instances[0]
    keys = "each.value" if '"' in one.instance else "count.index" if one.instance else "var.given"

    def written(name: str, value: Any) -> Document:
        if name in one.refers:
            return {"references": list(one.refers[name])}
        is_same = all(other.values.get(name) == value for other in instances)
        return {"constant_value": value} if is_same else {"references": [keys]}

    found = {
        "address": address,
        "mode": "managed",
        "type": one.kind,
        "name": one.label,
        "provider_config_key": one.provider,
        "expressions": {
            name: written(name, value)
            for name, value in one.values.items()
            if name in one.refers or name not in {"arn", "id"}
        },
    }
    if one.instance:
        found["for_each_expression" if '"' in one.instance else "count_expression"] = {}
    return found


def _children_of_all(state: Sequence[Resource], module: str) -> Iterator[str]:
    """Yield the modules that are called within any instance of a module."""
    yield from _children([one._replace(module=_INDEX.sub("", one.module)) for one in state], module)


def plan_of(seed: int) -> Planned:
    """Return the plan of a seed."""
    return _Generator(seed).made()
