"""`policygen check --write-roles`: which policies belong to which role, from plans and the files of a repository."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Done, run
from tests.support.samples import SAMPLES

ROLES = ("orders-api", "image-resizer")
ACCOUNT = json.loads((SAMPLES / "account.json").read_text("utf-8"))["authorization"]
INLINE = {
    role["RoleName"]: role["RolePolicyList"][0]["PolicyDocument"]
    for role in ACCOUNT["RoleDetailList"]
    if role["RoleName"] in ROLES
}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
FACES = "arn:aws:iam::aws:policy/AmazonRekognitionFullAccess"
OF_ORDERS = [
    BASIC,
    *(
        f"arn:aws:iam::aws:policy/{name}"
        for name in (
            "AmazonDynamoDBFullAccess_v2", "AmazonS3FullAccess", "AmazonSQSFullAccess", "AWSXRayDaemonWriteAccess",
        )
    ),
]  # fmt: skip
OWN = "arn:aws:iam::111122223333:policy/shop/read-shelves"
SHELVES = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"},
}
OTHER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}],
}
BESIDE_OWN = "iam/orders-api.json"


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plans of two roles, which have paths, an inline policy each, and managed ones of AWS."""
    at = tmp_path_factory.mktemp("roles")
    for role in ROLES:
        logs = ("-l", SAMPLES / "trail", "-s", SAMPLES / "account.json", "--plans", at / "plans")
        assert run(at, "suggest", "-r", role, *logs, "-q", "-f", "policy").code == 0
    return at / "plans"


@pytest.fixture
def place(plans: Path, tmp_path: Path) -> Path:
    """A repository without policies, and the plans, to change."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "plans").mkdir()
    for role in ROLES:
        (tmp_path / "plans" / f"{role}.json").write_bytes((plans / f"{role}.json").read_bytes())
    return tmp_path


def put(place: Path, file: str, content: Any) -> None:
    (place / file).parent.mkdir(parents=True, exist_ok=True)
    (place / file).write_text(content if isinstance(content, str) else json.dumps(content, indent=2), "utf-8")


def unchanged(place: Path) -> None:
    """Put the documents of today into the repository."""
    for role, document in INLINE.items():
        put(place, f"iam/{role}.json", document)


def change(place: Path, role: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the plan of a role."""
    file = place / "plans" / f"{role}.json"
    plan = json.loads(file.read_text("utf-8"))
    edit(plan)
    file.write_text(json.dumps(plan), "utf-8")


def attach(place: Path, arn: str, document: Any) -> None:
    """Let the role orders-api have one more managed policy."""
    new = {"name": arn.rpartition("/")[2], "document": document, "kind": "managed", "arn": arn, "size": 1}
    change(place, "orders-api", lambda plan: plan["today"].append(new))


def written(place: Path, *words: str | Path) -> tuple[Done, dict[str, Any]]:
    """Write the tables; return what was said, and name -> policies."""
    done = run(place, "check", "--write-roles", "--plans", place / "plans", *words)
    file = place / "policygen.toml"
    tables = tomllib.loads(file.read_text("utf-8"))["role"] if file.exists() else []
    return done, {one["name"]: one["policy"] for one in tables}


def findings(place: Path, role: str = "") -> list[dict[str, Any]]:
    done = run(place, "check", "--all", "--plans", "plans", "-q", "-f", "json")
    assert done.code < 2, done.stderr
    told = json.loads(done.stdout)
    reports = told.get("reports", [told])
    return [one for report in reports if role in {"", report["role"]} for one in report["findings"]]


def breaks(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if one["rule"] in {"PG105", "PG108", "PG201", "PG202"}]


def test_an_unchanged_repository_gets_tables_with_which_nothing_breaks(place: Path) -> None:
    unchanged(place)
    done, roles = written(place)
    assert roles == {
        "image-resizer": ["iam/image-resizer.json", BASIC, FACES],
        "orders-api": [BESIDE_OWN, *OF_ORDERS],
    }
    assert done.stderr == (
        "policygen.toml: 2 roles added\n"
        "  image-resizer  iam/image-resizer.json, 2 ARNs\n"
        "  orders-api     iam/orders-api.json, 5 ARNs\n"
        f"next: policygen check --all --plans {place}/plans --write-baseline policygen-baseline.json\n"
    )
    assert (done.stdout, done.code) == ("", 0)
    assert breaks(findings(place)) == []


