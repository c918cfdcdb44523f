"""What the documents show is what the program does. POLICYGEN_UPDATE=1 rewrites the screens they show."""

from __future__ import annotations

import ast
import csv
import inspect
import json
import operator
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import textwrap
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

import policygen
from docs.make import CONFIG, PYTHON_PAGE, build, prepare, python_page
from policygen import errors
from policygen.account.required_permissions import ROLE_ACTIONS, SNAPSHOT_ACTIONS
from policygen.account.resource_reader import list_actions
from policygen.catalog.rules import read_rules
from policygen.cli.app import COMMANDS, EPILOG
from policygen.evidence.anomalies import ANOMALY_RULES
from policygen.gate.findings import RULES
from tests.cli.test_pull_requests import PAGE
from tests.support import ROOT
from tests.support.command import run, run_in_root
from tests.support.shell import bash, settled, stand_in

README = ROOT / "README.md"
GATE_PAGE = ROOT / "docs" / "guides" / "gate.md"
GATE_CASES = ROOT / "docs" / "reference" / "gate.md"
SCREEN = re.compile(
    r"<!-- screen(?:, first (?P<lines>\d+) lines)?: policygen (?P<words>.+?) -->\n"
    r"```(?P<language>\w+)\n(?P<shown>.*?)```\n",
    re.S,
)
"""What a page shows of what a command prints: all of it, or the first lines."""
CODE = re.compile(r"PG-[EW]\d{3}")
CODES = ROOT / "docs" / "reference" / "exit-codes.md"
SOURCES = sorted((ROOT / "policygen").rglob("*.py"))


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "samples").glob("*.md")])


@pytest.mark.parametrize("page", [page for page in PAGES if SCREEN.search(page.read_text("utf-8"))], ids=str)
def test_the_screens_in_a_page_are_real(page: Path) -> None:
    text = page.read_text("utf-8")
    shown = SCREEN.sub(made_anew, text)
    if os.environ.get("POLICYGEN_UPDATE"):
        page.write_text(shown, "utf-8")
    else:
        assert text == shown


def made_anew(found: re.Match[str]) -> str:
    """A shown screen as the command prints it now."""
    made = run_in_root(*shlex.split(found["words"]))
    assert made.code == 0, made.stderr
    lines = made.stdout.splitlines(keepends=True)
    kept = int(found["lines"] or len(lines))
    assert kept <= len(lines)
    head = found.group().split("\n", 1)[0]
    return f"{head}\n```{found['language']}\n{''.join(lines[:kept])}```\n"


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
def test_every_command_is_listed_and_has_help_with_an_example(command: str) -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert f"| `policygen {command}` |" in text
    assert f"<!-- screen: policygen {command} --help -->" in text
    made = run_in_root(command, "--help")
    assert made.code == 0
    assert re.search(rf"policygen {command}\s", made.stdout.split("Options:")[0].split("\n", 3)[-1])


def test_the_readme_is_short() -> None:
    assert README.read_text("utf-8").count("\n") <= 140


def test_the_statements_in_the_readme_are_those_of_the_samples() -> None:
    text = README.read_text("utf-8")
    before = re.findall(r"<!-- before -->\n```json\n(.+?)```", text, re.S)
    services, after = re.findall(r"<!-- after: (.+?) -->\n```json\n(.+?)```", text, re.S)[0]
    account = json.loads((ROOT / "samples" / "account.json").read_text("utf-8"))
    role = next(one for one in account["authorization"]["RoleDetailList"] if one["RoleName"] == "orders-api")
    today = [one for policy in role["RolePolicyList"] for one in policy["PolicyDocument"]["Statement"]]
    assert json.loads(before[0]) in today
    assert set(services.split()) == {action.split(":")[0] for action in json.loads(before[0])["Action"]}
    made = run_in_root(*shlex.split(SCREEN.search(text)["words"]), "-q", "-f", "policy")  # type: ignore[index]
    new = json.loads(made.stdout)["Statement"]
    shown = [json.loads(one) for one in re.split(r"\n(?=\{)", after)]
    prefixes = tuple(f"{service}:" for service in services.split())
    key = operator.itemgetter("Sid")
    assert sorted(shown, key=key) == sorted(
        (one for one in new if one["Action"][0].startswith(prefixes)), key=key
    )


GUIDES = (
    "guides/first-role.md", "guides/batch.md", "guides/analyst.md", "guides/read-only.md", "reference/report.md",
    "sources/files.md",
)  # fmt: skip


@pytest.mark.system
def test_every_command_of_the_guides_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    done = []
    for page in GUIDES:
        fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "docs" / page).read_text("utf-8"), re.S | re.M)
        for line in "".join(block for language, block in fenced if not language).splitlines():
            made = run(tmp_path, *shlex.split(line)[1:])
            assert (line, made.code, made.stderr if made.code else "") == (line, 0, "")
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


