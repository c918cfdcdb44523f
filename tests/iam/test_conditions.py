from __future__ import annotations

import random
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policygen.iam.conditions import (
    ContextFacts,
    Truth,
    all_of,
    any_of,
    context_facts,
    evaluate_conditions,
    negate,
    substitute,
    truth,
    undecided_keys,
    unknown_variables,
)
from policygen.iam.conjunction import conjoin
from policygen.iam.document import Conditions, conditions_of
from policygen.iam.implication import implies
from tests.support.effort import examples

TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN

# What the conditions mean is in tests/cases/evaluate; here: three values, facts, variables and implication.


def block(operator: str, key: str, *values: str) -> Conditions:
    return conditions_of({operator: {key: values}})


# --- Three values ---


@pytest.mark.parametrize(
    ("truths", "conjunction", "disjunction"),
    [
        ((), TRUE, FALSE),
        ((TRUE,), TRUE, TRUE),
        ((TRUE, FALSE), FALSE, TRUE),
        ((TRUE, UNKNOWN), UNKNOWN, TRUE),
        ((FALSE, UNKNOWN), FALSE, UNKNOWN),
        ((TRUE, FALSE, UNKNOWN), FALSE, TRUE),
        ((UNKNOWN,), UNKNOWN, UNKNOWN),
    ],
)
def test_what_is_unknown_counts_only_where_it_could_matter(truths, conjunction, disjunction) -> None:
    assert all_of(truths) is conjunction
    assert any_of(truths) is disjunction


def test_not_turns_true_and_false_and_leaves_unknown() -> None:
    assert [negate(each) for each in (TRUE, FALSE, UNKNOWN)] == [FALSE, TRUE, UNKNOWN]
    assert [truth(True), truth(False)] == [TRUE, FALSE]


# --- Facts ---


def test_facts_know_present_and_absent_keys_and_nothing_of_others() -> None:
    facts = context_facts((("aws:SourceVpce", ("vpce-1",)), ("s3:prefix", ())), absent=["aws:SourceIp"])
    assert facts.look_up("AWS:sourcevpce") == ("vpce-1",)
    assert facts.look_up("s3:prefix") == ()
    assert facts.look_up("aws:SOURCEip") == ()
    assert facts.look_up("aws:username") is None


def test_complete_facts_know_that_other_keys_are_absent() -> None:
    assert context_facts(complete=True).look_up("aws:username") == ()


def test_later_contexts_win() -> None:
    facts = context_facts((("k", ("old",)),), (("K", ("new",)),), absent=["k"])
    assert facts.look_up("k") == ("new",)


# --- Unknown keys ---

