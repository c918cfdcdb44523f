"""What the documents show is what the program does. POLICYGEN_UPDATE=1 rewrites the screens they show."""

from __future__ import annotations

import ast
import csv
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

import policygen
from policygen import errors
from policygen.account.required_permissions import ROLE_ACTIONS, SNAPSHOT_ACTIONS
from policygen.account.resource_reader import list_actions
from policygen.catalog.rules import read_rules
from policygen.cli.app import COMMANDS, EPILOG
from policygen.evidence.anomalies import ANOMALY_RULES
from policygen.rightsize.check.findings import RULES
from tests.cli.test_pull_requests import PAGE, bash, settled
from tests.support import ROOT
from tests.support.command import run_in_root

README = ROOT / "README.md"
SCREEN = re.compile(r"<!-- screen: policygen (?P<words>.+?) -->\n```text\n(?P<shown>.*?)```\n", re.S)
CODE = re.compile(r"PG-[EW]\d{3}")
CODES = ROOT / "docs" / "reference" / "exit-codes.md"
SOURCES = sorted((ROOT / "policygen").rglob("*.py"))


def test_the_screen_in_the_readme_is_real() -> None:
    text = README.read_text("utf-8")
    found = SCREEN.search(text)
    assert found
    made = run_in_root(*shlex.split(found["words"]))
    assert made.code == 0, made.stderr
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
    made = run_in_root(command, "--help")
    assert made.code == 0
    assert f"policygen {command} " in made.stdout.split("Options:")[0].split("\n", 3)[-1]


GUIDES = ("guides/first-role.md", "guides/batch.md", "reference/report.md")


@pytest.mark.system
def test_every_command_of_the_guides_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    done = []
    for page in GUIDES:
        for block in re.findall(r"^```\n(.*?)\n```", (ROOT / "docs" / page).read_text("utf-8"), re.S | re.M):
            for line in block.splitlines():
                made = subprocess.run(
                    [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, capture_output=True, text=True,
                    check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
                )  # fmt: skip
                assert (line, made.returncode, made.stderr if made.returncode else "") == (line, 0, "")
                done.append(line)
    assert len(done) >= 12
    assert (tmp_path / "out" / "index.html").exists()


@pytest.mark.system
def test_every_command_of_the_page_on_reviews_runs_in_this_order(tmp_path: Path) -> None:
    place = settled(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) >= 9
    assert all(line.startswith("policygen ") for line in commands)
    step = place / "summary.md"
    for line in commands:
        done = bash(place, line, GITHUB_STEP_SUMMARY=str(step))
        assert done.code == 0, (line, done.stderr)
    assert step.read_text("utf-8").count("<!-- policygen:suggest:") == 3
    assert len(json.loads((place / "policygen.sarif").read_text("utf-8"))["runs"]) == 2
    assert len(Xml.parse(place / "junit.xml").getroot()) == 2
    with (place / "permissions.csv").open(encoding="utf-8", newline="") as file:
        assert {row["role"] for row in csv.DictReader(file)} == {"orders-api", "image-resizer"}
    assert (
        (place / "comment.md")
        .read_text("utf-8")
        .startswith("<!-- policygen:suggest:111122223333:orders-api -->")
    )


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


def test_the_readme_names_every_permission_that_reading_the_account_needs() -> None:
    section = README.read_text("utf-8").split("policygen snapshot --profile")[1].split("\n## ")[0]
    named = set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", section))
    # The lists of what exists are many: the README says which command prints them.
    assert named == {*SNAPSHOT_ACTIONS, *ROLE_ACTIONS} - set(list_actions())


def test_the_service_file_in_contributing_is_one() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S)
    rules = read_rules(block, "CONTRIBUTING.md")
    assert rules.examples
    assert rules.events


EXITS = {name: kind.exit_code for name, kind in vars(errors).items() if hasattr(kind, "exit_code")}
BUG = {"PG-E999": {70}}
"""Not raised, but said by the last line of defence in the command line."""


