"""policygen permissions: every option of the command line that it is given counts, in any order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import combinations, permutations

import pytest

from tests.support.command import run_in_root


def granted(line: str) -> set[tuple[str, str]]:
    """The actions, each with its resource, of the policy for a command line."""
    done = run_in_root("permissions", line, "-f", "policy")
    assert (done.code, done.stderr) == (0, ""), line
    statements = json.loads(done.stdout)["Statement"]
    return {(action, one["Resource"]) for one in statements for action in one["Action"]}


def actions(line: str) -> set[str]:
    return {action for action, _ in granted(line)}


def subsets(switches: Iterable[str]) -> list[tuple[str, ...]]:
    switches = tuple(switches)
    return [some for count in range(len(switches) + 1) for some in combinations(switches, count)]


LINES = {
    "snapshot": ("--no-inventory", "--no-last-accessed", "--organization"),
    "suggest --logs lookup:": ("--live", "--no-inventory", "--no-last-accessed"),
    "batch": ("--live", "--no-inventory", "--no-last-accessed"),
}


@pytest.mark.parametrize(("command", "switches"), LINES.items(), ids=[*LINES])
def test_every_switch_counts_in_any_order_and_a_feature_less_never_needs_more(
    command: str, switches: tuple[str, ...]
) -> None:
    found = {}
    for some in subsets(switches):
        first, *others = ({*granted(" ".join((command, *order)))} for order in permutations(some))
        assert all(one == first for one in others), some
        found[frozenset(some)] = {action for action, _ in first}
    for some, needed in found.items():
        for switch in set(switches) - some:
            less, more = found[some | {switch}], needed
            if not switch.startswith("--no-"):
                less, more = more, less
            # Without any source or --live a command is told of all that it might need.
            assert less <= more or (command, switch) == ("batch", "--live"), (some, switch)
    last = found[frozenset({*switches} - {"--no-last-accessed"})] - found[frozenset(switches)]
    assert last == {"iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"}
    assert "sqs:ListQueues" not in found[frozenset(switches)]


def test_the_history_with_the_role_alone() -> None:
    found = actions("suggest --live --no-inventory --no-last-accessed --logs lookup:")
    assert found >= {"cloudtrail:LookupEvents", "iam:GetRole", "lambda:ListFunctions"}
    assert "kms:Decrypt" not in found


@pytest.mark.parametrize("line", ["suggest --logs s3://\x1b[31mBUCKET/x", "suggest --logs \x1b[31mfolder"])
def test_a_command_line_is_shown_without_its_control_characters(line: str) -> None:
    done = run_in_root("permissions", line)
    assert done.code == 0
    assert "\x1b" not in done.stdout
    assert "[31m" in done.stdout


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("snapshot --live", "--live"),
        ("doctor --live --no-inventory", "--no-inventory"),
        ("suggest --logs lookup: --organization", "--organization"),
        ("batch --live orders-api", "orders-api"),
    ],
)
def test_what_the_command_does_not_take_is_an_error_that_names_it(line: str, names: str) -> None:
    done = run_in_root("permissions", line)
    assert (done.code, done.stdout) == (2, "")
    assert f"{names}" in done.stderr.splitlines()[0]
    assert "PG-E222" in done.stderr


def test_files_alone_need_nothing_and_that_is_an_answer() -> None:
    line = "suggest orders-api --logs samples/trail --snapshot samples/account.json"
    done = run_in_root("permissions", line)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{line}\n  needs nothing: it reads files alone\n")
    policy = run_in_root("permissions", line, "-f", "policy")
    assert (policy.code, json.loads(policy.stdout)["Statement"]) == (0, [])
    assert policy.stderr == f"{line} needs nothing: it reads files alone\n"
    # The logs that are read where none are named are the account's trails.
    assert actions("suggest orders-api --snapshot samples/account.json") == actions("suggest --logs auto")


def test_a_folder_of_a_bucket_stays_one() -> None:
    place = "amzn-s3-demo-bucket/AWSLogs/o-a1/111122223333/"
    assert ("s3:GetObject", f"arn:aws:s3:::{place}*") in granted(f"suggest --logs s3://{place}")
