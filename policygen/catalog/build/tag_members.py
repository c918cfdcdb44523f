"""Make ``catalog/data/tag_members.json``: which operations that make something take tags, and by which members.

Run as ``python -m policygen.catalog.build.tag_members`` after an update of botocore. Source and licence: botocore,
Apache-2.0.
"""

from __future__ import annotations

import json
import re
from typing import Any

from policygen.catalog.build import DATA
from policygen.catalog.build.shapes import member_paths
from policygen.catalog.tag_members import FILE, makes_something

_TAG = re.compile(r"(^t|T)ag(?=[A-Z]|s?$|s[A-Z]|list$|set$)")
"""``tags``, ``TagSpecifications``, ``PropagateTags``, ``CopyTagsToSnapshot``; not ``Target`` or ``Stage``."""


def collect_members() -> dict[str, Any]:
    """Return the content of the file: signing name -> operation that makes something -> members that speak of tags."""
    import botocore
    from botocore.loaders import Loader

    loader = Loader()
    found: dict[str, dict[str, set[str]]] = {}
    for name in sorted(loader.list_available_services("service-2")):
        model = loader.load_service_model(name, "service-2")
        meta = model["metadata"]
        operations = found.setdefault(meta.get("signingName", meta["endpointPrefix"]), {})
        for operation, body in model["operations"].items():
            if makes_something(operation):
                shape = body.get("input", {}).get("shape")
                members = set(member_paths(model["shapes"], shape, _speaks_of_tags)) if shape else set()
                operations.setdefault(operation, set()).update(members)
    return {
        "source": f"botocore {botocore.__version__} service-2.json (Apache-2.0)",
        "operations": {
            service: {name: sorted(members) for name, members in sorted(operations.items())}
            for service, operations in sorted(found.items())
            if operations
        },
    }


def _speaks_of_tags(name: str, _: str) -> bool:
    return _TAG.search(name) is not None


def write_members() -> None:
    """Write the file to ``catalog/data``."""
    text = json.dumps(collect_members(), indent=1) + "\n"
    (DATA / FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_members()
