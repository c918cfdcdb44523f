"""Makes ``botocore.json``: the facts of botocore's API models that the catalog needs.

Run as ``python -m policygen.catalog.refresh`` after an update of botocore. Reading the 400 models takes many
seconds, so the few facts are kept as data. Source and licence: botocore, Apache-2.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def collect() -> dict[str, Any]:
    """The facts, from the installed botocore."""
    import botocore
    from botocore.loaders import Loader

    loader = Loader()
    signing: dict[str, str] = {}
    verbs: dict[str, list[str]] = {}
    unsigned: dict[str, list[str]] = {}
    for name in sorted(loader.list_available_services("service-2")):
        model = loader.load_service_model(name, "service-2")
        meta = model["metadata"]
        signed = meta.get("signingName", meta["endpointPrefix"])
        if signed != meta["endpointPrefix"]:
            signing[meta["endpointPrefix"]] = signed
        free = [op for op, body in model["operations"].items() if body.get("authtype") == "none"]
        if free:
            unsigned[signed] = sorted({*unsigned.get(signed, []), *free})
        if name in {"apigateway", "apigatewayv2"}:
            for op, body in model["operations"].items():
                key = op if name == "apigateway" else f"v2:{op}"
                verbs[key] = [body["http"]["method"], body["http"]["requestUri"]]
    return {
        "source": f"botocore {botocore.__version__} service-2.json (Apache-2.0)",
        "signing_names": signing,
        "apigateway": dict(sorted(verbs.items())),
        "unsigned": unsigned,
    }


def main() -> None:
    """Writes the file beside this module."""
    target = Path(__file__).with_name("botocore.json")
    target.write_text(json.dumps(collect(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