UNKNOWN_CASES = [
    ("no conditions", (), {}, TRUE, ()),
    ("a key not told", block("StringEquals", "k", "a"), {}, UNKNOWN, ("k",)),
    ("a key told", block("StringEquals", "k", "a"), {"k": ("a",)}, TRUE, ()),
    ("a key known to be absent", block("StringEquals", "k", "a"), {"k": ()}, FALSE, ()),
    ("a key known to be absent, negated", block("StringNotEquals", "k", "a"), {"k": ()}, TRUE, ()),
    ("a malformed number", block("NumericEquals", "k", "1"), {"k": ("x",)}, UNKNOWN, ("k",)),
    ("a malformed number, negated", block("NumericNotEquals", "k", "1"), {"k": ("x",)}, UNKNOWN, ("k",)),
    ("not a finite number", block("NumericLessThan", "k", "NaN"), {"k": ("1",)}, UNKNOWN, ("k",)),
    ("a malformed date", block("DateLessThan", "k", "soon"), {"k": ("2026-01-01",)}, UNKNOWN, ("k",)),
    ("a date beyond time", block("DateLessThan", "k", "9" * 30), {"k": ("2026-01-01",)}, UNKNOWN, ("k",)),
    ("a malformed address", block("IpAddress", "k", "10.0.0.0/8"), {"k": ("AWS Internal",)}, UNKNOWN, ("k",)),
    ("a malformed range", block("NotIpAddress", "k", "10.0.0.0/99"), {"k": ("10.0.0.1",)}, UNKNOWN, ("k",)),
    ("a malformed boolean", block("Bool", "k", "yes"), {"k": ("true",)}, UNKNOWN, ("k",)),
    ("malformed base64", block("BinaryEquals", "k", "?"), {"k": ("QQ==",)}, UNKNOWN, ("k",)),
    ("a malformed ARN", block("ArnLike", "k", "*"), {"k": ("arn:aws:s3:::b",)}, UNKNOWN, ("k",)),
    ("a value that is no ARN", block("ArnNotLike", "k", "arn:aws:s3:::b"), {"k": ("b",)}, UNKNOWN, ("k",)),
    ("one value malformed, another fits", block("NumericEquals", "k", "x", "1"), {"k": ("1",)}, TRUE, ()),
    ("no such operator", block("StringMatches", "k", "a"), {"k": ("a",)}, UNKNOWN, ("k",)),
    ("no such set operator", block("ForSome:StringEquals", "k", "a"), {"k": ("a",)}, UNKNOWN, ("k",)),
    ("an unknown variable", block("StringEquals", "k", "${v}"), {"k": ("a",)}, UNKNOWN, ("v",)),
    (
        "an unknown variable with a default",
        block("StringEquals", "k", "${v, 'a'}"),
        {"k": ("a",)},
        UNKNOWN,
        ("v",),
    ),
    ("an unknown variable that cannot fit", block("StringEquals", "k", "b${v}"), {"k": ("a",)}, FALSE, ()),
    (
        "an unknown variable that cannot fit, negated",
        block("StringNotEquals", "k", "b${v}"),
        {"k": ("a",)},
        TRUE,
        (),
    ),
    (
        "an unknown variable beside a fitting value",
        block("StringEquals", "k", "${v}", "a"),
        {"k": ("a",)},
        TRUE,
        (),
    ),
    ("key and variable unknown", block("StringEquals", "k", "${v}"), {}, UNKNOWN, ("k", "v")),
    (
        "any of two values, one surely",
        block("ForAnyValue:StringEquals", "k", "a"),
        {"k": ("b", "a")},
        TRUE,
        (),
    ),
    (
        "variables are for texts only",
        block("Bool", "k", "${v}"),
        {"k": ("true",), "v": ("true",)},
        UNKNOWN,
        ("k",),
    ),
]


@pytest.mark.parametrize(
    ("conditions", "known", "answer", "keys"),
    [c[1:] for c in UNKNOWN_CASES],
    ids=[c[0] for c in UNKNOWN_CASES],
)
def test_the_answer_and_the_keys_it_lacks(conditions, known, answer, keys) -> None:
    facts = ContextFacts(known)
    assert evaluate_conditions(conditions, facts) is answer
    assert undecided_keys(conditions, facts) == keys


# --- Variables ---


@pytest.mark.parametrize(
    ("pattern", "known", "expected"),
    [
        ("home/${aws:username}/*", {"aws:username": ("ann",)}, "home/ann/*"),
        ("${ aws:username }", {"aws:username": ("ann",)}, "ann"),
        ("${aws:username}", {"aws:username": ("*?$",)}, "${*}${?}$"),
        ("${aws:username}", {"aws:username": ("${x}",)}, "${$}{x}"),
        ("${aws:username}", {"aws:username": ()}, None),
        ("${aws:username}", {"aws:username": ("a", "b")}, None),
        ("${aws:username, 'all'}", {"aws:username": ()}, "all"),
        ("${aws:username,'all'}", {"aws:username": ()}, "all"),
        ("${aws:username, '*'}", {"aws:username": ()}, "${*}"),
        ("${aws:username, ''}", {"aws:username": ()}, ""),
        ("${aws:username, 'all'}", {"aws:username": ("ann",)}, "ann"),
        ("${aws:username, 'all'}", {"aws:username": ("a", "b")}, None),
        ("${aws:username}", {}, "${aws:username}"),
        ("${*}${?}${$}", {}, "${*}${?}${$}"),
        ("${aws:PrincipalTag/a b}", {"aws:principaltag/a b": ("x",)}, "x"),
        ("no variable", {}, "no variable"),
    ],
)
def test_variables_are_replaced_by_values_without_wildcards(pattern, known, expected) -> None:
    assert substitute(pattern, ContextFacts(known)) == expected


def test_variables_that_are_not_known_are_named() -> None:
    facts = context_facts((("a", ("1",)), ("b", ())))
    assert unknown_variables("${a}${b}${c, 'd'}${*}${e}", facts) == ("c", "e")


# --- Implication ---

