"""Every operation of AWS's API models and what the catalog makes of it: how complete it is, by count.

An operation is asked for with made-up parameters in the shape that CloudTrail gives them. The values mean nothing;
which rule answers, and whether a resource is named, is the same for real ones. Source of the operations: the
installed botocore (Apache-2.0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from policygen import catalog
from policygen.access import Call
from policygen.catalog import reference
from policygen.catalog.names import service_prefix
from policygen.catalog.plan import plan_of
from policygen.catalog.reference import Service
from policygen.catalog.resources import normalise

Kind = Literal["name", "rule", "no permission", "not IAM", "unknown"]
KINDS: tuple[Kind, ...] = ("name", "rule", "no permission", "not IAM", "unknown")

ACCOUNT = "123456789012"
REGION = "us-east-1"
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one model: the call made of it and the answer."""

    model: str
    """botocore's name of the service, ``stepfunctions``."""
    prefix: str
    """IAM's prefix, "" where IAM does not know the service."""
    name: str
    kind: Kind
    call: Call
    answer: catalog.Answer

    @property
    def bare(self) -> bool:
        """Whether it ends on ``*`` although its action takes a resource."""
        taking = [
            one.request.resource
            for one in self.answer.requests
            if one.request.action != "iam:PassRole"
            and (known := reference.action(one.request.action))
            and known.types
        ]
        return bool(taking) and set(taking) == {"*"}

    @property
    def text(self) -> str:
        """The answer in one line."""
        requests = sorted(
            f"{r.action} {r.resource}" + ("" if r.grade == "required" else f" ({r.grade})")
            for r, _ in self.answer.requests
        )
        return "; ".join(requests) or f"{self.answer.status}: {self.answer.why}"


@cache
def models() -> tuple[str, ...]:
    """The names of botocore's service models."""
    from botocore.loaders import Loader

    return tuple(sorted(Loader().list_available_services("service-2")))


def operations(model: str) -> Iterator[Operation]:
    """The operations of one model, by name."""
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
        yield Operation(model, prefix, name, kind_of(source, name), call, catalog.requests_for(call))


def event_source(metadata: Mapping[str, str]) -> str:
    """The eventSource under which a model's calls are logged, as far as its names tell (1.8.1)."""
    names = (metadata["endpointPrefix"], metadata.get("signingName", metadata["endpointPrefix"]))
    sources = [f"{name}.amazonaws.com" for name in names]
    return next((source for source in sources if service_prefix(source)), sources[0])


def kind_of(source: str, name: str) -> Kind:
    """How an event's action is found, whatever its parameters."""
    plan = plan_of(source, name)
    if plan.status == "no-permission-needed":
        return "no permission"
    if plan.status == "ignored":
        return "not IAM"
    if plan.status == "unmapped":
        return "unknown"
    return "name" if plan.action and not plan.needs else "rule"


# S3 writes members under the names that they have in the request itself.
_BY_LOCATION = frozenset({"s3", "s3control"})


@dataclass(slots=True)
class _Shapes:
    """Made-up values for a model's shapes."""

    shapes: Mapping[str, Any]
    service: Service | None
    types: tuple[str, ...]
    """Resource types of the action of the operation's name: what `resourceArn` may be."""
    by_location: bool

    def value(self, shape: str, member: str, above: tuple[str, ...] = ()) -> Any:
        """A value of a shape, as CloudTrail would write it: member names begin in lower case."""
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
            return self._text(member, body)
        return {"map": {}, "boolean": True}.get(kind, 1)

    def _written(self, name: str, body: Mapping[str, str]) -> str:
        if self.by_location:
            if name == "Bucket":
                return "bucketName"
            if body.get("location") in {"header", "querystring"}:
                return body["locationName"]
        return name[:1].lower() + name[1:]

    def _text(self, member: str, body: Mapping[str, Any]) -> str:
        name = normalise(member)
        if name.endswith(("arn", "arns")):
            return self._arn(name.removesuffix("s").removesuffix("arn"))
        return str(body["enum"][0]) if body.get("enum") else f"{name[:12]}-1"

    def _arn(self, stem: str) -> str:
        """An ARN for a member: of the resource type that its name says, if the service has one."""
        if stem.endswith("role"):
            return f"arn:aws:iam::{ACCOUNT}:role/role-1"
        types = self.service.types if self.service else {}
        kinds = [
            kind
            for kind in types
            if stem and (normalise(kind).endswith(stem) or stem.endswith(normalise(kind)))
        ]
        kinds.sort(key=lambda kind: normalise(kind) != stem)
        if not kinds and stem in {"resource", "target", "source", ""}:
            kinds = [kind for kind in self.types if kind in types]
        if kinds:
            pattern = types[kinds[0]].patterns[0]
            names = {name: f"{normalise(name)[:8]}-1" for name in pattern.own}
            return pattern.fill({"Partition": "aws", "Region": REGION, "Account": ACCOUNT, **names})
        return f"arn:aws:other:{REGION}:{ACCOUNT}:thing/thing-1"


def count(found: Iterator[Operation] | list[Operation]) -> Counter[Kind]:
    """How many operations of each kind."""
    return Counter(one.kind for one in found)
