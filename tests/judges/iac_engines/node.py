"""The engines that run in node: the AWS CDK, and osls, the free fork of the Serverless Framework."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.judges.iac_engines import Document
from tests.judges.iac_engines.meaning import deployed
from tests.judges.iac_engines.stacks import documents

_HERE = Path(__file__).parent
_OPTIONS = {
    "target": "es2022",
    "module": "commonjs",
    "strict": True,
    "noUnusedLocals": True,
    "types": ["node"],
}
FUNCTION = "functions:\n  any:\n    handler: index.handler\n    runtime: nodejs22.x\n"
"""What a serverless.yml needs beside the provider, so that a role is made."""


def folder() -> Path:
    """Where node_modules are: this folder, or the one that POLICYGEN_ENGINES names."""
    return Path(os.environ.get("POLICYGEN_ENGINES") or _HERE).resolve()


def available() -> bool:
    """Whether node and the packages are installed."""
    return shutil.which("node") is not None and _package("osls").is_dir()


def _package(*path: str) -> Path:
    return folder().joinpath("node_modules", *path)


def _run(*command: str | Path, cwd: Path) -> None:
    environment = {
        **os.environ,
        "CI": "true",
        "SLS_TELEMETRY_DISABLED": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    made = subprocess.run(
        ["node", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, (made.stdout + made.stderr)[-4000:]


def templates(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The templates that CDK makes of constructs in TypeScript, each in a stack of its own."""
    names = [f"m{number}.ts" for number in range(len(texts))]
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "node_modules").symlink_to(_package())
        for name, text in zip(names, texts, strict=True):
            (place / name).write_text(text, "utf-8")
        (place / "tsconfig.json").write_text(json.dumps({"compilerOptions": _OPTIONS, "files": names}))
        shutil.copy(_HERE / "synth.cjs", place)
        _run(_package("typescript", "bin", "tsc"), "-p", ".", cwd=place)
        _run("synth.cjs", str(len(texts)), cwd=place)
        answer: list[dict[str, Any]] = json.loads((place / "templates.json").read_text("utf-8"))
    return answer


def synthesised(texts: Sequence[str]) -> list[list[Document]]:
    """The policies of these templates."""
    return [documents(template) for template in templates(texts)]


def roles(texts: Sequence[str]) -> list[list[str]]:
    """The roles that the policies of these templates are attached to."""
    found = [
        [resource["Properties"]["Roles"] for resource in template["Resources"].values()]
        for template in templates(texts)
    ]
    return [[role for (role,) in deployed(several)] for several in found]


def packaged(texts: Sequence[str]) -> list[list[Document]]:
    """The policies of the role that `osls package` makes for a function."""
    return [_packaged(text + FUNCTION) for text in texts]


def service(text: str, **files: str) -> dict[str, Any]:
    """The template that `osls package` makes of a serverless.yml, with other files beside it."""
    with tempfile.TemporaryDirectory() as folder_:
        place = Path(folder_)
        (place / "index.js").write_text("exports.handler = async () => 1;\n")
        for name, content in {"serverless": text, **files}.items():
            (place / f"{name}.yml").write_text(content, "utf-8")
        _run(_package("osls", "bin", "serverless.js"), "package", cwd=place)
        written = place / ".serverless" / "cloudformation-template-update-stack.json"
        made: dict[str, Any] = json.loads(written.read_text("utf-8"))
    return made


def _packaged(text: str) -> list[Document]:
    resources = service(text)["Resources"]
    role = resources["IamRoleLambdaExecution"]["Properties"]
    managed = {name: one for name, one in resources.items() if one["Type"] == "AWS::IAM::ManagedPolicy"}
    assert [one["Ref"] for one in role.get("ManagedPolicyArns", ())] == list(managed)
    if managed:
        return documents({"Resources": managed})
    (inline,) = role["Policies"]
    # Serverless puts two statements of its own first, for the function's logs.
    document = inline["PolicyDocument"]
    return [{**document, "Statement": deployed(document["Statement"][2:])}]