def raised() -> dict[str, set[int]]:
    """Every code that an error of the source carries, and the exit codes of these errors."""
    found: dict[str, set[int]] = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        made = list(calls(tree))
        # An error of its own class gives its code to the class that it is derived from.
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            made += [
                (ast.unparse(kind.bases[0]), call) for name, call in calls(kind) if name == "super().__init__"
            ]
        for name, call in made:
            for word in call.keywords:
                if name in EXITS and word.arg == "code" and isinstance(word.value, ast.Constant):
                    found.setdefault(str(word.value.value), set()).add(EXITS[name])
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """The calls below a node, by what is called."""
    return ((ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_the_page_of_codes_lists_every_code_with_its_exit_code() -> None:
    rows = re.findall(r"^\| (PG-[EW]\d{3}) \| (\d+) \| (.+) \|$", CODES.read_text("utf-8"), re.M)
    assert {code: {int(number)} for code, number, _ in rows} == raised() | BUG
    assert [code for code, _, _ in rows] == sorted({code for code, _, _ in rows})
    assert len({meaning for _, _, meaning in rows}) == len(rows)


def test_no_docstring_names_a_code_that_nothing_raises() -> None:
    mentioned = {code for path in SOURCES for code in CODE.findall(path.read_text("utf-8"))}
    assert mentioned == set(raised() | BUG)


def test_the_exit_codes_are_the_same_in_the_errors_the_help_and_the_documents() -> None:
    table = {int(n) for n in re.findall(r"^\| (\d+) \| ", CODES.read_text("utf-8"), re.M)}
    told = re.compile(r"\b(\d+) (?=[A-Za-z])")
    readme = README.read_text("utf-8").split("## Exit codes\n")[1].split("\n## ")[0]
    ours = {0, 70, 130, *EXITS.values()}
    assert {int(n) for n in told.findall(EPILOG)} == ours
    assert {int(n) for n in told.findall(readme)} == ours
    assert table == ours | {141}  # a closed pipe, which nobody is left to read about


def test_every_blind_spot_has_its_heading() -> None:
    ids = {"never-logged", "no-event-known", "no-event"}  # by visibility, in a table
    for path in SOURCES:
        ids |= set(re.findall(r'BlindSpot\(\s*f?"([^"]+)"', path.read_text("utf-8")))
    assert len(ids) > 12
    headings = re.findall(
        r"^## (.+)$", (ROOT / "docs" / "concepts" / "blind-spots.md").read_text("utf-8"), re.M
    )
    named = {one.strip() for heading in headings for one in heading.split(",")}
    assert {one.replace("{kind}", kind) for one in ids for kind in ("read", "write")} <= named


FOLDERS = rb"(?<![\w.])/(?:%s)/" % b"|".join((b"work", b"root", b"home", b"Users", b"tmp/v"))
REGISTRIES = rb"pypi\.(?:org|python)|pythonhosted\.|registry\.(?:npmjs|yarnpkg)|index[-]url|_auth[T]oken"
PRIVATE = re.compile(FOLDERS + b"|" + REGISTRIES)
"""Written so that this file does not find itself."""


@pytest.mark.parametrize(
    "text",
    ["cd /" + "work/main", '"/' + 'root/x"', "https://registry." + "npmjs.org/x", "--index" + "-url=x"],
)
def test_a_machine_or_a_registry_would_be_noticed(text: str) -> None:
    assert PRIVATE.search(text.encode())


def tracked() -> list[Path]:
    """The files of the project, those not yet committed too; without git those that are installed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.split("\0")[:-1]] or [README, *SOURCES]
    return [path for path in files if path.is_file() and path.suffix != ".gz"]


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    assert README in tracked()
    found = {path.name: PRIVATE.findall(path.read_bytes()) for path in tracked()}
    assert {name: words for name, words in found.items() if words} == {}


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").glob("*.md")])
TREE = re.compile(r"`((?:policygen|tests|docs|bench|samples)/[\w./*-]*)`")
DOTTED = re.compile(r"`(policygen(?:\.\w+)+)`")


def test_every_path_and_name_in_the_documents_exists() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    paths = {path for path in TREE.findall(text) if not re.search("NAME|FAMILY|PACKAGE|ACCOUNT", path)}
    assert {path for path in paths if not any(ROOT.glob(path.rstrip("/")))} == set()
    names = set(DOTTED.findall(text)) - {"policygen.toml"}
    assert {name for name in names if not resolves(name)} == set()
    assert len(paths) > 20
    assert len(names) > 20


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    try:
        return bool(pkgutil.resolve_name(name))
    except (ImportError, AttributeError):
        return False


FACTS = ROOT / "docs" / "dev" / "cloudtrail-facts.md"
NUMBER = r"\d\.\d{1,2}(?:\.\d{1,2})?"
CITATION = re.compile(rf"\(({NUMBER}(?:(?:, | to ){NUMBER})*)\)|^# ({NUMBER})(?::|$)")
"""``(1.3.6)``, ``(2.1.2, 2.1.7)``, ``(2.5.1 to 2.5.3)``, and a comment that starts with a number."""


def remarks(path: Path) -> Iterator[str]:
    """The comments and multi-line texts of a Python file, or the comments of a TOML file."""
    if path.suffix == ".toml":
        yield from (line[line.index("#") :] for line in path.read_text("utf-8").splitlines() if "#" in line)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT or token.string.startswith(('"""', 'r"""')):
                yield token.string


def test_every_fact_that_a_comment_cites_is_on_the_page_of_facts() -> None:
    facts = set(re.findall(rf"^#{{3,4}} ({NUMBER}) ", FACTS.read_text("utf-8"), re.M))
    cited: dict[str, str] = {}
    for path in tracked():
        if path.suffix in {".py", ".toml"}:
            for text in remarks(path):
                for listed, single in CITATION.findall(text):
                    for number in re.findall(NUMBER, listed or single):
                        cited[number] = path.name
    assert {number: name for number, name in cited.items() if number not in facts} == {}
    assert len(cited) > 80


def test_links_between_documents_lead_somewhere() -> None:
    assert len(PAGES) > 20
    for page in PAGES:
        for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
            if "://" not in target:
                linked = page.parent / target if target else page
                assert linked.exists(), f"{page.name}: {target}"
                assert not heading or heading in anchors(linked), f"{page.name}: {target}#{heading}"


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_that_the_program_names_exists() -> None:
    texts = [path.read_text("utf-8") for path in (*SOURCES, *(ROOT / "policygen").rglob("*.json"))]
    named = {name for text in texts for name in re.findall(r"docs/[\w/-]+\.md", text)}
    assert len(named) > 3
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize(
    ("page", "rows"),
    [
        ("concepts/odd-usage.md", [(f"`{sign}`", text) for sign, text in ANOMALY_RULES.items()]),
        ("guides/gate.md", [(rule.id, rule.level, rule.title) for rule in RULES.values()]),
    ],
)
def test_a_page_lists_what_the_program_knows(page: str, rows: list[tuple[str, ...]]) -> None:
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ") and not line.startswith(("| sign", "| rule"))]
    assert table == [f"| {' | '.join(row)} |" for row in rows]
