"""Make ``catalog/data/tag_members.json``: which operations that make something take tags, and by which members.

Run as ``python -m policygen.catalog.build.tag_members`` after an update of botocore. Source and licence: botocore,
Apache-2.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from policygen.catalog.build import DATA
from policygen.catalog.tag_members import FILE, makes_something

_TAG = re.compile(r"(^t|T)ag(?=[A-Z]|s?$|s[A-Z]|list$|set$)")
"""``tags``, ``TagSpecifications``, ``PropagateTags``, ``CopyTagsToSnapshot``; not ``Target`` or ``Stage``."""
_DEPTH = 7


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
                members = set(_members(model["shapes"], shape)) if shape else set()
                operations.setdefault(operation, set()).update(members)
    return {
        "source": f"botocore {botocore.__version__} service-2.json (Apache-2.0)",
        "operations": {
            service: {name: sorted(members) for name, members in sorted(operations.items())}
            for service, operations in sorted(found.items())
            if operations
        },
    }


def _members(
    shapes: dict[str, Any], shape: str, path: str = "", above: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield the paths of members that speak of tags, ``LaunchTemplateData.TagSpecifications``; not what is in them."""
    body = shapes[shape]
    if shape in above or len(above) > _DEPTH:
        return
    if body["type"] == "structure":
        for member, inner in body["members"].items():
            here = f"{path}.{member}" if path else member
            if _TAG.search(member):
                yield here
            else:
                yield from _members(shapes, inner["shape"], here, (*above, shape))
    elif body["type"] == "list":
        yield from _members(shapes, body["member"]["shape"], f"{path}[]", (*above, shape))


def write_members() -> None:
    """Write the file to ``catalog/data``."""
    text = json.dumps(collect_members(), indent=1) + "\n"
    (DATA / FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_members()