V = "aws:SourceVpce"
IMPLICATIONS = [
    ("anything implies no conditions", block("StringEquals", V, "a"), (), True),
    ("no conditions imply none", (), block("StringEquals", V, "a"), False),
    ("the same", block("StringEquals", V, "a"), block("StringEquals", V, "a"), True),
    ("the same in another case", block("stringequals", V.upper(), "a"), block("StringEquals", V, "a"), True),
    ("fewer values", block("StringEquals", V, "a"), block("StringEquals", V, "a", "b"), True),
    ("more values", block("StringEquals", V, "a", "b"), block("StringEquals", V, "a"), False),
    ("another key", block("StringEquals", V, "a"), block("StringEquals", "aws:SourceVpc", "a"), False),
    ("fewer excluded", block("StringNotEquals", V, "a"), block("StringNotEquals", V, "a", "b"), False),
    ("more excluded", block("StringNotEquals", V, "a", "b"), block("StringNotEquals", V, "a"), True),
    ("a value within a pattern", block("StringEquals", V, "ab"), block("StringLike", V, "a*"), True),
    ("a pattern within a pattern", block("StringLike", V, "ab*"), block("StringLike", V, "a*"), True),
    ("a pattern outside a pattern", block("StringLike", V, "a*"), block("StringLike", V, "ab*"), False),
    ("a literal star within a pattern", block("StringEquals", V, "a*"), block("StringLike", V, "a*"), True),
    ("a pattern is no literal star", block("StringLike", V, "a*"), block("StringEquals", V, "a*"), False),
    (
        "an excluded pattern excludes a value",
        block("StringNotLike", V, "a*"),
        block("StringNotEquals", V, "ab"),
        True,
    ),
    (
        "an excluded value is not a pattern",
        block("StringNotEquals", V, "ab"),
        block("StringNotLike", V, "a*"),
        False,
    ),
    (
        "a value, ignoring case",
        block("StringEquals", V, "Ab"),
        block("StringEqualsIgnoreCase", V, "aB"),
        True,
    ),
    ("ignoring case is wider", block("StringEqualsIgnoreCase", V, "a"), block("StringEquals", V, "a"), False),
    (
        "excluded ignoring case",
        block("StringNotEqualsIgnoreCase", V, "a"),
        block("StringNotEquals", V, "A"),
        True,
    ),
    ("with IfExists is weaker", block("StringEquals", V, "a"), block("StringEqualsIfExists", V, "a"), True),
    (
        "without IfExists is stronger",
        block("StringEqualsIfExists", V, "a"),
        block("StringEquals", V, "a"),
        False,
    ),
    (
        "negated, IfExists adds nothing",
        block("StringNotEqualsIfExists", V, "a"),
        block("StringNotEquals", V, "a"),
        True,
    ),
    ("the same variable", block("StringEquals", V, "${x}"), block("StringLike", V, "${x}"), True),
    ("a variable within a star", block("StringEquals", V, "${x}"), block("StringLike", V, "*"), True),
    ("a variable is not a value", block("StringEquals", V, "${x}"), block("StringEquals", V, "x"), False),
    ("a value is not a variable", block("StringEquals", V, "x"), block("StringEquals", V, "${x}"), False),
    ("a smaller network", block("IpAddress", V, "10.1.0.0/16"), block("IpAddress", V, "10.0.0.0/8"), True),
    ("a larger network", block("IpAddress", V, "10.0.0.0/8"), block("IpAddress", V, "10.1.0.0/16"), False),
    ("one address", block("IpAddress", V, "10.1.2.3"), block("IpAddress", V, "10.0.0.0/8"), True),
    ("the other family", block("IpAddress", V, "10.0.0.0/8"), block("IpAddress", V, "::/0"), False),
    ("IPv6", block("IpAddress", V, "2001:db8:1::/48"), block("IpAddress", V, "2001:db8::/32"), True),
    (
        "a larger excluded network",
        block("NotIpAddress", V, "10.0.0.0/8"),
        block("NotIpAddress", V, "10.1.0.0/16"),
        True,
    ),
    ("a malformed network", block("IpAddress", V, "x"), block("IpAddress", V, "10.0.0.0/8"), False),
    (
        "an ARN within a pattern",
        block("ArnEquals", V, "arn:aws:s3:::b"),
        block("ArnLike", V, "arn:aws:s3:::*"),
        True,
    ),
    (
        "an ARN pattern is not a string pattern",
        block("ArnLike", V, "arn:aws:s3:::b*"),
        block("StringLike", V, "arn:*"),
        False,
    ),
    ("not an ARN", block("ArnLike", V, "x"), block("ArnLike", V, "arn:aws:s3:::*"), False),
    (
        "set operators that agree",
        block("ForAllValues:StringEquals", V, "a"),
        block("ForAllValues:StringLike", V, "a*"),
        True,
    ),
    (
        "set operators that differ",
        block("ForAllValues:StringEquals", V, "a"),
        block("ForAnyValue:StringEquals", V, "a"),
        False,
    ),
    (
        "a set operator is not a plain one",
        block("ForAnyValue:StringEquals", V, "a"),
        block("StringEquals", V, "a"),
        False,
    ),
    (
        "all values, absent",
        block("ForAllValues:StringEqualsIfExists", V, "a"),
        block("ForAllValues:StringEquals", V, "a"),
        True,
    ),
    (
        "any value, absent",
        block("ForAnyValue:StringEqualsIfExists", V, "a"),
        block("ForAnyValue:StringEquals", V, "a"),
        False,
    ),
    ("a value implies the key", block("StringEquals", V, "a"), block("Null", V, "false"), True),
    (
        "an exclusion does not imply the key",
        block("StringNotEquals", V, "a"),
        block("Null", V, "false"),
        False,
    ),
    (
        "all values do not imply the key",
        block("ForAllValues:StringEquals", V, "a"),
        block("Null", V, "false"),
        False,
    ),
    ("a value does not imply absence", block("StringEquals", V, "a"), block("Null", V, "true"), False),
    ("presence does not imply a value", block("Null", V, "false"), block("StringEquals", V, "a"), False),
    ("the same number", block("NumericLessThan", V, "5"), block("NumericLessThan", V, "5"), True),
    ("a smaller bound", block("NumericLessThan", V, "4"), block("NumericLessThan", V, "5"), True),
    ("a greater bound", block("NumericLessThan", V, "6"), block("NumericLessThan", V, "5"), False),
    ("the bound itself", block("NumericLessThanEquals", V, "5"), block("NumericLessThan", V, "5.0"), False),
    ("less than the bound", block("NumericLessThan", V, "5"), block("NumericLessThanEquals", V, "5"), True),
    ("a number below a bound", block("NumericEquals", V, "4"), block("NumericLessThan", V, "5"), True),
    ("a number beyond a bound", block("NumericEquals", V, "4"), block("NumericGreaterThan", V, "5"), False),
    ("two directions", block("NumericGreaterThan", V, "1"), block("NumericLessThan", V, "5"), False),
    (
        "a later date",
        block("DateGreaterThan", V, "2026-02-01T00:00:00Z"),
        block("DateGreaterThanEquals", V, "2026-01-01T00:00:00+01:00"),
        True,
    ),
    ("a date and a number", block("DateLessThan", V, "1"), block("NumericLessThan", V, "5"), False),
    ("absence where it is let through", block("Null", V, "true"), block("BoolIfExists", V, "true"), True),
    ("absence where a value is wanted", block("Null", V, "true"), block("Bool", V, "true"), False),
    ("the same boolean", block("Bool", V, "true"), block("Bool", V, "true", "false"), True),
    (
        "an operator that IAM does not have",
        block("StringMatches", V, "a"),
        block("StringMatches", V, "a"),
        False,
    ),
    (
        "one of two entries",
        block("StringEquals", V, "a") + block("Null", "k", "true"),
        block("StringEquals", V, "a"),
        True,
    ),
    (
        "two entries from one",
        block("StringEquals", V, "a"),
        block("StringEquals", V, "a") + block("Null", "k", "true"),
        False,
    ),
]


