"""The table of services that call others with their caller's rights: whole in itself, and each line has a source."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from policygen.catalog.forwarding import ANY, forwards_to
from policygen.iam import reference

TABLE = tomllib.loads((files("policygen.catalog") / "data" / "forwarding.toml").read_text("utf-8"))
NOTHING = frozenset[str]()


def test_each_service_has_a_source_and_an_answer_for_every_operation() -> None:
    for service, lines in TABLE.items():
        assert service in reference.prefixes()
        assert lines["source"].startswith("https://docs.aws.amazon.com/")
        assert list(lines)[-1] == "*", "the patterns are tried in order"


def test_what_is_named_are_services_and_actions_that_iam_knows() -> None:
    for lines in TABLE.values():
        for asked in (one for key, value in lines.items() if key != "source" for one in value):
            other, _, needed = asked.partition("?")
            prefixes = {other.partition(":")[0], needed} - {"", ANY}
            assert prefixes <= reference.prefixes(), asked


def test_the_first_pattern_that_fits_counts_in_any_letter_case() -> None:
    assert "s3:*" in forwards_to("dynamodb", "exporttabletopointintime", NOTHING)
    assert "s3:*" not in forwards_to("dynamodb", "getitem", NOTHING)
    assert forwards_to("athena", "getqueryresults", NOTHING) >= {ANY}


def test_any_service_may_ask_for_keys_and_one_that_is_not_listed_for_anything() -> None:
    assert all("kms:*" in forwards_to(service, "x", NOTHING) for service in TABLE)
    assert forwards_to("unheard-of", "getitem", NOTHING) == {ANY}


def test_a_service_may_be_asked_only_where_the_caller_may_use_another() -> None:
    assert "lambda:*" in forwards_to("s3", "getobject", frozenset({"s3-object-lambda"}))
    assert "lambda:*" not in forwards_to("s3", "getobject", NOTHING)


@pytest.mark.parametrize(
    ("service", "operation", "asked"),
    [
        ("comprehend", "detectentities", "textract:*"),
        ("translate", "translatetext", "comprehend:*"),
        ("dynamodb", "updateglobaltablesettings", "application-autoscaling:*"),
        ("rds", "restoredbinstancefromdbsnapshot", ANY),
        ("ses", "sendbulktemplatedemail", "ses:send*"),
        ("ec2", "describelaunchtemplateversions", "ssm:*"),
        ("iam", "listorganizationsfeatures", "organizations:*"),
    ],
)
def test_an_operation_whose_page_names_another_service_may_ask_for_it(
    service: str, operation: str, asked: str
) -> None:
    assert asked in forwards_to(service, operation, NOTHING)