def test_without_any_of_the_policies_calls_are_denied(place: Path) -> None:
    """The other way: each policy that a table names is one that the role needs or has."""
    unchanged(place)
    written(place)
    file = place / "policygen.toml"
    file.write_text(file.read_text("utf-8").replace(f'  "{FACES}",\n', ""), "utf-8")
    assert {one["rule"] for one in breaks(findings(place, "image-resizer"))} == {"PG201"}


WRITTEN_ALIKE = {
    "as it is": INLINE["orders-api"],
    "in another order, with other ids": {
        "Version": "2012-10-17",
        "Id": "orders",
        "Statement": [{**one, "Sid": f"S{number}"} for number, one in enumerate(INLINE["orders-api"]["Statement"])][
            ::-1
        ],
    },
    "as the tool writes several": {"policies": [{"name": "a", "document": INLINE["orders-api"]}]},
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN_ALIKE)
def test_a_file_is_found_by_what_it_holds_whatever_it_is_called(name: str, place: Path) -> None:
    put(place, "deep/down/Policy of the shop.JSON", WRITTEN_ALIKE[name])
    done, roles = written(place)
    assert roles == {"orders-api": ["deep/down/Policy of the shop.JSON", *OF_ORDERS]}
    assert (
        "  left out: image-resizer: no file here has their policies; --plan NAME adds the ARNs\n"
        in done.stderr
    )
    assert "warning" not in done.stderr


def test_a_managed_policy_of_the_account_is_its_file_or_else_its_arn(place: Path) -> None:
    unchanged(place)
    attach(place, OWN, SHELVES)
    assert written(place)[1]["orders-api"] == [BESIDE_OWN, *OF_ORDERS, OWN]
    (place / "policygen.toml").unlink()
    put(place, "iam/shelves.json", SHELVES)
    assert written(place)[1]["orders-api"] == [BESIDE_OWN, "iam/shelves.json", *OF_ORDERS]
    assert breaks(findings(place)) == []


def test_a_file_that_holds_two_policies_of_the_role_in_one_is_that_of_both(place: Path) -> None:
    attach(place, OWN, SHELVES)
    both = {**INLINE["orders-api"], "Statement": [*INLINE["orders-api"]["Statement"], SHELVES["Statement"]]}
    put(place, "iam/both.json", both)
    assert written(place)[1] == {"orders-api": ["iam/both.json", *OF_ORDERS]}
    assert breaks(findings(place)) == []


def test_a_file_with_more_than_the_role_has_is_not_its_own(place: Path) -> None:
    put(place, "all.json", {"policies": [INLINE["orders-api"], OTHER]})
    done, roles = written(place, "--plan", "orders-api")
    assert roles == {"orders-api": OF_ORDERS}
    assert (
        "warning: orders-api: not placed: its inline policy 'orders-api-inline': no file holds it\n"
        in done.stderr
    )
    assert "aws iam get-role-policy" in done.stderr
    assert "# not placed: its inline policy 'orders-api-inline': no file holds it\n" in (
        place / "policygen.toml"
    ).read_text("utf-8")


@pytest.mark.parametrize(
    "file",
    ["iam/orders-api.json", "orders-api/policy.json", "a/Orders-Api-Inline.json", "orders-api.policy.json"],
)
def test_a_file_that_was_changed_is_found_by_its_name_and_that_is_said(file: str, place: Path) -> None:
    put(place, file, OTHER)
    put(
        place,
        "orders-api-trust.json",
        {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]},
    )
    done, roles = written(place)
    assert roles == {"orders-api": [file, *OF_ORDERS]}
    assert f"  orders-api  {file} (by its name: the role has another policy today), 5 ARNs\n" in done.stderr


def test_of_two_inline_policies_each_is_found_by_its_own_name_and_by_no_other(place: Path) -> None:
    second = {"name": "mail", "document": SHELVES, "kind": "inline", "arn": "", "size": 1}
    change(place, "orders-api", lambda plan: plan["today"].append(second))
    put(place, "iam/orders-api.json", OTHER)
    put(place, "iam/orders-api/mail.json", OTHER)
    done, roles = written(place)
    assert roles == {"orders-api": ["iam/orders-api/mail.json", *OF_ORDERS]}
    assert "not placed: its inline policy 'orders-api-inline': no file holds it\n" in done.stderr