@pytest.mark.parametrize(
    ("strong", "weak", "expected"), [i[1:] for i in IMPLICATIONS], ids=[i[0] for i in IMPLICATIONS]
)
def test_one_block_implies_another_or_not(strong, weak, expected) -> None:
    assert implies(strong, weak) is expected


BASES = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]
BASES += ["StringNotEqualsIgnoreCase", "Null", "Bool", "NumericEquals", "NumericNotEquals", "NumericLessThan"]
BASES += ["NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"]
OPERATORS = [
    f"{q}{base}{e}" for q in ("", "ForAllValues:", "ForAnyValue:") for base in BASES for e in ("", "IfExists")
]
VALUES = ["a", "A", "a*", "?", "*", "${v}", "true", "false", "1", "2", "${*}"]
entries = st.builds(
    lambda operator, values: block(operator, "k", *values),
    st.sampled_from(OPERATORS),
    st.lists(st.sampled_from(VALUES), max_size=3),
)
WORLDS = [
    ContextFacts({"k": k, "v": v}, complete=True)
    for k, v in product(
        [
            (),
            *product(["a", "A", "aa", "1", "1.5", "2", "true", "*", ""], repeat=1),
            ("a", "b"),
            ("a", "a*"),
            ("1", "A"),
        ],
        [(), ("a",), ("*",)],
    )
]


