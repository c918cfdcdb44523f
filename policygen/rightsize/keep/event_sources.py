"""What Lambda needs of a function's role to poll a queue, stream or broker, and to deliver records (3.6).

The poller runs outside the function, and its calls lack ``lambda:SourceFunctionArn`` (3.6.1). Needs are grants with the
names that the configuration gives; `retain` cuts them to what the current policies grant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

from policygen.account.model import EventSourceMapping, Function
from policygen.evidence.coverage.blind_spot import BlindSpot
from policygen.files import read_package_table
from policygen.iam import arn, reference
from policygen.iam.arn import Arn
from policygen.iam.grants import Grant
from policygen.iam.request import AccessRequest
from policygen.rightsize.keep.model import Keep


class Feature(NamedTuple):
    """One row of platform.toml."""

    actions: tuple[str, ...]
    caller: Literal["present", "absent", "unknown"]
    """Whether the platform's call has ``lambda:SourceFunctionArn``."""
    source: str
    """URL."""
    whole: bool = False
    """Whether the configuration names everything for which a role may need those that CloudTrail never shows."""
    polled: str = ""
    """What Lambda reads for a trigger: ``a queue``; "" for any other feature."""
    reading: tuple[str, ...] = ()
    """The actions with which code would read it by itself."""
    found_by: tuple[str, ...] = ()
    """The actions with which such code finds out where to read; () where it needs none."""
    works_with: tuple[str, ...] = ()
    """Actions of which a role must be allowed one, or the feature does not work; () where that is not known."""

    def may_work(self, granted: Collection[str]) -> bool:
        """Return whether it may work for a role that may do some actions."""
        return not self.works_with or not set(self.works_with).isdisjoint(granted)


@cache
def features() -> Mapping[str, Feature]:
    """Return the rows of platform.toml by name."""
    rows = read_package_table("policygen.rightsize.keep", "platform.toml")
    return {name: _feature(row) for name, row in rows.items()}


def _feature(row: Mapping[str, Any]) -> Feature:
    lists = {key: tuple(row.get(key, ())) for key in ("actions", "reading", "found_by", "works_with")}
    return Feature(**{**row, **lists})


def needs(feature: str, resource: str, why: str) -> Iterator[Keep]:
    """Yield the keeps of one feature on a resource pattern; on ``*`` for actions that take no resource (4.3.8)."""
    for action in features()[feature].actions:
        known = reference.action(action)
        pattern = resource if known is None or known.types else "*"
        yield Keep(Grant(action, pattern), "platform", why, feature=feature)


def poller_needs(
    function: Function, mapping: EventSourceMapping, used: Iterable[AccessRequest]
) -> Iterator[Keep]:
    """Yield what polling one event source needs of a function's role.

    Args:
        function: the function or version that the mapping calls.
        mapping: the event source mapping.
        used: observed requests, which may show the key of a secret or a destination.
    """
    used = list(used)
    source = arn.parse(mapping.source_arn)
    kind = source.service if source else "kafka of your own"
    paused = f" (the mapping is {mapping.state.lower()})" if mapping.state.startswith("Disab") else ""
    row = features().get(kind)
    why = f"Lambda polls {row.polled if row and row.polled else kind} for {function.name}{paused}"
    if source is not None:
        yield from _source_needs(source, mapping, why)
    if _inside_a_vpc(source, mapping):
        yield from needs("poller-network", "*", f"{why}, from within its VPC")
    for secret in _secrets(mapping):
        yield from needs("poller-secret", arn.escape(secret), f"{why}, with the credentials in that secret")
        yield from key_needs("poller-secret-key", secret, used, f"{why}: the secret's key")
    registry = arn.parse(mapping.registry)
    if registry is not None and registry.service == "glue":
        name = registry.resource.partition("/")[2]
        schemas = _like(registry, f"schema/{name}/*")
        for pattern in (arn.escape(mapping.registry), schemas):
            yield from needs("registry", pattern, f"{why}, with schemas of registry {name}")
    if mapping.filter_key:
        key = arn.escape(mapping.filter_key)
        yield from needs("key", key, f"Lambda decrypts the filters of a mapping of {function.name}")
    if mapping.on_failure:
        lost = f"batches that {function.name} failed on, only after failures"
        yield from destination_needs(mapping.on_failure, used, lost, source)


