"""What the documents count and list is what the program has: figures, tables of reasons, rules and questions."""

from __future__ import annotations

import ast
import json
import re
from typing import get_args

import pytest

from policygen.account import report_reader, resource_reader
from policygen.catalog.action_classes import ClassName, class_of
from policygen.catalog.action_events import event_names
from policygen.evidence.coverage.cost import data_event_price
from policygen.iam import reference
from policygen.logs import registry
from policygen.rightsize import questions
from policygen.rightsize.keep.witnesses import existence
from tests.support import ROOT
from tests.support.command import run_in_root

DOCS = ROOT / "docs"
CONCEPTS = DOCS / "concepts"
WORDS = {"five": 5}


def page(name: str) -> str:
    """A page with its lines joined."""
    return " ".join((DOCS / name).read_text("utf-8").split())


def section(text: str, heading: str) -> str:
    """What stands below a heading."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def test_the_promises_of_the_readme_are_those_that_are_proved() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    files = ("-l", "samples/trail", "-s", "samples/account.json")
    made = run_in_root("suggest", "-r", "orders-api", *files, "-q", "--no-plan", "-f", "json")
    proved = [check["promise"] for check in json.loads(made.stdout)["proof"]]
    (table,) = re.findall(r"^\| promise \|.+?\n\n", section(text, "Why trust it"), re.M | re.S)
    rows = re.findall(r"^\| ([a-z ]+) \| .+ \|$", table, re.M)
    assert rows == ["promise", *proved, "honest"]
    assert len(proved) == 4


def names_of_reasons(node: ast.AST) -> list[str]:
    """What is the name of a reason: the first of a Reason's or a tuple's texts, of which a sentence is next."""
    parts = (
        node.elts if isinstance(node, ast.Tuple) else
        node.args if isinstance(node, ast.Call) and ast.unparse(node.func) == "Reason" else []
    )  # fmt: skip
    first = parts[0] if len(parts) > 1 else None
    name = first.value if isinstance(first, ast.Constant) else None
    return [name] if isinstance(name, str) and name.islower() else []


def test_the_page_on_the_answers_lists_every_reason() -> None:
    assess = ROOT / "policygen/rightsize/assess"
    tree = ast.parse((assess / "readiness.py").read_text("utf-8"))
    about = [node for node in tree.body if ast.unparse(node).removeprefix("def ").startswith("_")]
    about += ast.parse((assess / "few_runs.py").read_text("utf-8")).body
    given = {text for part in about for node in ast.walk(part) for text in names_of_reasons(node)}
    rows = re.findall(r"^\| `([a-z-]+)` \|", (CONCEPTS / "evidence.md").read_text("utf-8"), re.M)
    assert sorted(rows) == sorted(given)
    assert len(rows) > 15
    entries = re.findall(r"^### `([a-z-]+)`$", (DOCS / "reference" / "reasons.md").read_text("utf-8"), re.M)
    assert entries == rows


def test_the_page_on_questions_lists_every_answer() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (CONCEPTS / "questions.md").read_text("utf-8"), re.M)
    assert sorted(rows) == sorted(get_args(questions.Answer))


def test_the_page_on_permissions_that_nobody_used_lists_every_rule_of_a_witness() -> None:
    text = (CONCEPTS / "never-used.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|", text, re.M)
    assert sorted(rows) == sorted([*get_args(ClassName), "code"])
    beside = (CONCEPTS / "blind-spots.md").read_text("utf-8")
    folder = ROOT / "policygen/rightsize/keep"
    rules = set()
    for path in folder.rglob("*.py"):
        rules |= set(re.findall(r'Removal\([^)]*?, "([a-z-]+)", [a-zA-Z_]+', path.read_text("utf-8")))
    assert rules >= {"nothing-exists", "out-of-reach", "tags-at-creation", "explained-attempt"}
    for rule in ("nothing-exists", "out-of-reach", "tags-at-creation"):
        assert f"**{rule}" in beside, rule


def hundreds(number: int) -> str:
    """A number as prose has it: to the nearest hundred."""
    return f"{round(number, -2):,}"


def test_the_actions_without_a_call_are_as_many_as_the_page_says() -> None:
    every = [name for prefix in reference.prefixes() for name in reference.action_names(prefix)]
    uncalled = [name for name in every if not event_names(name)]
    known = [name for name in uncalled if class_of(name)]
    assert (
        f"About {hundreds(len(uncalled))} of IAM's {hundreds(len(every))} actions have no call of their own"
        in page("concepts/never-used.md")
    )
    assert f"knows for {hundreds(len(known))} of them who does ask" in page("concepts/never-used.md")


@pytest.mark.parametrize(
    ("where", "sentence", "number"),
    [
        (
            "reference/snapshot.md",
            r"list the resources of (\d+) types",
            len(resource_reader.resource_lists()),
        ),
        ("reference/snapshot.md", r"has enabled, (\d+) calls at a time", resource_reader.WORKERS),
        ("reference/snapshot.md", r"at most (\d+) reports are being made", report_reader.OPEN_JOBS),
        ("concepts/evidence.md", r"at most (\w+) for each role", questions.MOST),
        ("concepts/questions.md", r"into at most (\w+) questions", questions.MOST),
        ("concepts/how-it-works.md", r"at most (\w+) \[questions\]", questions.MOST),
        ("concepts/blind-spots.md", r"there are few \((\d+) at most\)", existence._FEW),
    ],
)
def test_a_number_in_a_page_is_the_programs(where: str, sentence: str, number: int) -> None:
    found = re.search(sentence, page(where))
    assert found, sentence
    assert (WORDS.get(found[1]) or int(found[1])) == number


def test_the_price_of_data_events_is_the_tables() -> None:
    price = data_event_price()
    told = f"${price.dollars:.2f} per {price.events:,} for each trail, which is ${price.of(1e6):.2f} for a million"
    assert told in page("concepts/blind-spots.md")


def test_every_kind_of_log_source_has_a_recipe() -> None:
    recipes = "\n".join(path.read_text("utf-8") for path in (DOCS / "sources").glob("*.md"))
    schemes = sorted(registry.SCHEMES)
    assert len(schemes) > 4
    assert [one for one in schemes if one != "file" and not re.search(rf"--logs '?{one}\b", recipes)] == []