@pytest.mark.system
def test_what_the_page_on_the_gate_tries_on_the_samples_passes_and_then_fails(tmp_path: Path) -> None:
    place = settled(tmp_path)
    done = bash(place, commands_of(GATE_PAGE)[-1])
    assert done.code == 1, done.stderr
    assert "\ngate passed  image-resizer: nothing new against the policy\n" in "\n" + done.stdout
    (shown,) = re.findall(r"<!-- the last check -->\n```text\n(.*?)```", GATE_PAGE.read_text("utf-8"), re.S)
    assert shown in done.stdout
    error, where = shown.splitlines()[-2:]
    assert f"`{error}{where}`" in README.read_text("utf-8")
    text = " ".join(GATE_PAGE.read_text("utf-8").split("## Try it")[1].split())
    back, proposal = re.findall(r"`(mv iam/[^`]+|policygen report [^`]+)`", text)
    passed = bash(place, f"cd try && {back} && {proposal}")
    assert passed.code == 0, passed.stdout


@pytest.mark.system
def test_every_command_of_the_page_on_the_gate_runs_in_a_repository_of_ones_own(tmp_path: Path) -> None:
    """Beside the checkout; what each block made is on the base branch before the next.

    Of three roles one is in a document, one in Terraform, and one in a template in YAML.
    """
    place = settled(tmp_path)
    stand_in(place, "terraform", TERRAFORM)
    (place / "shown.json").write_text(in_terraform("orders-api"), "utf-8")
    (place / "policygen").symlink_to(ROOT)
    own = Path(shutil.copytree(ROOT / "samples" / "repository", place / "own"))
    (own / "bin").symlink_to(place / "bin")
    (own / "cfn").mkdir()
    (own / "cfn" / "newsletter.yaml").write_text(in_cloudformation("newsletter"), "utf-8")
    account = {"POLICYGEN_LOGS": "../samples/trail", "POLICYGEN_SNAPSHOT": "../samples/account.json"}
    blocks = [*commands_of(GATE_PAGE)[:-1], *commands_of(GATE_CASES)]
    assert len(blocks) >= 12
    git("init", "--quiet", folder=own)
    for block in blocks:
        for role in ("image-resizer", "orders-api", "newsletter") if "ROLE" in block else ("",):
            done = bash(own, block.replace("ROLE", role), **account)
            assert done.code == 0, (block, done.stderr)
        git("add", "--all", folder=own)
        git(
            "-c",
            "user.name=me",
            "-c",
            "user.email=me@example.com",
            "commit",
            "-qm",
            "next",
            "--allow-empty",
            folder=own,
        )
        git("update-ref", "refs/remotes/origin/main", "HEAD", folder=own)
    read = git("rev-parse", "HEAD", folder=ROOT)
    workflows = own / ".github" / "workflows"
    assert sorted(one.name for one in workflows.iterdir()) == ["policygen-plans.yml", "policygen.yml"]
    for file in workflows.iterdir():
        assert f"policygen/policygen@{read} #" in file.read_text("utf-8")
    tables = tomllib.loads((own / "policygen.toml").read_text("utf-8"))["role"]
    files = {
        one["name"]: [one["policy"]] if isinstance(one["policy"], str) else one["policy"] for one in tables
    }
    assert {name: policies[0] for name, policies in files.items()} == {
        "image-resizer": "iam/image-resizer.json",
        "newsletter": "cfn/newsletter.yaml",
        "orders-api": "tfplan/tfplan.json",
    }
    assert git("ls-files", "tfplan", folder=own) == ""


TERRAFORM = """
[ "$1" = -chdir=infra ]
case "$2" in
  plan) touch "${3#-out=}";;
  show) [ -e "$4" ] && cat ../shown.json;;
esac
"""


def inline_of(role: str) -> dict[str, Any]:
    """The inline policy of a role of the samples."""
    account = json.loads((ROOT / "samples" / "account.json").read_text("utf-8"))
    (found,) = [one for one in account["authorization"]["RoleDetailList"] if one["RoleName"] == role]
    (policy,) = found["RolePolicyList"]
    return policy


def in_terraform(role: str) -> str:
    """What Terraform shows of a role's inline policy."""
    values = {"role": role, "policy": json.dumps(inline_of(role)["PolicyDocument"])}
    own = {"address": "aws_iam_role_policy.own", "type": "aws_iam_role_policy", "values": values}
    return json.dumps({"format_version": "1.2", "planned_values": {"root_module": {"resources": [own]}}})


def in_cloudformation(role: str) -> str:
    """A template in YAML, which JSON is too, that makes a role's inline policy."""
    own = {"Type": "AWS::IAM::RolePolicy", "Properties": {"RoleName": role, **inline_of(role)}}
    return json.dumps({"Resources": {"Own": own}})


