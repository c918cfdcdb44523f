from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from policygen.iam import arn
from policygen.iam.arn import Arn, string_glob
from policygen.iam.containment import includes, includes_together
from policygen.iam.pattern import meets
from tests.support.effort import examples

# --- ARNs ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arn:aws:s3:::b/k", Arn("aws", "s3", "", "", "b/k")),
        (
            "arn:aws:lambda:eu-west-1:1:function:f:live",
            Arn("aws", "lambda", "eu-west-1", "1", "function:f:live"),
        ),
        ("arn:aws-cn:iam::1:role/a/b", Arn("aws-cn", "iam", "", "1", "role/a/b")),
        ("arn:aws:s3:::", Arn("aws", "s3", "", "", "")),
        ("arn:aws:s3::", None),
        ("urn:aws:s3:::b", None),
        ("b", None),
        ("*", None),
        ("", None),
    ],
)
def test_an_arn_has_six_parts(text: str, expected: Arn | None) -> None:
    assert arn.parse(text) == expected
    if expected is not None:
        assert expected.format() == text


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("us-east-1", "aws"),
        ("", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_a_region_lies_in_one_partition(region: str, partition: str) -> None:
    assert arn.partition_of(region) == partition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arn:aws:iam::123456789012:role/app", True),
        ("arn:aws-us-gov:iam::123456789012:role/service-role/app", True),
        ("arn:aws-iso-b:iam::123456789012:role/app", True),
        ("arn:aws:iam::123456789012:role/", False),
        ("arn:aws:iam::123456789012:user/app", False),
        ("arn:aws:sts::123456789012:assumed-role/app/session", False),
        ("arn:aws:iam::1234:role/app", False),
        ("arn:evil:iam::123456789012:role/app", False),
        ("app", False),
    ],
)
def test_a_role_is_an_iam_role_of_any_partition(text: str, expected: bool) -> None:
    assert arn.is_role(text) is expected


# --- Escaping ---


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("plain/name-1.csv", "plain/name-1.csv"),
        ("a*b?", "a${*}b${?}"),
        ("${aws:username}", "${$}{aws:username}"),
        ("$LATEST", "$LATEST"),
        ("$default", "$default"),
        ("cost$", "cost$"),
        ("$*", "${$}${*}"),
        ("$${", "${$}${$}{"),
        ("naïve", "naïve"),
        ("世界", "??"),
        ("a\x00b\x7f", "a?b\x7f"),
        ("tab\tline\n", "tab\tline\n"),
    ],
)
def test_an_observed_name_is_written_so_that_it_means_itself(name: str, pattern: str) -> None:
    assert arn.escape(name) == pattern
    assert arn.needs_wildcard(name) == (arn.unescape(pattern) != name)
    assert arn.resource_matches("arn:aws:s3:::" + pattern, "arn:aws:s3:::" + name)


@pytest.mark.parametrize("pattern", ["a*", "a?", "${aws:username}", "x${s3:prefix}*", "${}"])
def test_a_pattern_with_a_wildcard_or_a_variable_is_no_name(pattern: str) -> None:
    assert arn.unescape(pattern) is None


@given(
    st.text(
        alphabet=st.characters(min_codepoint=0x20, max_codepoint=0xFF) | st.sampled_from("*?${}"), max_size=12
    )
)
def test_a_name_that_iam_can_store_survives_escaping(name: str) -> None:
    assume(not arn.needs_wildcard(name))
    assert arn.unescape(arn.escape(name)) == name


@given(st.text(alphabet="a*?${}世\n", max_size=10))
def test_an_escaped_name_matches_itself_and_can_be_stored(name: str) -> None:
    pattern = arn.escape(name)
    assert string_glob(pattern).matches(name)
    assert not arn.needs_wildcard(pattern)


@given(st.text(alphabet="a*?${}:", max_size=8), st.text(alphabet="a*?${}:", max_size=8))
def test_an_escaped_name_matches_no_other_name(name: str, other: str) -> None:
    assert string_glob(arn.escape(name)).matches(other) == (name == other)


# --- Matching ---


