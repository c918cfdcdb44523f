"""The Lambda part of an account snapshot: functions, event source mappings and destinations of asynchronous calls."""

from __future__ import annotations

from policygen.account.model import EventSourceMapping, Function, InvokeConfig
from policygen.account.snapshot_schema import (
    Destinations,
    FunctionConfiguration,
    InvokeConfiguration,
    Json,
    MappingConfiguration,
    SourceAccess,
)
from policygen.iam.arn import parse
from policygen.text import sanitize


def function_of(wire: FunctionConfiguration, raw: Json) -> Function:
    """Return a function, or a version of one, from what ListFunctions says of it."""
    arn = parse(wire.function_arn)
    log_group = wire.logging_config.log_group if wire.logging_config else None
    return Function(
        name=wire.function_name,
        arn=wire.function_arn,
        role_arn=wire.role,
        region=arn.region if arn else "",
        log_group=log_group or f"/aws/lambda/{wire.function_name}",
        tracing=bool(wire.tracing_config and wire.tracing_config.mode == "Active"),
        vpc=bool(wire.vpc_config and wire.vpc_config.subnet_ids),
        kms_key=wire.kms_key or "",
        dead_letter=(wire.dead_letter_config.target_arn if wire.dead_letter_config else None) or "",
        raw=raw,
        layers=tuple(layer.arn for layer in wire.layers or ()),
        file_systems=tuple(entry.arn for entry in wire.file_system_configs or ()),
        durable=wire.durable_config is not None,
        durable_key=(wire.durable_config.kms_key if wire.durable_config else None) or "",
    )


def mapping_of(wire: MappingConfiguration, raw: Json) -> EventSourceMapping:
    """Return an event source mapping from what ListEventSourceMappings says of it."""
    kafka = wire.amazon_managed_kafka_event_source_config or wire.self_managed_kafka_event_source_config
    registry = kafka.schema_registry_config if kafka else None
    return EventSourceMapping(
        uuid=wire.uuid,
        source_arn=wire.event_source_arn or "",
        function_arn=wire.function_arn,
        raw=raw,
        on_failure=_destinations(wire.destination_config)[1],
        filter_key=wire.kms_key or "",
        access=_access(wire.source_access_configurations),
        topics=tuple(wire.topics or ()),
        consumer_group=(kafka.consumer_group_id if kafka else None) or "",
        registry=(registry.uri if registry else None) or "",
        registry_access=_access(registry.access_configs if registry else None),
        state=sanitize(wire.state or ""),
    )


def invoke_config_of(wire: InvokeConfiguration, raw: Json) -> InvokeConfig:
    """Return where the records of asynchronous calls go."""
    return InvokeConfig(wire.function_arn, *_destinations(wire.destination_config), raw)


def _destinations(wire: Destinations | None) -> tuple[str, str]:
    """Return the destinations of successes and failures; "" for none."""
    ends = (wire.on_success, wire.on_failure) if wire else (None, None)
    success, failure = ((end.destination if end else None) or "" for end in ends)
    return success, failure


def _access(rows: list[SourceAccess] | None) -> tuple[tuple[str, str], ...]:
    return tuple((row.type, row.uri) for row in rows or ())
