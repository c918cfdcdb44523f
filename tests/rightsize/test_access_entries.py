"""Entries of access logs: what each shows, in every kind of format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policygen.rightsize.api.entries.counting import EntryCounter
from policygen.rightsize.api.entries.format import EntryFormat
from policygen.rightsize.api.entries.reader import ELSEWHERE, EntryReader, StageRef
from tests.support import ROOT, gateway_world
from tests.support.gateway_world import FORMATS, SIGNED, UNSIGNED, entry, reader, world

CASES: list[dict[str, Any]] = json.loads((ROOT / "tests/cases/access/entries.json").read_text())


def filled(text: str) -> str:
    """Return a text with the value of a constant of `gateway_world` in the place of its name."""
    return str(getattr(gateway_world, text, text))


@pytest.mark.parametrize("case", CASES, ids=[one["name"] for one in CASES])
def test_an_entry_shows_what_it_shows(case: dict[str, Any]) -> None:
    own = FORMATS.get(case["format"], "")
    known = world(own, partner=case.get("partner", True))
    api = known.api(case["only"]) if "only" in case else None
    values = {**(UNSIGNED if case.get("from") == "nobody" else SIGNED)}
    values |= {name: filled(text) for name, text in case.get("with", {}).items()}
    text = case.get("text") or entry(FORMATS[case.get("written", case["format"])], values)
    text = text[: -case.get("cut", 0) or None]
    found = EntryReader(known, [StageRef(api)] if api else []).read(text).reading
    status, *rest = case["expect"].split(" ")
    assert found.status == status, found
    if rest:
        principal, resource = rest
        one = found.invoked
        asked = found.resource.partition(f":{one.api}/{one.stage}/")[2]
        assert (one.principal, asked) == (filled(principal), resource)
    for name, said in (("subject", found.invoked.subject), ("key", found.invoked.api_key)):
        if name in case:
            assert said == case[name]
    if "context" in case:
        assert dict(found.context) == case["context"]


def test_ids_and_times() -> None:
    both = reader(FORMATS["common"]).read(entry(FORMATS["common"], SIGNED))
    assert (both.id, both.is_unique, both.time) == ("Xq1-bLIBRARYone=", True, "2026-11-03T08:15:42Z")
    chosen = reader(FORMATS["xml"]).read(entry(FORMATS["xml"], SIGNED))
    assert (chosen.id, chosen.is_unique, chosen.time) == (SIGNED["requestId"], False, "")
    zone = entry(FORMATS["common"], {**SIGNED, "requestTime": "03/Nov/2026:00:15:42 +0200"})
    assert reader(FORMATS["common"]).read(zone).time == "2026-11-02T22:15:42Z"


def test_two_stages_with_one_format_are_told_apart_by_their_log_groups() -> None:
    from policygen.account.snapshot import to_account
    from policygen.rightsize.api.question import World

    log_format = FORMATS["unsure"]
    snapshot = gateway_world.snapshots(log_format)[0]
    group = "arn:aws:logs:eu-north-1:123456789012:log-group:/library/{}"
    snapshot["rest_apis"][0]["Stages"] = [
        {"stageName": name, "accessLogSettings": {"format": log_format, "destinationArn": group.format(name)}}
        for name in ("live", "test")
    ]
    known = EntryReader(World({gateway_world.OWNER: to_account(snapshot)}))
    text = entry(log_format, SIGNED)
    assert known.read(text).reading.status == "unmapped"
    assert known.read(text, "/library/test").reading.invoked.stage == "test"
    assert known.read(text, "/library/live").reading.invoked.stage == "live"


def test_an_entry_with_very_many_ways_is_ambiguous_and_quickly_so() -> None:
    log_format = "$context.requestId $context.identity.userAgent $context.path $context.error.message"
    assert EntryFormat(log_format).ways("a b c d")
    text = entry("$context.requestId $context.identity.userAgent", {"identity.userAgent": "x " * 5_000})
    assert reader(log_format).read(text).reading.status == "ambiguous"


@pytest.mark.parametrize("agent", ["plain", "with words (and; more)", 'a "quote"', "-"])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_only_way_is_one_that_the_search_finds_alone(name: str, agent: str) -> None:
    log_format, text = (
        EntryFormat(FORMATS[name]),
        entry(FORMATS[name], SIGNED | {"identity.userAgent": agent}),
    )
    found = log_format.match_only_way()(text)
    assert found is None or log_format.ways(text) == [found.groups()]


def test_quotes_hold_words_together() -> None:
    values = SIGNED | {"identity.userAgent": "with words (and; more)"}
    assert EntryFormat(FORMATS["combined"]).match_only_way()(entry(FORMATS["combined"], values))


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"route", "socket"}))
def test_a_format_is_taken_apart_into_what_it_was_made_of(name: str) -> None:
    log_format = EntryFormat(FORMATS[name])
    values = tuple(SIGNED.get(one, "-") for one in log_format.variables)
    assert log_format.ways(entry(FORMATS[name], SIGNED)) == [values]
    found = log_format.match_only_way()(entry(FORMATS[name], SIGNED))
    assert found is None or found.groups() == values


def test_entries_of_other_stages_are_left_out_where_one_is_asked_for() -> None:
    known = world(FORMATS["all"])
    api = known.api(gateway_world.HTTP)
    assert api
    asked = EntryReader(known, [StageRef(api, "$default")])
    counter = EntryCounter(asked)
    own = {
        **SIGNED,
        "apiId": api.id,
        "stage": "$default",
        "routeKey": "GET /books/{isbn}",
        "path": "/books/7",
    }
    counter.add([entry(FORMATS["all"], SIGNED), entry(FORMATS["route"], own), "nonsense"])
    usage = counter.usage(None)
    assert asked.read(entry(FORMATS["all"], SIGNED)).reading is ELSEWHERE
    assert [one.api for one in usage.invoked] == [api.id]
    assert (usage.entries, len(usage.unread)) == (2, 1)


@pytest.mark.parametrize("name", ["all", "console", "nested"])
def test_json_may_have_other_white_space_than_its_format(name: str) -> None:
    text = entry(FORMATS[name], SIGNED)
    plain = reader(FORMATS[name]).read(text)
    assert plain.reading.status == "mapped"
    for separators in ((",", ":"), (" , ", " : ")):
        assert reader(FORMATS[name]).read(json.dumps(json.loads(text), separators=separators)) == plain


@pytest.mark.parametrize(
    "text",
    [
        entry(FORMATS["agent among words"], {**SIGNED, "identity.userAgent": "curl 8 - -"}),
        entry(FORMATS["agent among words"], {**SIGNED, "identity.userAgent": " ".join("-" * 400)}),
        "no entry at all",
    ],
    ids=["an id that can be read in two ways", "very many ways", "unreadable"],
)
def test_a_line_that_comes_again_counts_once_where_nobody_can_tell_its_id(text: str) -> None:
    once, twice = (EntryCounter(reader(FORMATS["agent among words"])) for _ in range(2))
    once.add([text], ["2026-11-03T08:15:42Z"])
    twice.add([text, text], ["2026-11-03T08:15:42Z"] * 2)
    assert once.usage(None) == twice.usage(None)
    assert once.usage(None).entries == 1