def unknown_sources(mappings: Iterable[EventSourceMapping]) -> frozenset[str]:
    """Return the IAM prefixes of event sources that the table lacks, so that the poller's needs are not known.

    The poller may need any permission of these services.
    """
    places = (arn.parse(mapping.source_arn) for mapping in mappings)
    known = {name for name, row in features().items() if row.polled}
    return frozenset(place.service for place in places if place and place.service not in known)


_VPC_SOURCES = frozenset({"kafka", "mq", "rds"})


def _source_needs(source: Arn, mapping: EventSourceMapping, why: str) -> Iterator[Keep]:
    whole = arn.escape(mapping.source_arn)
    match source.service:
        case "sqs" | "dynamodb" | "mq":
            yield from needs(source.service, whole, why)
        case "kinesis":
            yield from _kinesis_needs(source, why)
        case "kafka":
            yield from _msk_needs(source, mapping, why)
        case "rds":
            parts = {
                "rds:DescribeDBClusters": whole,
                # The mapping does not have the cluster's parameter group and subnet group.
                "rds:DescribeDBClusterParameters": _like(source, "cluster-pg:*"),
                "rds:DescribeDBSubnetGroups": _like(source, "subgrp:*"),
            }
            for keep in needs("rds", "*", why):
                yield _on(keep, parts[keep.grant.action])
        case _:
            # The source is newer than the table: see `unknown_sources`.
            return


def _kinesis_needs(source: Arn, why: str) -> Iterator[Keep]:
    """Yield needs for the stream, and for consumers with enhanced fan-out: ``stream/NAME/consumer/NAME:TIME``."""
    stream, _, consumer = source.resource.partition("/consumer/")
    stream = arn.escape(source._replace(resource=stream).format())
    consumers = arn.escape(source.format()) if consumer else f"{stream}/consumer/*"
    for keep in needs("kinesis", stream, why):
        yield _on(keep, consumers) if keep.grant.action == "kinesis:SubscribeToShard" else keep


def _msk_needs(source: Arn, mapping: EventSourceMapping, why: str) -> Iterator[Keep]:
    cluster = arn.escape(mapping.source_arn)
    kinds = {kind for kind, _ in mapping.access}
    yield from needs("kafka", cluster, why)
    owner = arn.parse(mapping.function_arn)
    if owner is not None and owner.account != source.account:
        other = f"arn:{source.partition}:kafka:{source.region}:*:vpc-connection/*"
        yield from needs("kafka-elsewhere", other, f"{why}, in another account")
    if any(kind.startswith("SASL_SCRAM") for kind in kinds):
        yield from needs("kafka-scram", cluster, f"{why}, with SASL/SCRAM")
    if not kinds & _PASSWORDS:
        # Without credentials in a secret, IAM authorises the poller, if the cluster requires it at all.
        asked = f"{why}, where IAM lets it in"
        yield from needs("kafka-cluster", cluster, asked)
        for topic in mapping.topics or ("*",):
            yield from needs("kafka-topic", _of_cluster(source, "topic", topic), asked)
        yield from needs("kafka-group", _of_cluster(source, "group", mapping.consumer_group or "*"), asked)


_PASSWORDS = frozenset(
    {"BASIC_AUTH", "SASL_SCRAM_512_AUTH", "SASL_SCRAM_256_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH"}
)


def _of_cluster(cluster: Arn, kind: str, name: str) -> str:
    """Return the pattern of an MSK cluster's topic or group: ``topic/CLUSTER/UUID/NAME``; ``*`` for any name."""
    place = arn.escape(cluster._replace(resource=kind + cluster.resource.removeprefix("cluster")).format())
    return f"{place}/{name if name == '*' else arn.escape(name)}"


