from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policygen.errors import UsageError
from policygen.iam.document import Policy, Statement, conditions_of, parse_policy

PLAIN = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}
    ],
}
READ = Statement("Allow", ("s3:GetObject",), ("arn:aws:s3:::b/*",), sid="Read")


def with_statement(**changes: object) -> dict[str, object]:
    element = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | changes
    return {"Version": "2012-10-17", "Statement": {k: v for k, v in element.items() if v is not None}}


@pytest.mark.parametrize(
    "document",
    [
        PLAIN,
        json.dumps(PLAIN),
        json.dumps(PLAIN, indent=4),
        "\ufeff" + json.dumps(PLAIN),
        "\n " + json.dumps(PLAIN),
        quote(json.dumps(PLAIN)),
        quote(json.dumps(PLAIN, indent=2), safe=""),
        PLAIN | {"Statement": PLAIN["Statement"][0]},
        PLAIN | {"Id": "an-id"},
        PLAIN
        | {"Statement": [PLAIN["Statement"][0] | {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]},
        PLAIN | {"Statement": [PLAIN["Statement"][0] | {"Effect": "allow"}]},
    ],
    ids=[
        "object",
        "text",
        "indented",
        "bom",
        "padded",
        "url",
        "url-all",
        "single",
        "id",
        "strings",
        "effect",
    ],
)
def test_a_policy_is_read_however_it_is_written(document: object) -> None:
    assert parse_policy(document, "app") == Policy((READ,), name="app")


def test_a_plus_in_a_url_encoded_document_is_a_plus() -> None:
    document = with_statement(Resource="arn:aws:s3:::b/a+b %41")
    assert parse_policy(quote(json.dumps(document))).statements[0].resources == ("arn:aws:s3:::b/a+b %41",)
    assert parse_policy(json.dumps(document)).statements[0].resources == ("arn:aws:s3:::b/a+b %41",)


def test_conditions_are_sorted_and_their_scalars_are_text() -> None:
    block = {
        "StringEquals": {"b": ["y", "x", "y"], "a": "z"},
        "Bool": {"aws:SecureTransport": True},
        "NumericLessThan": {"s3:max-keys": 10, "x:ratio": 0.5},
    }
    assert parse_policy(with_statement(Condition=block)).statements[0].conditions == (
        ("Bool", (("aws:SecureTransport", ("true",)),)),
        ("NumericLessThan", (("s3:max-keys", ("10",)), ("x:ratio", ("0.5",)))),
        ("StringEquals", (("a", ("z",)), ("b", ("x", "y")))),
    )


@pytest.mark.parametrize("version", [None, "2008-10-17"])
def test_the_old_version_is_read_as_a_document_without_variables(version: str | None) -> None:
    document = with_statement(
        Resource="arn:aws:s3:::${aws:username}/*",
        Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}},
    )
    document = {k: v for k, v in (document | {"Version": version}).items() if v is not None}
    policy = parse_policy(document)
    assert policy.version == "2012-10-17"
    assert policy.statements[0].resources == ("arn:aws:s3:::${$}{aws:username}/*",)
    assert policy.statements[0].conditions == (("StringLike", (("s3:prefix", ("${$}{aws:username}/*",)),)),)


def test_negated_elements_are_kept_as_such() -> None:
    element = {"Effect": "Deny", "NotAction": ["iam:*"], "NotResource": "arn:aws:s3:::b"}
    (statement,) = parse_policy({"Version": "2012-10-17", "Statement": element}).statements
    assert statement == Statement(
        "Deny", ("iam:*",), ("arn:aws:s3:::b",), not_actions=True, not_resources=True
    )


BROKEN = [
    ("not JSON", "{", "document", "is not JSON"),
    ("empty text", "", "document", "is not JSON"),
    ("a list", "[]", "document", "must be an object, not a list"),
    ("a text of JSON", '"x"', "document", "must be an object"),
    ("deep nesting", "[" * 100_000, "document", "is not JSON"),
    (
        "a duplicate key",
        '{"Statement": [], "Statement": []}',
        "document",
        "the key 'Statement' is there twice",
    ),
    ("no statement", {"Version": "2012-10-17"}, "Statement", "is missing"),
    ("an unknown version", {"Version": "2020-01-01", "Statement": []}, "Version", "'2020-01-01'"),
    ("an unknown element", {"Statements": [], "Statement": []}, "Statements", "is not an element"),
    ("a statement that is text", {"Statement": ["x"]}, "Statement[0]", "must be an object, not 'x'"),
    (
        "an unknown statement element",
        with_statement(Actions="x"),
        "Statement[0].Actions",
        "is not an element",
    ),
    ("a principal", with_statement(Principal="*"), "Statement[0].Principal", "resource policy"),
    ("a negated principal", with_statement(NotPrincipal="*"), "Statement[0].NotPrincipal", "resource policy"),
    ("no effect", with_statement(Effect=None), "Statement[0].Effect", "must be Allow or Deny"),
    ("a wrong effect", with_statement(Effect="Permit"), "Statement[0].Effect", "'Permit'"),
    ("a sid that is a number", with_statement(Sid=1), "Statement[0].Sid", "must be a string, not a number"),
    ("no action", with_statement(Action=None), "Statement[0].Action", "and NotAction are both missing"),
    ("two actions", with_statement(NotAction="x"), "Statement[0].Action", "and NotAction both stand"),
    (
        "no resource",
        with_statement(Resource=None),
        "Statement[0].Resource",
        "and NotResource are both missing",
    ),
    ("an empty list of actions", with_statement(Action=[]), "Statement[0].Action", "is an empty list"),
    ("an empty list of resources", with_statement(Resource=[]), "Statement[0].Resource", "is an empty list"),
    (
        "an empty list of excluded resources",
        with_statement(Resource=None, NotResource=[]),
        "Statement[0].NotResource",
        "is an empty list",
    ),
    ("an action that is a number", with_statement(Action=1), "Statement[0].Action", "not a number"),
    ("a resource in an object", with_statement(Resource={"a": 1}), "Statement[0].Resource", "not an object"),
    (
        "a null among resources",
        with_statement(Resource=["*", None]),
        "Statement[0].Resource",
        "not null",
    ),
    (
        "a condition that is text",
        with_statement(Condition="x"),
        "Statement[0].Condition",
        "must be an object",
    ),
    (
        "a condition operator without keys",
        with_statement(Condition={"Bool": ["x"]}),
        "Statement[0].Condition.Bool",
        "must be an object, not a list",
    ),
    (
        "a condition value in an object",
        with_statement(Condition={"Bool": {"k": {}}}),
        "Statement[0].Condition.Bool.k",
        "not an object",
    ),
]