def git(*words: str, folder: Path) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commands_of(page: Path) -> list[str]:
    """The commands of a page, a text for each block, also of those within a list."""
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```", page.read_text("utf-8"), re.S | re.M)
    return [textwrap.dedent(block) for _, block in blocks]


def test_the_python_that_a_page_shows_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block, *_) = re.findall(r"```python\n(.*?)```", PYTHON_PAGE.read_text("utf-8"), re.S)
    monkeypatch.chdir(ROOT)
    exec(compile(block, PYTHON_PAGE.name, "exec"), {})
    assert '"Statement"' in capsys.readouterr().out


def test_the_page_on_python_has_the_docstrings_of_all_public_names() -> None:
    if os.environ.get("POLICYGEN_UPDATE"):
        PYTHON_PAGE.write_text(python_page(), "utf-8")
    text = PYTHON_PAGE.read_text("utf-8")
    assert text == python_page()
    assert set(re.findall(r"^## (\w+)$", text, re.M)) == set(policygen.__all__)


def test_the_page_on_python_links_what_a_docstring_names() -> None:
    entries = dict(
        re.findall(r"^##+ `?([\w.]+)`?$(.*?)(?=^##|\Z)", PYTHON_PAGE.read_text("utf-8"), re.M | re.S)
    )
    assert "[`Log.requests`](#logrequests)" in entries["requests_frame"].split("\n\n")[2]
    assert "[`suspects`](#logsuspects)" in entries["Log.calls"]  # of its own class
    assert "[`suggest`](#logsuggest)" in entries["Log.plan"]
    assert "[`pg.suggest`](#suggest)" in entries["Log.suggest"]  # not of its class
    assert "[never-used](../concepts/never-used.md)" in entries["changes_frame"]
    assert "(tuples\nof str: which)" in entries["IamAccessor.alike"]  # what it returns is a text, and no list


@pytest.mark.system
def test_the_site_builds_without_a_link_that_leads_nowhere() -> None:
    pytest.importorskip("zensical")
    assert build() == 0
    page = (ROOT / "build" / "site" / "index.html").read_text("utf-8")
    fetched = re.findall(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"?([^\s\">]+)|<link[^>]*\shref=\"?([^\s\">]+)", page
    )
    assert fetched
    assert [one for pair in fetched for one in pair if "//" in one] == []


def test_the_navigation_of_the_site_has_every_page() -> None:
    folder = ROOT / "docs"
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.md")
        if "This page is [" not in path.read_text("utf-8")  # where it was before
    }
    assert set(re.findall(r'"([\w/-]+\.md)"', CONFIG.read_text("utf-8"))) == there


def test_a_link_out_of_the_pages_leads_to_the_repository(tmp_path: Path) -> None:
    prepare(tmp_path / "docs")
    text = (tmp_path / "docs" / "reference" / "reasons.md").read_text("utf-8")
    assert "/blob/main/CONTRIBUTING.md#add-an-aws-service)" in text
    assert "](decisions.md)" in text


def test_every_code_has_a_way_out() -> None:
    text = (ROOT / "docs" / "reference" / "troubleshooting.md").read_text("utf-8")
    rows = re.findall(r"^\| (PG-[EW]\d{3}) \| [^|]+ \| [^|]+ \|$", text, re.M)
    assert rows == sorted(set(rows))
    assert set(raised() | BUG) - set(rows) == set()


def test_the_page_for_readers_names_every_permission_that_reading_the_account_needs() -> None:
    text = (ROOT / "docs" / "guides" / "read-only.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", text))
    # The lists of what exists are many: the page says which command prints them. Of APIs more than the list is read.
    lists = set(list_actions()) - {"apigateway:GET"}
    assert named == {*SNAPSHOT_ACTIONS, *ROLE_ACTIONS} - lists


def test_the_service_file_in_contributing_is_one() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S)
    rules = read_rules(block, "CONTRIBUTING.md")
    assert rules.examples
    assert rules.events


EXITS = {name: kind.exit_code for name, kind in vars(errors).items() if hasattr(kind, "exit_code")}
EXITS |= {
    name: EXITS[made.__annotations__["return"]]
    for name, made in vars(errors).items()
    if inspect.isfunction(made) and made.__annotations__.get("return") in EXITS
}
"""What makes an error, a class or a function, and the exit code that it ends with."""

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
    ours = {0, 70, 130, *EXITS.values()}
    assert {int(n) for n in told.findall(EPILOG)} == ours
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
    return [path for path in files if path.is_symlink() or (path.is_file() and path.suffix != ".gz")]


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    assert README in tracked()
    held = {path: bytes(path.readlink()) if path.is_symlink() else path.read_bytes() for path in tracked()}
    found = {path.name: PRIVATE.findall(content) for path, content in held.items()}
    assert {name: words for name, words in found.items() if words} == {}


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
        (
            "reference/rules/README.md",
            [(f"[{rule.id}]({rule.id}.md)", rule.level, rule.title) for rule in RULES.values()],
        ),
    ],
)
def test_a_page_lists_what_the_program_knows(page: str, rows: list[tuple[str, ...]]) -> None:
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ") and not line.startswith(("| kind", "| rule"))]
    assert table == [f"| {' | '.join(row)} |" for row in rows]