def test_what_is_implied_holds_in_every_small_world() -> None:
    singles = [(value,) for value in VALUES]
    pairs = [("a", "A"), ("a*", "?"), ("a", "${v}"), ("true", "false"), ("1", "*"), ()]
    blocks = [block(operator, "k", *values) for operator in OPERATORS for values in singles + pairs]
    holding = {
        each: {i for i, w in enumerate(WORLDS) if evaluate_conditions(each, w) is TRUE} for each in blocks
    }
    chance = random.Random(11)
    proven = 0
    for _ in range(100_000):
        strong, weak = chance.choice(blocks), chance.choice(blocks)
        if implies(strong, weak):
            proven += 1
            assert holding[strong] <= holding[weak], (strong, weak)
    assert proven > 1000


def test_two_blocks_are_joined_to_what_holds_under_both_in_every_small_world() -> None:
    singles = [(value,) for value in VALUES]
    pairs = [("a", "A"), ("a*", "?"), ("a", "${v}"), ("true", "false"), ("1", "*")]
    blocks = [block(operator, "k", *values) for operator in OPERATORS for values in singles + pairs]
    alike = {op: [one for one in blocks if one[0][0] == op] for op in OPERATORS}
    blocks += [block("StringEquals", "k", "a") + block("Null", "k", "false")]

    @cache
    def holding(conditions: Conditions) -> frozenset[int]:
        return frozenset(i for i, w in enumerate(WORLDS) if evaluate_conditions(conditions, w) is TRUE)

    chance = random.Random(12)
    exact = narrower = nothing = 0
    for _ in range(4_000):
        one = chance.choice(blocks)
        other = chance.choice(alike[one[0][0]] if chance.random() < 0.8 else blocks)
        joined, both = conjoin(one, other), holding(one) & holding(other)
        if joined.conditions is None:
            assert joined.lost
            nothing += 1
            if joined.contradiction:
                assert not both, (one, other)
            continue
        assert implies(joined.conditions, one), (one, other, joined)
        assert implies(joined.conditions, other), (one, other, joined)
        if joined.lost:
            narrower += 1
            assert holding(joined.conditions) <= both, (one, other, joined)
        else:
            exact += 1
            assert holding(joined.conditions) == both, (one, other, joined)
    assert min(exact, narrower, nothing) > 50, (exact, narrower, nothing)