def reference(pattern: str) -> re.Pattern[str]:
    """Matching as the user guide words it, without any of the shortcuts."""
    if pattern == "*":
        return re.compile(".*", re.DOTALL)
    segments = pattern.split(":", 5)
    segments += ["*"] * (6 - len(segments))

    def inside(text: str) -> str:
        return "".join({"*": "[^:]*", "?": "[^:]"}.get(c, re.escape(c)) for c in text)

    parts = [inside(s[:-1]) + ".*" if s.endswith("*") else inside(s) for s in segments[:5]]
    parts.append("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in segments[5]))
    return re.compile(":".join(parts), re.DOTALL)


small = st.text(alphabet="a:*?", max_size=9)
values = st.lists(st.text(alphabet="ab", max_size=2), min_size=6, max_size=8).map(":".join)


@settings(max_examples=examples(500))
@given(small, values)
def test_matching_agrees_with_the_words_of_the_user_guide(pattern: str, value: str) -> None:
    assert arn.resource_matches(pattern, value) == bool(reference(pattern).fullmatch(value))


def test_a_star_that_crosses_a_colon_may_have_to_pass_the_first_place_that_fits() -> None:
    assert arn.resource_matches("arn:*:b*c:q:q:q", "arn:z:bx:b-c:q:q:q")
    assert not arn.resource_matches("arn:*:b*c:q:q:q", "arn:z:bx:b-d:q:q:q")


@settings(max_examples=examples(300))
@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="abc", max_size=8))
def test_matching_of_names_agrees_with_plain_regular_expressions(pattern: str, value: str) -> None:
    plain = "".join({"*": ".*", "?": "."}.get(c, c) for c in pattern)
    assert string_glob(pattern).matches(value) == bool(re.fullmatch(plain, value))


def test_a_hostile_name_costs_no_more_than_its_length() -> None:
    pattern = "arn:aws:s3:::" + "*a" * 40 + "b"
    assert not arn.resource_matches(pattern, "arn:aws:s3:::" + "a" * 20_000)


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("s3:GetObject", "S3:getobject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("*", "s3:GetObject", True),
        ("*:*", "s3:GetObject", True),
        ("*:GetObject", "s3:GetObject", True),
        ("s*:GetObject", "s3:GetObject", False),
        ("s3:*", "s3express:GetSession", False),
        ("s3", "s3:GetObject", False),
        ("s3:Get.bject", "s3:GetObject", False),
    ],
)
def test_an_action_pattern_matches_or_not(pattern: str, action: str, expected: bool) -> None:
    assert arn.action_matches(pattern, action) is expected
    assert arn.action_contains(pattern, action) is expected
    assert arn.action_overlaps(pattern, action) is expected


def test_a_pattern_with_an_open_variable_matches_nothing() -> None:
    assert not arn.resource_matches("arn:aws:s3:::${aws:username}", "arn:aws:s3:::ann")
    assert not arn.resource_matches("arn:aws:s3:::${aws:username}", "arn:aws:s3:::${aws:username}")


# --- Containment ---

STRINGS = ["".join(letters) for size in range(7) for letters in product("abc", repeat=size)]
tiny = st.text(alphabet="ab*?", max_size=4)


@settings(max_examples=examples(300))
@given(tiny, tiny)
def test_containment_agrees_with_trying_every_short_string(wide: str, narrow: str) -> None:
    outer, inner = string_glob(wide), string_glob(narrow)
    tried = all(outer.matches(text) for text in STRINGS if inner.matches(text))
    assert includes(outer, inner) == tried


@settings(max_examples=examples(300))
@given(tiny, tiny)
def test_overlap_agrees_with_trying_every_short_string(one: str, other: str) -> None:
    a, b = string_glob(one), string_glob(other)
    assert meets(a.tokens, b.tokens) == any(a.matches(text) and b.matches(text) for text in STRINGS)
    assert meets(a.tokens, b.tokens) == meets(b.tokens, a.tokens)


ARNS = [":".join(parts) for parts in product(("", "a", "ab"), repeat=6)] + [
    "a:a:a:a:a:a:b",
    "::::::",
    "a:a:a:a:a::a:",
]


@settings(max_examples=examples(300))
@given(small, small)
def test_containment_of_arn_patterns_holds_for_every_short_arn(wide: str, narrow: str) -> None:
    found = {value for value in ARNS if arn.resource_matches(narrow, value)}
    around = {value for value in ARNS if arn.resource_matches(wide, value)}
    if arn.contains(wide, narrow):
        assert found <= around
    if found & around:
        assert arn.overlaps(wide, narrow)
    assert arn.overlaps(wide, narrow) == arn.overlaps(narrow, wide)


@settings(max_examples=examples(500))
@given(
    small,
    st.text(alphabet="a:*?$", max_size=8),
    st.sampled_from(["", "a", "b", "a:", "a:a", ":::", "a:a:a:a:a:a"]),
)
def test_what_holds_for_a_variable_holds_for_each_of_its_values(wide: str, narrow: str, value: str) -> None:
    variable, valued = narrow.replace("$", "${x}"), narrow.replace("$", value)
    if arn.contains(wide, variable):
        assert arn.contains(wide, valued)
    if arn.overlaps(wide, valued):
        assert arn.overlaps(wide, variable)


