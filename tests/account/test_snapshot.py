"""The snapshot file: what it gives, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from policygen.account.current import current_access
from policygen.account.inventory import ResourceItem, Resources
from policygen.account.model import unqualified
from policygen.account.snapshot import load_snapshot, to_account
from policygen.account.snapshot_schema import Organization, Snapshot
from policygen.errors import IncompleteError, NothingFoundError, UsageError
from tests.support import ROOT
from tests.support.aws_stubs import CASES, cases, told

# --- The file ------------------------------------------------------------------------------------


def test_a_snapshot_gives_each_role_whole() -> None:
    account = load_snapshot(CASES / "acme.json")
    role = account.role("orders-api-fn")
    assert (account.account_id, account.partition, account.generated_at) == (
        "123456789012",
        "aws",
        "2026-11-24T22:31:00Z",
    )
    assert role.key == (
        "123456789012",
        "AROAORDERSAPIFN000001",
        "arn:aws:iam::123456789012:role/service-role/orders-api-fn",
        "orders-api-fn",
    )
    assert [policy.name for policy in role.identity_policies] == ["OrdersFnPolicy", "shared"]
    assert role.boundary is not None
    assert (role.boundary.name, role.path, role.tags) == ("ceiling", "/service-role/", {"team": "orders"})
    assert (role.create_date, role.last_used) == ("2025-03-01T09:00:00Z", "2026-11-20T10:00:00Z")
    assert role.trust["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_of_a_managed_policy_the_default_version_counts() -> None:
    shared = load_snapshot(CASES / "acme.json").role("orders-api-fn").attached[0]
    assert shared.policy is not None
    assert shared.policy.statements[0].actions == ("s3:GetObject",)


def test_the_default_version_need_not_be_the_newest() -> None:
    content = json.loads((CASES / "acme.json").read_text(encoding="utf-8"))
    newest, older = content["authorization"]["Policies"][0]["PolicyVersionList"]
    newest["IsDefaultVersion"], older["IsDefaultVersion"] = False, True
    shared = to_account(content).role("orders-api-fn").attached[0]
    assert shared.policy is not None
    assert shared.policy.statements[0].actions == ("s3:*",)


def test_policies_and_boundaries_without_a_document_are_named_as_missing() -> None:
    account = load_snapshot(CASES / "acme.json")
    assert account.role("orders-api-fn").missing == ("arn:aws:iam::123456789012:policy/gone",)
    assert account.role("orders-fn-dev").missing == ("arn:aws:iam::aws:policy/PowerUserAccess",)
    assert account.role("AWSServiceRoleForECS").missing == ()


def test_roles_that_nobody_may_edit_are_known_by_name_and_path() -> None:
    roles = load_snapshot(CASES / "acme.json").roles
    assert [role.name for role in roles if role.service_linked] == ["AWSServiceRoleForECS"]
    assert [role.name for role in roles if role.sso_managed] == ["AWSReservedSSO_admin_0123456789abcdef"]


def test_an_ordinary_role_named_like_one_of_sso_is_not_managed_by_it() -> None:
    content = {
        "RoleDetailList": [
            {"RoleName": "AWSReservedSSO_x", "Arn": "arn:aws:iam::123456789012:role/AWSReservedSSO_x"}
        ]
    }
    assert not to_account(content).roles[0].sso_managed


def test_functions_tell_what_the_platform_needs_of_their_role() -> None:
    account = load_snapshot(CASES / "acme.json")
    functions = account.functions_of(account.role("orders-api-fn"))
    assert functions is not None
    (function,) = functions
    assert (function.log_group, function.tracing, function.vpc, function.region) == (
        "/orders",
        True,
        True,
        "eu-west-1",
    )
    assert function.kms_key.endswith("key/k")
    assert function.dead_letter.endswith(":dlq")


def test_a_function_without_extras_logs_to_the_usual_group_and_nothing_else() -> None:
    account = load_snapshot(CASES / "acme.json")
    (function,) = account.functions_of(account.role("orders-fn-dev")) or ()
    assert (function.log_group, function.tracing, function.vpc) == ("/aws/lambda/orders-dev", False, False)
    assert (function.kms_key, function.dead_letter) == ("", "")


def test_a_mapping_to_an_alias_is_the_functions_and_one_of_a_longer_name_is_not() -> None:
    account = load_snapshot(CASES / "acme.json")
    function = next(entry for entry in account.functions or () if entry.name == "orders-api")
    of_function = [m for m in account.mappings or () if unqualified(m.function_arn) == function.unqualified]
    assert [mapping.uuid for mapping in of_function] == ["m-1"]


def test_a_trail_whose_state_was_refused_is_unknown_not_off() -> None:
    account = load_snapshot(CASES / "acme.json")
    org, own = account.trails or ()
    assert (org.logging, org.selectors, org.advanced, org.organization) == (None, None, None, True)
    assert (own.logging, len(own.selectors or ()), own.advanced, own.prefix) == (True, 1, (), "p")
    assert account.errors[0].operation == "cloudtrail:GetTrailStatus"


def test_the_bare_output_of_iam_gives_the_same_roles_and_nothing_about_the_rest() -> None:
    bare, whole = load_snapshot(CASES / "acme-authorization.json"), load_snapshot(CASES / "acme.json")
    assert bare.roles == whole.roles
    assert bare.account_id == "123456789012"
    assert (bare.functions, bare.mappings, bare.trails, bare.regions, bare.generated_at) == (
        None,
        None,
        None,
        None,
        "",
    )
    assert bare.functions_of(bare.roles[0]) is None


@pytest.mark.parametrize("page", [{"IsTruncated": True}, {"Marker": "x"}, {"NextToken": "x"}])
def test_one_page_of_several_is_not_taken_for_the_account(page: dict[str, Any]) -> None:
    account = to_account({"RoleDetailList": [], **page})
    assert account.errors[0].code == "Truncated"
    with pytest.raises(NothingFoundError, match="no role named") as caught:
        account.role("x")
    assert "one page of several" in told(caught.value)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: gzip.compress(text.encode()), id="gzip"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="utf-8 with a byte order mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16 as PowerShell writes it"),
    ],
)
def test_files_are_read_however_they_were_saved(encode: Any, tmp_path: Path) -> None:
    file = tmp_path / "account"
    file.write_bytes(encode((CASES / "acme.json").read_text(encoding="utf-8")))
    assert load_snapshot(file) == load_snapshot(CASES / "acme.json")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": x}', "byte 6"),
        (b'{"a":', "byte 5"),
        (b"", "byte 0"),
        (b'{"policygen_snapshot": "\xff"}', "position"),
        (b"[" * 100_000, "recursion"),
        (gzip.compress(b"{}" * 1000, mtime=0)[:-9], "end-of-stream"),
        (b"\x1f\x8b\x08damaged-beyond-repair", "not JSON"),
    ],
    ids=["a stray character", "cut off", "empty", "not UTF-8", "too deep", "cut gzip", "damaged gzip"],
)
def test_what_is_not_json_is_refused_with_its_place(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load_snapshot(file)
    assert caught.value.code == "PG-E212"
    assert says in told(caught.value)


def test_a_file_that_is_not_there_is_refused_with_a_way_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_snapshot(tmp_path / "none.json")
    assert caught.value.code == "PG-E211"
    assert "get-account-authorization-details" in told(caught.value)


@cases("malformed.json")
def test_malformed(case: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        to_account(case["content"])
    assert caught.value.code == case["code"]
    assert [part for part in case["says"] if part not in told(caught.value)] == []


@cases("lookups.json")
def test_lookup(case: dict[str, Any]) -> None:
    account = load_snapshot(CASES / "acme.json")
    if "role" in case:
        assert account.role(case["ask"]).name == case["role"]
        return
    with pytest.raises(NothingFoundError) as caught:
        account.role(case["ask"])
    assert [part for part in case["error"] if part not in told(caught.value)] == []


def test_a_role_named_like_the_id_of_another_is_not_found_in_its_place() -> None:
    arn = "arn:aws:iam::123456789012:role/"
    rows = [
        {"RoleName": "real", "RoleId": "AROA1", "Arn": f"{arn}real"},
        {"RoleName": "aroa1", "RoleId": "AROA2", "Arn": f"{arn}aroa1"},
    ]
    for order in (rows, rows[::-1]):
        assert to_account({"RoleDetailList": order}).role("AROA1").name == "real"


DETAIL: dict[str, Any] = {
    "RoleName": "web",
    "Arn": "arn:aws:iam::123456789012:role/web",
    "RolePolicyList": [],
    "AttachedManagedPolicies": [],
}
MANAGED: dict[str, Any] = {
    "Arn": "arn:aws:iam::123456789012:policy/send",
    "PolicyVersionList": [
        {"IsDefaultVersion": True, "Document": {"Version": "2012-10-17", "Statement": []}},
    ],
}


@pytest.mark.parametrize("key", ["RolePolicyList", "AttachedManagedPolicies"])
def test_a_role_without_a_list_of_its_policies_is_not_one_without_policies(key: str) -> None:
    account = to_account({"RoleDetailList": [{name: DETAIL[name] for name in DETAIL if name != key}]})
    assert account.roles[0].missing == (key,)
    with pytest.raises(IncompleteError, match=f"{key} of web is not in the account snapshot") as caught:
        current_access(account.roles[0], account)
    assert caught.value.code == "PG-E321"
    assert current_access(account.roles[0], account, allow_incomplete=True).notes[0].endswith(key)


def test_what_stands_twice_counts_once_and_only_where_it_says_the_same() -> None:
    twice = {"RoleDetailList": [DETAIL, DETAIL], "Policies": [MANAGED, MANAGED]}
    assert [role.name for role in to_account(twice).roles] == ["web"]
    other = DETAIL | {"Path": "/", "AttachedManagedPolicies": [{"PolicyArn": MANAGED["Arn"]}]}
    versions = [MANAGED["PolicyVersionList"][0] | {"IsDefaultVersion": False}]
    for changed, says in (
        (
            {"RoleDetailList": [DETAIL, other]},
            "the role arn:aws:iam::123456789012:role/web stands in it twice",
        ),
        (
            twice | {"Policies": [MANAGED, MANAGED | {"PolicyVersionList": versions}]},
            "the policy arn:aws:iam::123456789012:policy/send stands in it twice",
        ),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            to_account(changed)
        assert caught.value.code == "PG-E213"


def test_a_policy_with_two_default_versions_is_not_known() -> None:
    two = MANAGED | {"PolicyVersionList": MANAGED["PolicyVersionList"] * 2}
    role = DETAIL | {"AttachedManagedPolicies": [{"PolicyArn": MANAGED["Arn"]}]}
    account = to_account({"RoleDetailList": [role], "Policies": [two]})
    assert account.roles[0].missing == (MANAGED["Arn"],)


def test_the_page_of_the_format_names_every_field() -> None:
    page = (ROOT / "docs" / "reference" / "snapshot.md").read_text("utf-8")
    named = [
        name for row in re.findall(r"^\| (`.+?`) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)
    ]
    shapes = (Snapshot, Organization, Resources, ResourceItem)
    assert sorted(named) == sorted(field for shape in shapes for field in shape.__struct_fields__)


def test_a_file_without_the_newer_parts_knows_nothing_of_them() -> None:
    read = load_snapshot(CASES / "acme.json")
    assert (read.invoke_configs, read.versions, read.last_accessed, read.scps, read.management) == (None,) * 5