def test_a_name_is_not_enough_where_the_file_is_another_roles(place: Path) -> None:
    put(place, "iam/orders-api.json", INLINE["image-resizer"])
    assert written(place)[1] == {"image-resizer": ["iam/orders-api.json", BASIC, FACES]}


def test_of_several_files_that_hold_it_one_is_called_like_the_role_or_none_is_taken(place: Path) -> None:
    put(place, "prod/a.json", INLINE["orders-api"])
    put(place, "test/a.json", INLINE["orders-api"])
    done, roles = written(place, "--plan", "orders-api")
    assert roles == {"orders-api": OF_ORDERS}
    assert "'orders-api-inline': prod/a.json, test/a.json all hold it\n" in done.stderr
    (place / "policygen.toml").unlink()
    put(place, "test/orders-api/a.json", INLINE["orders-api"])
    assert written(place)[1] == {"orders-api": ["test/orders-api/a.json", *OF_ORDERS]}


def test_what_is_hidden_linked_or_installed_is_not_looked_at(place: Path) -> None:
    for folder in (".cache", "node_modules/x"):
        put(place, f"{folder}/orders-api.json", INLINE["orders-api"])
    (place / "orders-api.json").symlink_to(place / ".cache" / "orders-api.json")
    done, roles = written(place)
    assert (done.code, roles) == (4, {})
    assert done.stderr.startswith(
        "error: no file below '.' has a policy of 2 roles with a plan  PG-E348, exit 4\n"
    )


def test_roles_of_one_name_in_two_accounts_are_called_by_their_arns(place: Path) -> None:
    other = "arn:aws:iam::444455556666:role/ci/orders-api"
    plan = json.loads((place / "plans" / "orders-api.json").read_text("utf-8"))
    own = plan["role"]["arn"]
    plan["role"] |= {"account": "444455556666", "arn": other}
    put(place, "plans/orders-api-444455556666.json", plan)
    unchanged(place)
    roles = written(place)[1]
    assert list(roles) == ["image-resizer", own, other]
    assert roles[own] == roles[other] == [BESIDE_OWN, *OF_ORDERS]
    assert breaks(findings(place)) == []


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_tables_that_are_there_stay_as_they_are(end: str, place: Path) -> None:
    unchanged(place)
    before = f'# ours\n\n[[role]]\nname = "orders-api"\npolicy = "mine.json"{end}'
    put(place, "policygen.toml", before)
    done, roles = written(place)
    text = (place / "policygen.toml").read_text("utf-8")
    assert text.startswith(before)
    assert roles == {"orders-api": "mine.json", "image-resizer": ["iam/image-resizer.json", BASIC, FACES]}
    assert "policygen.toml: 1 role added; 1 had a [[role]], and keep it\n" in done.stderr
    again, _ = written(place)
    assert (again.stderr, again.code) == ("policygen.toml: 0 roles added; 2 had a [[role]], and keep it\n", 0)
    assert (place / "policygen.toml").read_text("utf-8") == text


def test_a_role_that_is_named_by_its_arn_is_there(place: Path) -> None:
    unchanged(place)
    put(
        place,
        "policygen.toml",
        '[[role]]\nname = "arn:aws:iam::111122223333:role/service-role/orders-api"\npolicy = "mine.json"\n',
    )
    assert set(written(place)[1]) == {
        "arn:aws:iam::111122223333:role/service-role/orders-api",
        "image-resizer",
    }


def test_a_pyproject_toml_with_settings_gets_them(place: Path) -> None:
    unchanged(place)
    put(place, "pyproject.toml", '[project]\nname = "shop"\n[tool.policygen]\ndays = 60\n')
    done, _ = written(place)
    assert "\npyproject.toml: 2 roles added\n" in done.stderr
    assert breaks(findings(place)) == []


def test_a_list_of_roles_in_one_line_is_refused_and_kept(place: Path) -> None:
    unchanged(place)
    before = 'role = [{ name = "a", policy = "b.json" }]\n'
    put(place, "policygen.toml", before)
    done = run(place, "check", "--write-roles", "--plans", "plans")
    assert (
        "policygen.toml does not say which policy a role has: role must be tables, each under [[role]]"
        in done.stderr
    )
    assert (done.code, (place / "policygen.toml").read_text("utf-8")) == (2, before)


def test_from_a_folder_within_the_nearest_file_gets_them(place: Path) -> None:
    unchanged(place)
    put(place, "policygen.toml", "")
    done = run(place / "iam", "check", "--write-roles", "--plans", "../plans")
    assert done.stderr.startswith("../policygen.toml: 2 roles added\n")
    assert breaks(findings(place)) == []


