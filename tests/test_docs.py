"""What the documents show is what the program does. POLICYGEN_UPDATE=1 rewrites the screens they show."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import policygen
from policygen import errors
from policygen.catalog.rules import read_rules
from policygen.cli import COMMANDS
from tests.support import ROOT

README = ROOT / "README.md"
SCREEN = re.compile(r"<!-- screen: policygen (?P<words>.+?) -->\n```text\n(?P<shown>.*?)```\n", re.S)
CODE = re.compile(r"PG-[EW]\d{3}")
SOURCES = sorted((ROOT / "policygen").rglob("*.py"))


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "policygen", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_the_screen_in_the_readme_is_real() -> None:
    text = README.read_text("utf-8")
    found = SCREEN.search(text)
    assert found
    made = run(shlex.split(found["words"]))
    assert made.returncode == 0, made.stderr
    if os.environ.get("POLICYGEN_UPDATE"):
        block = f"<!-- screen: policygen {found['words']} -->\n```text\n{made.stdout}```\n"
        README.write_text(text.replace(found.group(), block, 1), "utf-8")
    else:
        assert made.stdout == found["shown"]


def test_the_first_two_commands_of_the_readme_set_everything_up() -> None:
    blocks = re.findall(r"```sh\n(.*?)\n```", README.read_text("utf-8"), re.S)
    assert all("\n" not in block for block in blocks[:2])
    main, tests = blocks[:2]
    assert (
        "policygen suggest --role orders-api --days 30 --logs samples/trail --snapshot samples/account.json"
        in main
    )
    assert "-c constraints.txt" in tests
    assert "pytest" in tests
    # The screen below is what the first command prints.
    found = SCREEN.search(README.read_text("utf-8"))
    assert found
    assert main.endswith("policygen " + found["words"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_help_with_an_example(command: str) -> None:
    assert f"`policygen {command}" in README.read_text("utf-8")
    made = run([command, "--help"])
    assert made.returncode == 0
    assert f"policygen {command} " in made.stdout.split("Options:")[0].split("\n", 3)[-1]


def test_the_python_of_the_readme_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
    monkeypatch.chdir(ROOT)
    exec(compile(block, "README.md", "exec"), {})
    assert '"Statement"' in capsys.readouterr().out


def test_the_readme_names_exactly_the_public_api() -> None:
    text = README.read_text("utf-8")
    sentence = text.split("are the public names")[0].rsplit("\n\n", 1)[-1]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(policygen.__all__)
    assert all(getattr(policygen, name) for name in policygen.__all__)


def test_the_service_file_in_contributing_is_one() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S)
    rules = read_rules(block, "CONTRIBUTING.md")
    assert rules.examples
    assert rules.events


def raised() -> dict[str, set[int]]:
    """Every code in the source and the exit codes of the errors that carry it."""
    exits = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and name != "Any"
    }
    found: dict[str, set[int]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in exits:
                for word in node.keywords:
                    if word.arg == "code" and isinstance(word.value, ast.Constant):
                        found.setdefault(str(word.value.value), set()).add(exits[node.func.id])
    return found


def test_the_page_of_codes_lists_every_code_with_its_exit_code() -> None:
    rows = re.findall(
        r"^\| (PG-[EW]\d{3}) \| (\d+) \|", (ROOT / "docs" / "exit-codes.md").read_text("utf-8"), re.M
    )
    listed = {code: {int(number)} for code, number in rows}
    assert len(listed) == len(rows)
    mentioned = {code for path in SOURCES for code in CODE.findall(path.read_text("utf-8"))}
    assert mentioned == set(listed)
    for code, numbers in raised().items():
        assert listed[code] == numbers, code


def test_every_blind_spot_has_its_heading() -> None:
    ids: set[str] = set()
    for name in ("coverage.py", "keeps.py"):
        text = (ROOT / "policygen" / name).read_text("utf-8")
        ids |= set(re.findall(r'BlindSpot\(\s*f?"([^"]+)"', text))
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "blind-spots.md").read_text("utf-8"), re.M)
    named = {one.strip() for heading in headings for one in heading.split(",")}
    assert {one.replace("{kind}", kind) for one in ids for kind in ("read", "write")} <= named


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    names = listed.split("\0")[:-1] or [str(path.relative_to(ROOT)) for path in SOURCES]
    return [ROOT / name for name in names if (ROOT / name).is_file() and not name.endswith(".gz")]


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    forbidden = [
        word.encode() for word in ("/work/", "/root/", "pypi.org", "registry.npmjs", "files.pythonhosted")
    ]
    found = [(path.name, word) for path in tracked() for word in forbidden if word in path.read_bytes()]
    assert found == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "samples").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