def _inside_a_vpc(source: Arn | None, mapping: EventSourceMapping) -> bool:
    """Return whether the poller makes network interfaces: for MSK, MQ, DocumentDB, and where subnets are named."""
    return (source is not None and source.service in _VPC_SOURCES) or any(
        kind.startswith("VPC_") for kind, _ in mapping.access
    )


def _secrets(mapping: EventSourceMapping) -> list[str]:
    """Return the secrets that the poller reads: credentials and certificates, also of the schema registry."""
    uris = (uri for _, uri in (*mapping.access, *mapping.registry_access))
    return sorted({uri for uri in uris if (found := arn.parse(uri)) and found.service == "secretsmanager"})


# --- Where records go ----------------------------------------------------------------------------


def destination_needs(
    target: str, used: Iterable[AccessRequest], why: str, source: Arn | None = None
) -> Iterator[Keep]:
    """Yield what sending records to a destination needs of the role.

    Args:
        target: an ARN, or ``kafka://TOPIC``.
        used: observed requests, which may show the key of the destination.
        why: the reason, a clause.
        source: the cluster of a Kafka topic.
    """
    topic = target.removeprefix("kafka://")
    if topic != target:
        if source is not None and source.service == "kafka":
            for keep in needs("kafka-destination", _of_cluster(source, "topic", topic), why):
                cluster = keep.grant.action == "kafka-cluster:Connect"
                yield _on(keep, arn.escape(source.format())) if cluster else keep
        return
    place, pattern = arn.parse(target), arn.escape(target)
    match place.service if place else "":
        case "s3":
            for keep in needs("s3-destination", pattern, why):
                yield _on(keep, f"{pattern}/*") if keep.grant.action == "s3:PutObject" else keep
            yield from key_needs("destination-bucket-key", target, used, f"{why}: the bucket's key")
        case "sqs" | "sns" as service:
            yield from needs(f"{service}-destination", pattern, why)
            yield from key_needs("destination-key", target, used, f"{why}: the key of the destination")
        case "lambda" | "events" as service:
            yield from needs(f"{service}-destination", pattern, why)


def key_needs(feature: str, target: str, used: Iterable[AccessRequest], why: str) -> Iterator[Keep]:
    """Yield what the KMS key of a queue, topic, bucket or secret needs of the role.

    An observed encryption context names the key. Without one it is not known whether there is a key: the permission is
    kept as unknown, for all keys of the region.
    """
    keys = sorted({request.resource for request in used if _is_for(request, target) and not request.wild})
    for key in keys:
        yield from needs(feature, arn.escape(key), why)
    place = arn.parse(target)
    if place is None or keys:
        return
    # A bucket's ARN has no region, and its key may be in any.
    everywhere = f"arn:{place.partition}:kms:{place.region or '*'}:*:key/*"
    for keep in needs(feature, everywhere, why):
        blind = BlindSpot(
            "key-unknown",
            keep.grant.action,
            f"{why}: the configuration does not say whether there is one, and it is used rarely",
            "drop it if that resource has no customer managed key",
            features()[feature].source,
        )
        yield Keep(keep.grant, "unknown", blind.why, blind, feature)


def _is_for(request: AccessRequest, target: str) -> bool:
    """Return whether a call of KMS names `target` in its encryption context."""
    return request.action.lower().startswith("kms:") and any(
        key.lower().startswith("kms:encryptioncontext:")
        and (value == target or value.startswith(f"{target}/"))
        for key, values in request.context
        for value in values
    )


def _on(keep: Keep, resource: str) -> Keep:
    return Keep(keep.grant._replace(resource=resource), keep.kind, keep.why, keep.blind_spot, keep.feature)


def _like(place: Arn, resource: str) -> str:
    """Return the pattern of another resource in the same service, region and account."""
    return f"arn:{place.partition}:{place.service}:{place.region}:{place.account}:{resource}"