def test_only_files_and_folders_that_are_given_are_looked_at(place: Path) -> None:
    unchanged(place)
    put(place, "old/orders-api.json", INLINE["orders-api"])
    assert set(written(place, "old")[1]) == {"orders-api"}
    (place / "policygen.toml").unlink()
    assert set(written(place, "iam/image-resizer.json")[1]) == {"image-resizer"}


def of_cloudformation(document: Any, *, name: str = "orders-api") -> dict[str, Any]:
    policy = {"PolicyName": "orders-api-inline", "PolicyDocument": document}
    role = {"RoleName": name, "ManagedPolicyArns": OF_ORDERS, "Policies": [policy]}
    return {"Resources": {"Orders": {"Type": "AWS::IAM::Role", "Properties": role}}}


def of_terraform(document: Any) -> dict[str, Any]:
    resources = [
        ("aws_iam_role.orders", {"name": "orders-api", "path": "/service-role/"}),
        (
            "aws_iam_role_policy.orders",
            {"name": "orders-api-inline", "role": "orders-api", "policy": json.dumps(document)},
        ),
        *(
            (f"aws_iam_role_policy_attachment.a{number}", {"role": "orders-api", "policy_arn": arn})
            for number, arn in enumerate(OF_ORDERS)
        ),
    ]
    listed = [{"address": one, "type": one.partition(".")[0], "values": values} for one, values in resources]
    return {"format_version": "1.2", "planned_values": {"root_module": {"resources": listed}}}


TEMPLATES = {
    "template.json": of_cloudformation(INLINE["orders-api"]),
    "template.yaml": json.dumps(of_cloudformation(INLINE["orders-api"])),  # JSON is YAML
    "tfplan.json": of_terraform(INLINE["orders-api"]),
}


@pytest.mark.parametrize("file", TEMPLATES)
def test_a_template_with_the_role_stands_for_all_that_it_says(file: str, place: Path) -> None:
    put(place, file, TEMPLATES[file])
    assert written(place)[1] == {"orders-api": file}
    assert breaks(findings(place)) == []


def test_what_a_template_does_not_say_is_named_besides(place: Path) -> None:
    attach(place, OWN, SHELVES)
    put(place, "template.json", of_cloudformation(OTHER))  # it changes the inline policy
    assert written(place)[1] == {"orders-api": ["template.json", OWN]}
    assert {one["subject"] for one in breaks(findings(place))} >= {"secretsmanager:GetSecretValue"}


def test_of_several_templates_with_the_role_none_is_taken(place: Path) -> None:
    for stage in ("prod", "test"):
        put(place, f"{stage}/template.json", of_cloudformation(INLINE["orders-api"]))
    done, roles = written(place, "--plan", "orders-api")
    assert roles == {"orders-api": OF_ORDERS}
    assert "prod/template.json, test/template.json all have the role\n" in done.stderr
    (place / "policygen.toml").unlink()
    unasked, roles = written(place)
    assert roles == {}
    assert "prod/template.json, test/template.json all have the role\n" in unasked.stderr


def test_a_template_with_a_role_of_that_logical_name_and_nothing_else_of_it_is_anothers(place: Path) -> None:
    change(place, "orders-api", lambda plan: plan["role"].update(name="shop-Orders-1ABCDEF"))
    (place / "plans" / "orders-api.json").rename(place / "plans" / "shop-Orders-1ABCDEF.json")
    template = of_cloudformation(INLINE["orders-api"])
    role = template["Resources"]["Orders"]["Properties"]
    del role["RoleName"]
    put(place, "template.json", template)
    assert written(place)[1] == {"shop-Orders-1ABCDEF": "template.json"}
    (place / "policygen.toml").unlink()
    role |= {"ManagedPolicyArns": [], "Policies": [{"PolicyName": "a", "PolicyDocument": OTHER}]}
    put(place, "template.json", template)
    assert written(place)[1] == {}


def test_a_template_that_does_not_tell_a_value_is_told(place: Path) -> None:
    unchanged(place)
    put(place, "template.json", of_cloudformation({"Fn::ImportValue": "orders"}))
    done, roles = written(place)
    assert "not looked at" not in done.stderr
    assert roles["orders-api"][0] == "template.json"