Z = "10.0.0.0/8"
LATE, LATER = "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"
JOINS = [
    (
        "the values that both name",
        ("StringEquals", ["a", "b"]),
        ("StringEquals", ["b", "c"]),
        {"StringEquals": ["b"]},
    ),
    ("two patterns meet", ("StringLike", ["a*"]), ("StringLike", ["*z"]), {"StringLike": ["a*z"]}),
    (
        "an equality beside a pattern",
        ("StringLike", ["a*"]),
        ("StringEquals", ["ab"]),
        {"StringEquals": ["ab"], "StringLike": ["a*"]},
    ),
    (
        "a variable stands under the twin",
        ("StringEquals", ["${aws:username}"]),
        ("StringEquals", ["a*"]),
        {"StringEquals": ["${aws:username}"], "StringLike": ["a${*}"]},
    ),
    (
        "what either excludes",
        ("StringNotLike", ["a*"]),
        ("StringNotLike", ["b*"]),
        {"StringNotLike": ["a*", "b*"]},
    ),
    (
        "the smaller bound",
        ("NumericLessThan", ["10"]),
        ("NumericLessThan", ["7"]),
        {"NumericLessThan": ["7"]},
    ),
    (
        "the laxest of several bounds",
        ("NumericGreaterThan", ["10", "3"]),
        ("NumericGreaterThan", ["1"]),
        {"NumericGreaterThan": ["3"]},
    ),
    (
        "the later of two dates",
        ("DateGreaterThan", [LATE]),
        ("DateGreaterThan", [LATER]),
        {"DateGreaterThan": [LATER]},
    ),
    (
        "a range from two ends",
        ("DateGreaterThan", [LATE]),
        ("DateLessThan", [LATER]),
        {"DateGreaterThan": [LATE], "DateLessThan": [LATER]},
    ),
    (
        "the inner network",
        ("IpAddress", [Z]),
        ("IpAddress", ["10.1.0.0/16", "192.0.2.0/24"]),
        {"IpAddress": ["10.1.0.0/16"]},
    ),
    (
        "two networks left out",
        ("NotIpAddress", [Z]),
        ("NotIpAddress", ["192.0.2.0/24"]),
        {"NotIpAddress": [Z, "192.0.2.0/24"]},
    ),
    (
        "all values in both lists",
        ("ForAllValues:StringEquals", ["a", "b"]),
        ("ForAllValues:StringEquals", ["b"]),
        {"ForAllValues:StringEquals": ["b"]},
    ),
    (
        "some value in each list",
        ("ForAnyValue:StringEquals", ["a"]),
        ("ForAnyValue:StringEquals", ["b"]),
        {"ForAnyValue:StringEquals": ["a"], "ForAnyValue:StringLike": ["b"]},
    ),
    (
        "only its absence",
        ("StringEqualsIfExists", ["a"]),
        ("StringEqualsIfExists", ["b"]),
        {"Null": ["true"]},
    ),
    (
        "another operator of the same key",
        ("StringEquals", ["a"]),
        ("Null", ["false"]),
        {"Null": ["false"], "StringEquals": ["a"]},
    ),
]


@pytest.mark.parametrize(("name", "one", "other", "expected"), JOINS, ids=[join[0] for join in JOINS])
def test_two_entries_of_one_key_are_said_at_once(name, one, other, expected) -> None:
    joined = conjoin(block(one[0], V, *one[1]), block(other[0], V.upper(), *other[1]))
    assert joined.lost == ()
    assert joined.conditions is not None
    assert {op: list(values) for op, keys in joined.conditions for _, values in keys} == expected


@pytest.mark.parametrize(
    ("one", "other", "kept", "lost"),
    [
        (("StringEquals", "a"), ("StringEquals", "b"), None, "a and b, which contradict each other"),
        (
            ("ForAnyValue:StringLike", "a*"),
            ("ForAnyValue:StringLike", "*z"),
            ["a*z"],
            "cannot be said in one entry",
        ),
        (("ForAnyValue:StringNotEquals", "a"), ("ForAnyValue:StringNotEquals", "b"), None, None),
        (("StringLike", "${aws:username}*"), ("StringLike", "*z"), None, "cannot be said in one entry"),
        (("NumericLessThan", "ten"), ("NumericLessThan", "7"), None, "cannot be said in one entry"),
        (("StringMatches", "a"), ("StringMatches", "b"), None, "no operator of IAM"),
    ],
)
def test_what_cannot_be_said_at_once_is_lost_and_named(one, other, kept, lost) -> None:
    joined = conjoin(block(one[0], V, one[1]), block(other[0], V, other[1]))
    if lost is None:  # the twin has room for it
        assert joined.lost == ()
        return
    assert lost in joined.lost[0]
    found = joined.conditions and [list(v) for _, keys in joined.conditions for _, v in keys]
    assert found == (kept and [kept])


@settings(max_examples=examples(500))
@given(st.lists(entries, max_size=2).map(lambda found: tuple(e for block_ in found for e in block_)))
def test_more_knowledge_never_turns_an_answer_round(conditions: Conditions) -> None:
    for world in WORLDS:
        for hidden in (["k"], ["v"], ["k", "v"]):
            partly = ContextFacts({key: values for key, values in world.values.items() if key not in hidden})
            answer = evaluate_conditions(conditions, partly)
            assert answer in (UNKNOWN, evaluate_conditions(conditions, world))
            assert (answer is UNKNOWN) == bool(undecided_keys(conditions, partly)) or answer is FALSE
