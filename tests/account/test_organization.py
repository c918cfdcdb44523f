"""What limits an account from above."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policygen.account.live import read_role
from policygen.account.model import Account
from policygen.account.snapshot import to_account
from policygen.errors import UsageError
from tests.support.aws_stubs import CASES, IDENTITY, NO_FUNCTIONS, NOW, Stubbed, policy, role_answers

# --- What limits the account from above ----------------------------------------------------------

MANAGER = "999988887777"
ORGANIZATION = {"Id": "o-exampleorgid", "FeatureSet": "ALL"}
FULL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
FULL_RCP = FULL.replace('"Action"', '"Principal": "*", "Action"')


def roots(*kinds: str) -> tuple[str, Any]:
    types = [{"Type": kind, "Status": "ENABLED"} for kind in kinds]
    return ("list_roots", {"Roots": [{"Id": "r-1", "PolicyTypes": types}]})


PARENTS = [
    ("list_parents", {"Parents": [{"Id": "ou-1", "Type": "ORGANIZATIONAL_UNIT"}]}),
    ("list_parents", {"Parents": [{"Id": "r-1", "Type": "ROOT"}]}),
]


def organized(*answers: tuple[str, Any], manager: str = MANAGER) -> Account:
    described = ("describe_organization", {"Organization": ORGANIZATION | {"MasterAccountId": manager}})
    stubbed: Any = Stubbed(
        {"sts": [IDENTITY], "iam": role_answers(), "organizations": [described, *answers], **NO_FUNCTIONS}
    )
    return read_role("role-name", stubbed, now=NOW, organization=True)


def test_policies_of_the_organisation_come_level_by_level_the_root_first() -> None:
    kind = "SERVICE_CONTROL_POLICY"
    only = FULL.replace('"Action": "*"', '"Action": "s3:*"')
    read = organized(
        roots(kind),
        *PARENTS,
        *policy("p-root", kind, FULL),
        *policy("p-unit", kind, FULL),
        *policy("p-account", kind, only),
    )
    assert [[one.name for one in level] for level in read.scps or ()] == [
        ["p-root"],
        ["p-unit"],
        ["p-account"],
    ]
    assert (read.scps or ())[2][0].statements[0].actions == ("s3:*",)
    assert (read.rcps, read.management, read.errors) == ((), False, ())
    assert read.scps_of(read.roles[0]) == read.scps


def test_a_policy_that_is_attached_twice_is_read_once() -> None:
    kind = "RESOURCE_CONTROL_POLICY"
    (listed, described) = policy("p-full", kind, FULL_RCP)
    read = organized(roots(kind), *PARENTS, listed, described, listed, listed)
    assert [len(level) for level in read.rcps or ()] == [1, 1, 1]
    assert read.scps == ()


def test_the_management_account_is_limited_by_no_policy_of_its_organisation() -> None:
    read = organized(manager="123456789012")
    assert (read.management, read.scps_of(read.roles[0]), read.rcps_of(read.roles[0])) == (True, (), ())


def test_an_account_without_an_organisation_is_limited_by_none() -> None:
    stubbed: Any = Stubbed(
        {
            "sts": [IDENTITY],
            "iam": role_answers(),
            "organizations": [("describe_organization", "AWSOrganizationsNotInUseException")],
            **NO_FUNCTIONS,
        }
    )
    read = read_role("role-name", stubbed, now=NOW, organization=True)
    assert (read.scps, read.rcps, read.management, read.errors) == ((), (), False, ())


def test_a_member_account_that_may_not_look_up_knows_nothing_and_says_so() -> None:
    read = organized(("list_roots", "AccessDeniedException"))
    assert (read.scps, read.rcps, read.management) == (None, None, None)
    assert [one.operation for one in read.errors] == ["organizations:ListRoots"]
    assert read.scps_of(read.roles[0]) is None


def test_service_linked_roles_are_limited_by_no_policy_of_the_organisation() -> None:
    content = json.loads((CASES / "acme.json").read_text(encoding="utf-8"))
    content["organization"] = {"management_account": MANAGER, "scps": [[{"Name": "f", "Content": FULL}]]}
    read = to_account(content)
    assert read.scps_of(read.role("AWSServiceRoleForECS")) == ()
    assert len(read.scps_of(read.role("orders-api-fn")) or ()) == 1
    assert read.rcps is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (FULL_RCP.replace('"Principal": "*"', '"Principal": {"AWS": "arn:aws:iam::1:root"}'), "PG-E350"),
        (FULL_RCP.replace('"Principal": "*"', '"NotPrincipal": "*"'), "PG-E350"),
        (FULL_RCP.replace('"Principal": "*"', '"Principal": "*", "Principal": "x"'), "PG-E210"),
        ("not JSON", "PG-E210"),
        ("[]", "PG-E210"),
        ({"Version": "2012-10-17"}, "PG-E210"),
        ({"Version": "2012-10-17", "Statement": ["x"]}, "PG-E210"),
    ],
)
def test_a_resource_control_policy_that_aws_would_not_take_is_refused(content: Any, code: str) -> None:
    part = {"rcps": [[{"Name": "odd", "Content": content}]]}
    with pytest.raises(UsageError, match="resource control policy 'odd'") as caught:
        to_account({"policygen_snapshot": 1, "authorization": {"RoleDetailList": []}, "organization": part})
    assert caught.value.code == code