def test_without_pyyaml_no_table_is_written_that_would_lack_what_a_yaml_template_has(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run leaves the tables that are there, so it would not add the template."""
    put(place, "iam/image-resizer.json", INLINE["image-resizer"])
    put(place, "cfn/orders.yaml", json.dumps(of_cloudformation(INLINE["orders-api"])))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "yaml", None)
        done, roles = written(place)
        assert (done.code, roles) == (2, {})
        assert "error: cfn/orders.yaml is YAML" in done.stderr
        assert "PG-E252, exit 2\n  hint: pip install '.[yaml]' in the checkout" in done.stderr
        assert written(place, place / "iam")[1] == {"image-resizer": ["iam/image-resizer.json", BASIC, FACES]}
    (place / "policygen.toml").unlink()
    assert set(written(place)[1]) == set(ROLES)


def test_where_policies_may_be_in_code_that_is_not_read_the_way_to_read_it_is_told(place: Path) -> None:
    put(place, "iam/image-resizer.json", INLINE["image-resizer"])
    put(place, "infra/deep/main.tf", 'resource "aws_iam_role_policy" "orders" {}')
    put(place, ".terraform/modules/a/main.tf", 'resource "aws_iam_role_policy" "orders" {}')
    told = "warning: not read: infra/deep/main.tf; it may grant more: terraform plan -out=tfplan && terraform show "
    assert told in written(place)[0].stderr
    (place / "policygen.toml").unlink()
    plan = {
        "format_version": "1.2",
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": "aws_iam_role_policy.a",
                        "type": "aws_iam_role_policy",
                        "values": {"role": "orders-api", "policy": json.dumps(INLINE["orders-api"])},
                    }
                ]
            }
        },
    }
    put(place, "tfplan/tfplan.json", plan)
    done, roles = written(place)
    assert (roles["orders-api"][0], "warning" in done.stderr) == ("tfplan/tfplan.json", False)


def test_a_role_is_not_said_to_be_in_no_file_where_one_could_not_be_read(place: Path) -> None:
    put(place, "iam/image-resizer.json", INLINE["image-resizer"])
    put(place, "iam/orders-api.json", '{"Statement": [{"Effect": "Allow",')
    assert "left out: orders-api: no file that could be read has their policies; " in written(place)[0].stderr


def test_a_file_that_cannot_be_read_is_told_where_something_is_missing(place: Path) -> None:
    put(place, "iam/orders-api.json", '{"Statement": [{"Effect": "Allow",')
    done, _ = written(place)
    assert done.code == 4
    assert "warning: not looked at: policy 'iam/orders-api.json' cannot be read: " in done.stderr
    assert "PG-E210\n" in done.stderr


def test_a_plan_without_todays_policies_and_a_document_that_was_not_read_have_no_place(place: Path) -> None:
    unchanged(place)
    change(place, "image-resizer", lambda plan: plan.update(today=None))
    change(place, "orders-api", lambda plan: plan.update(today_unread=[OWN]))
    done, roles = written(place)
    assert set(roles) == {"orders-api"}
    assert (
        "warning: not placed: image-resizer: the plan has no policies of today; --live adds them\n"
        in done.stderr
    )
    assert f"warning: orders-api: not placed: {OWN}: the plan does not have its document\n" in done.stderr


def test_a_file_among_the_plans_that_is_none_is_told_and_hides_nothing(place: Path) -> None:
    unchanged(place)
    put(place, "plans/notes.json", {"a": 1})
    done, roles = written(place)
    assert set(roles) == set(ROLES)
    assert done.stderr.startswith("warning: ")
    assert "notes.json" in done.stderr.splitlines()[0]


def test_a_file_name_writes_no_second_line(place: Path) -> None:
    put(place, 'a"\n[[role]].json', INLINE["orders-api"])
    done, roles = written(place)
    assert roles == {"orders-api": ['a"\n[[role]].json', *OF_ORDERS]}
    assert "\n[[role]].json" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--all",),
        ("-r", "a"),
        ("--baseline", "b"),
        ("--write-baseline", "b"),
        ("-l", "x"),
        ("--kind", "trust"),
    ],
)
def test_what_says_nothing_of_the_tables_is_refused(words: Sequence[str], place: Path) -> None:
    done = run(place, "check", "--write-roles", *words)
    assert done.code == 2
    assert "PG-E248" in done.stderr
    assert not (place / "policygen.toml").exists()
