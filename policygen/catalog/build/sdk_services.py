"""Make ``catalog/data/sdk_services.json``: the names that SDKs and tracers give AWS's services, with the event sources.

Run as ``python -m policygen.catalog.build.sdk_services`` after an update of botocore or of the service files. Source
and licence: botocore, Apache-2.0.
"""

from __future__ import annotations

import json
from typing import Any

from policygen.catalog.build import DATA
from policygen.catalog.rules import rules_for_service, rules_for_source
from policygen.catalog.sdk_names import FILE, plain_name
from policygen.catalog.service_names import label, service_prefix

_DOMAIN = ".amazonaws.com"


def collect_names() -> dict[str, Any]:
    """Return the content of the file: plain name of a service -> the label of its event source."""
    import botocore
    from botocore.loaders import Loader

    loader = Loader()
    models = sorted(loader.list_available_services("service-2"))
    facts = {name: loader.load_service_model(name, "service-2")["metadata"] for name in models}
    found: dict[str, str] = {}
    # What an SDK calls a service comes first; an endpoint or signing name may belong to several of them.
    for spelled in (
        "serviceId",
        "",
        "serviceAbbreviation",
        "serviceFullName",
        "endpointPrefix",
        "signingName",
    ):
        for name, meta in facts.items():
            text = meta.get(spelled, "") if spelled else name
            if text and (source := _source(name, meta)):
                found.setdefault(plain_name(text), source)
    return {
        "source": f"botocore {botocore.__version__} service-2.json (Apache-2.0)",
        "services": dict(sorted(found.items())),
    }


def _source(name: str, meta: dict[str, Any]) -> str:
    """Return the label of a service's event source: one that a service file has, or else one that IAM knows."""
    candidates = dict.fromkeys((meta["endpointPrefix"], meta.get("signingName", ""), name))
    known: list[str] = [one for one in candidates if one and service_prefix(one + _DOMAIN)]
    for one in known:
        if rules_for_source(one + _DOMAIN):
            return one
    for one in known:
        rules = rules_for_service(service_prefix(one + _DOMAIN))
        if rules and rules.event_sources:
            return label(rules.event_sources[0])
    return known[0] if known else ""


def write_names() -> None:
    """Regenerate the file."""
    (DATA / FILE).write_text(json.dumps(collect_names(), indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    write_names()