@given(small, small, small)
def test_containment_is_transitive_and_everything_contains_itself(a: str, b: str, c: str) -> None:
    assert arn.contains(a, a)
    if arn.contains(a, b) and arn.contains(b, c):
        assert arn.contains(a, c)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::*", "*", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/in/*", True),
        ("arn:aws:s3:::b/in/*", "arn:aws:s3:::b/*", False),
        ("arn:aws:s3:::*/logs/*", "arn:aws:s3:::b/logs/*", True),
        ("arn:aws:s3:::b/?*", "arn:aws:s3:::b/*?", True),
        ("arn:aws:s3:::b/*?", "arn:aws:s3:::b/?*", True),
        ("arn:aws:s3:::b/?*", "arn:aws:s3:::b/*", False),
        ("arn:aws:s3:::b/*a*", "arn:aws:s3:::b/*aa*", True),
        ("arn:aws:s3:::b/*aa*", "arn:aws:s3:::b/*a*a*", False),
        ("arn:aws:s3", "arn:aws:s3:::b/*", True),
        ("arn:aws:sqs:*:1:q", "arn:aws:sqs:eu-*:1:q", True),
        ("arn:aws:sqs:eu-*-1:1:q", "arn:aws:sqs:eu-*:1:q", False),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:q", True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/${*}", True),
        ("arn:aws:s3:::${x}/*", "arn:aws:s3:::${x}/*", True),
        ("arn:aws:s3:::${x}/*", "arn:aws:s3:::${x}/a", False),
        ("arn:aws:s3:::*", "arn:aws:s3:::${x}/a", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::${x}/a", False),
        ("arn:aws:s3:::B", "arn:aws:s3:::b", False),
        ("arn:*:q:*:*:*", "arn:${x}:q:*:*:*", True),
        ("arn:*:q:*:*:*", "arn:${x}:q", False),
    ],
)
def test_one_arn_pattern_contains_another_or_not(wide: str, narrow: str, expected: bool) -> None:
    assert arn.contains(wide, narrow) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "s3:*", True),
        ("s3:*", "*", False),
        ("s3:*", "S3:Get*", True),
        ("s3:Get*", "s3:*", False),
        ("s3:*Object", "s3:Get*Object", True),
        ("*:*", "*", False),
        ("*", "*:*", True),
    ],
)
def test_one_action_pattern_contains_another_or_not(wide: str, narrow: str, expected: bool) -> None:
    assert arn.action_contains(wide, narrow) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::*/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::c/*", False),
        ("arn:aws:s3:::a*", "arn:aws:s3:::*z", True),
        ("arn:aws:s3:::b", "*", True),
        ("arn:aws:s3:::b/${x}", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/${x}", "arn:aws:s3:::c/k", False),
        ("arn:aws:sqs:eu-*-1:1:q", "arn:aws:sqs:eu-west-1:1:*", True),
        ("arn:aws:sqs:eu-*-1:1:q", "arn:aws:sqs:eu-west-2:1:*", False),
    ],
)
def test_two_arn_patterns_overlap_or_not(one: str, other: str, expected: bool) -> None:
    assert arn.overlaps(one, other) is expected
    assert arn.overlaps(other, one) is expected


def test_a_question_about_many_sets_of_positions_is_answered_in_one_pass() -> None:
    # To follow each set of positions would take 2**24 steps.
    narrow = "arn:aws:s3:::*a" + "?" * 24
    assert arn.contains(narrow + "*", narrow) is True
    assert arn.contains("arn:aws:s3:::*a" + "?" * 4 + "*", "arn:aws:s3:::*a" + "?" * 4) is True


# --- Unions ---


@pytest.mark.parametrize(
    ("narrow", "wides", "expected"),
    [
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"], True),
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/?*", "arn:aws:s3:::b/"], True),
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/?*"], False),
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/a*", "arn:aws:s3:::b/b*"], False),
        ("arn:aws:s3:::b*", ["arn:aws:s3:::b", "arn:aws:s3:::b?", "arn:aws:s3:::b??*"], True),
        ("arn:aws:s3:::b/*", ["arn:aws:s3:::b/${x}", "arn:aws:s3:::b/"], False),
        ("arn:aws:s3:::b/x", ["arn:aws:s3:::a*", "arn:aws:s3:::?/x"], True),
        ("arn:aws:s3:::b/*", [], False),
    ],
)
def test_a_pattern_lies_in_several_others_together_or_not(
    narrow: str, wides: list[str], expected: bool
) -> None:
    assert arn.contained_in_union(narrow, wides) is expected


def test_action_patterns_are_met_by_several_others_together() -> None:
    assert arn.action_contained_in_union("s3:Get*", ["s3:GET?*", "S3:get"])
    assert not arn.action_contained_in_union("s3:Get*", ["s3:GetO*", "s3:Put*"])


@given(tiny, st.lists(tiny, min_size=2, max_size=3))
def test_containment_in_a_union_agrees_with_trying_every_short_string(narrow: str, wides: list[str]) -> None:
    globs = [string_glob(wide) for wide in wides]
    inside = {text for text in STRINGS if string_glob(narrow).matches(text)}
    together = {text for text in STRINGS if any(glob.matches(text) for glob in globs)}
    assert includes_together(globs, string_glob(narrow)) == (inside <= together)


# --- Intersection ---


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/in/*", ("arn:aws:s3:::b/in/*",)),
        ("*", "arn:aws:s3", ("arn:aws:s3",)),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::c/*", ()),
        ("arn:aws:s3:::a*", "arn:aws:s3:::*z", ("arn:aws:s3:::a*z",)),
        ("arn:aws:s3:::ab*", "arn:aws:s3:::*ba", ("arn:aws:s3:::ab*ba", "arn:aws:s3:::aba")),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::*/in/*", ("arn:aws:s3:::b/*/in/*", "arn:aws:s3:::b/in/*")),
        ("arn:aws:sqs:*:1:orders", "arn:aws:sqs:eu-west-1:1:*", ("arn:aws:sqs:eu-west-1:1:orders",)),
        (
            "arn:aws:lambda:*:function:f",
            "arn:aws:lambda:eu-west-1:1:*",
            ("arn:aws:lambda:eu-west-1:1:*:function:f", "arn:aws:lambda:eu-west-1:1:function:f"),
        ),
        (
            "arn:aws:lambda:*:function:f",
            "arn:aws:lambda:eu-?:1:*",
            ("arn:aws:lambda:eu-?:1:*:function:f", "arn:aws:lambda:eu-?:1:function:f"),
        ),
        ("arn:aws:sqs:eu*1:1:q", "arn:aws:sqs:*west*:1:q", ("arn:aws:sqs:eu*west*1:1:q",)),
        ("arn:aws:s3:::a?", "arn:aws:s3:::?b", ("arn:aws:s3:::ab",)),
        ("arn:aws:s3:::*${*}", "arn:aws:s3:::a*", ("arn:aws:s3:::a*${*}",)),
        ("arn:aws:s3:::${x}/a*", "arn:aws:s3:::*b", None),
    ],
)
def test_the_intersection_is_a_few_patterns(one: str, other: str, expected: tuple[str, ...] | None) -> None:
    assert arn.intersect(one, other) == expected
    assert arn.intersect(other, one) == expected


def segmentwise(pattern: str, value: str) -> bool:
    """Matching with no wildcard of the first five segments crossing a colon."""
    parts = value.split(":", 5)
    segments = pattern.split(":", 5)
    segments += ["*"] * (6 - len(segments))
    return pattern == "*" or all(string_glob(s).matches(v) for s, v in zip(segments, parts, strict=True))


@settings(max_examples=examples(400))
@given(small | tiny.map("a:a:a:a:a:{}".format), small | tiny.map("a:a:a:a:a:{}".format))
def test_the_intersection_matches_what_both_match_and_nothing_else(one: str, other: str) -> None:
    found = arn.intersect(one, other)
    assume(found is not None)
    assert found is not None
    assert all(arn.contains(one, pattern) and arn.contains(other, pattern) for pattern in found)
    values = ARNS + ["a:a:a:a:a:" + text for text in STRINGS[:400]]
    both = {
        value for value in values if arn.resource_matches(one, value) and arn.resource_matches(other, value)
    }
    inside = {value for value in both if segmentwise(one, value) and segmentwise(other, value)}
    matched = {value for value in values if any(arn.resource_matches(pattern, value) for pattern in found)}
    assert inside <= matched <= both
    assert matched or not both


def test_an_intersection_of_many_pieces_is_not_given() -> None:
    assert arn.intersect("arn:aws:s3:::*a*b*c*d*e*f*", "arn:aws:s3:::*u*v*w*x*y*z*") is None