@pytest.mark.parametrize(("document", "path", "problem"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_no_identity_policy_is_refused_with_its_place(
    document: object, path: str, problem: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(document, "app")
    assert caught.value.code == "PG-E210"
    assert caught.value.exit_code == 2
    assert f"policy 'app' cannot be read: {path} " in caught.value.message
    assert problem in caught.value.message
    assert caught.value.hints


def test_a_hostile_document_cannot_write_to_the_terminal() -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(with_statement(**{"\x1b[2J\nx": 1}), "a\nb\x1b")
    assert caught.value.message.isprintable()
    assert all(hint.isprintable() for hint in caught.value.hints)


def test_a_policy_is_written_in_one_form() -> None:
    policy = Policy(
        (
            READ,
            Statement(
                "Deny",
                ("*",),
                ("arn:aws:s3:::b/é",),
                not_actions=True,
                not_resources=True,
                conditions=conditions_of({"Null": {"k": ["true"]}}),
            ),
        ),
        name="app",
    )
    assert policy.to_json() == (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject"],'
        '"Resource":["arn:aws:s3:::b/*"]},{"Effect":"Deny","NotAction":["*"],"NotResource":["arn:aws:s3:::b/é"],'
        '"Condition":{"Null":{"k":["true"]}}}]}'
    )
    assert policy.to_json(indent=2).splitlines()[:4] == [
        "{",
        '  "Version": "2012-10-17",',
        '  "Statement": [',
        "    {",
    ]
    assert json.loads(policy.to_json(indent=2)) == json.loads(policy.to_json()) == policy.to_dict()


def test_the_size_counts_spaces_inside_strings_only() -> None:
    policy = parse_policy(with_statement(Resource="arn:aws:s3:::b/a b"))
    without = parse_policy(with_statement(Resource="arn:aws:s3:::b/ab"))
    assert policy.size == len(policy.to_json()) == without.size + 1
    assert policy.size < len(policy.to_json(indent=2))


words = st.text(max_size=6)
statements = st.builds(
    Statement,
    effect=st.sampled_from(["Allow", "Deny"]),
    actions=st.lists(words, min_size=1, max_size=3).map(tuple),
    resources=st.lists(words, min_size=1, max_size=3).map(tuple),
    not_actions=st.booleans(),
    not_resources=st.booleans(),
    conditions=st.dictionaries(
        words, st.dictionaries(words, st.lists(words, max_size=2), min_size=1, max_size=2), max_size=2
    ).map(conditions_of),
    sid=words,
)


@given(st.lists(statements, max_size=3))
def test_what_is_written_is_read_back(found: list[Statement]) -> None:
    policy = Policy(tuple(found), name="app")
    assert parse_policy(policy.to_json(), "app") == policy
    assert parse_policy(policy.to_json(indent=2), "app") == policy
    assert parse_policy(quote(policy.to_json()), "app") == policy
    assert parse_policy(policy.to_dict(), "app") == policy


# --- Control policies ------------------------------------------------------------------------------

GUARD = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}


def controlled(**elements: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": GUARD | elements}


def test_an_scp_is_read_like_an_identity_policy_and_knows_what_it_is() -> None:
    read = parse_policy(controlled(), "regions", "service control")
    assert (read.kind, read.statements) == ("service control", parse_policy(controlled()).statements)


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["*"]}])
def test_an_rcp_speaks_about_everyone(principal: object) -> None:
    read = parse_policy(controlled(Principal=principal), kind="resource control")
    assert (read.kind, read.statements) == ("resource control", parse_policy(controlled()).statements)


@pytest.mark.parametrize(
    ("elements", "kind", "code", "says"),
    [
        ({"Principal": "*"}, "identity", "PG-E210", "an identity policy is needed"),
        ({"Principal": "*"}, "service control", "PG-E210", "a service control policy is needed"),
        ({}, "resource control", "PG-E350", "Principal must be *, not null"),
        ({"Principal": {"AWS": "123456789012"}}, "resource control", "PG-E350", "not an object"),
        ({"Principal": "*", "NotPrincipal": "*"}, "resource control", "PG-E210", "NotPrincipal"),
    ],
)
def test_a_principal_stands_where_it_belongs(elements, kind, code, says) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(controlled(**elements), "mine", kind)
    assert caught.value.code == code
    assert says in caught.value.message
    assert caught.value.hints
