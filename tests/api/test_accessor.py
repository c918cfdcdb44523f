"""The accessor of frames: each answer against the frame itself, and what it says where columns are missing."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pandas as pd
import pytest

import policygen as pg
from tests.support import ROOT

TRAIL, ACCOUNT = ROOT / "samples" / "trail", ROOT / "samples" / "account.json"
FIGURES: dict[str, Callable[[Any], Any]] = {
    "by_service_day": lambda iam: iam.heatmap(),
    "weekday_hour": lambda iam: iam.heatmap("weekday_hour"),
    "co_access": lambda iam: iam.heatmap("co_access"),
    "new_names": lambda iam: iam.heatmap("new_names"),
    "timeline": lambda iam: iam.timeline(),
    "curve": lambda iam: iam.curve(),
    "bars": lambda iam: iam.bars(),
}
LARGEST = 40_000
"""Characters of a figure in a notebook."""
DAYS = pd.date_range("2026-11-01", periods=10, freq="D", tz="UTC").as_unit("us")


@cache
def log() -> pg.Log:
    return pg.load(TRAIL, "orders-api", snapshot=ACCOUNT)


def made(*rows: tuple[str, str, int, tuple[str, ...]]) -> pd.DataFrame:
    """Requests: action, name, number of the day, sessions."""
    return pd.DataFrame(
        [
            {
                "service": action.split(":")[0], "action": action, "resource": f"arn:aws:s3:::b/{name}",
                "resource_type": "object", "parent": "arn:aws:s3:::b/*", "day": DAYS[day], "n": 2, "denied": False,
                "sessions": sessions,
            }
            for action, name, day, sessions in rows
        ]
    )  # fmt: skip


SMALL = made(
    ("s3:GetObject", "x", 0, ("a",)), ("s3:GetObject", "x", 1, ("a", "b")), ("s3:GetObject", "y", 8, ("b",)),
    ("s3:PutObject", "x", 1, ("a",)), ("s3:PutObject", "x", 9, ("c",)),
)  # fmt: skip


def test_actions_with_their_calls_and_days() -> None:
    log()
    found = SMALL.iam.by_action()
    assert found["uses"].to_dict() == {"s3:GetObject": 6, "s3:PutObject": 4}
    assert found["days"].to_dict() == {"s3:GetObject": 3, "s3:PutObject": 2}
    assert log().calls.iam.by_action()["calls"].sum() == log().calls["n"].sum()


def test_services_by_day_have_days_without_a_call() -> None:
    log()
    assert SMALL.iam.by_service_day().loc["s3"].tolist() == [2, 4, 0, 0, 0, 0, 0, 0, 2, 2]
    assert log().calls.iam.by_service_day().to_numpy().sum() == log().calls["n"].sum()


def test_only_frames_of_calls_are_said_to_count_calls() -> None:
    every_call = log().calls["n"].sum()
    calls, asked = log().calls.iam, log().requests.iam
    assert calls.heatmap().caption == "Calls by service and day, UTC: orders-api"
    assert calls.bars().caption == "Calls of each action: orders-api"
    assert calls.heatmap().data.to_numpy().sum() == calls.bars().data["calls"].sum() == every_call
    assert asked.heatmap().caption == "Permission uses by service and day, UTC: orders-api"
    assert asked.bars().caption == "Permission uses of each action: orders-api"
    assert asked.heatmap().data.to_numpy().sum() == asked.bars().data["uses"].sum() > every_call
    assert "days<th scope=col>uses" in html.unescape(asked.heatmap()._repr_html_())


def test_a_figure_names_its_role_or_how_many_there_are() -> None:
    log()
    both = pd.concat([SMALL.assign(role="a"), SMALL.assign(role="b\x1b[31m")])
    assert both.iam.timeline().caption == "Use of each action by day, UTC: 2 roles"
    one = both[both["role"] != "a"].iam.heatmap("new_names")
    assert one.caption.startswith("New names by type and day, UTC: b")
    assert "\x1b" not in repr(one)
    assert SMALL.iam.heatmap().caption == "Permission uses by service and day, UTC"


def test_what_was_new_on_a_day_and_known_by_then() -> None:
    log()
    assert SMALL.iam.first_seen()["first"].tolist() == [DAYS[0], DAYS[1], DAYS[8]]
    assert SMALL.iam.saturation()["known"].tolist() == [1, 2, 2, 2, 2, 2, 2, 2, 3, 3]


def test_the_longest_gap_between_two_days_of_use() -> None:
    log()
    assert SMALL.iam.gaps()["longest_gap"].to_dict() == {"s3:PutObject": 8, "s3:GetObject": 7}


def test_the_rhythm_of_each_role_and_action() -> None:
    log()
    weekly = made(("s3:A", "x", 0, ()), ("s3:A", "y", 7, ()), ("s3:B", "x", 0, ()), ("s3:B", "x", 1, ()))
    found = weekly.iam.gaps()
    assert found["usual_gap"].to_dict() == {"s3:A": 7.0, "s3:B": 1.0}
    assert found["weekdays"].to_dict() == {"s3:A": "Sun", "s3:B": "Mon Sun"}
    both = pd.concat([weekly.assign(role="a"), weekly.assign(role="b")]).iam.gaps(["role", "action"])
    assert both.loc[("b", "s3:A"), ["active_days", "longest_gap"]].tolist() == [2, 7]
    once = made(("s3:A", "x", 0, ())).iam.gaps()
    assert once["longest_gap"].tolist() == [0]
    assert once["usual_gap"].isna().all()


def test_roles_are_alike_by_what_they_share() -> None:
    log()
    rows = [
        ("a", "1", "x"),
        ("a", "1", "y"),
        ("b", "1", "x"),
        ("b", "1", "x"),
        ("a", "2", "x"),
        ("c", "1", "z"),
    ]
    frame = pd.DataFrame(rows, columns=["role", "account", "action"])
    assert frame.iam.alike().to_numpy().tolist() == [
        ["a", "2", "b", "1", 1, 1.0, ("x",)],
        ["a", "1", "a", "2", 1, 0.5, ("x",)],
        ["a", "1", "b", "1", 1, 0.5, ("x",)],
    ]
    more = pd.DataFrame([*rows, ("b", "1", "y")], columns=["role", "account", "resource"])
    pairs = more.iam.alike("resource").set_index(["role", "account", "other"])
    assert pairs.loc[("a", "1", "b"), "resources"] == ("x", "y")  # fmt: skip


def test_what_was_first_seen_since_a_day() -> None:
    log()
    assert SMALL.iam.first_seen("action", since="2026-11-02")["action"].tolist() == ["s3:PutObject"]
    assert SMALL.iam.first_seen(since="2026-11-03")["resource"].tolist() == ["arn:aws:s3:::b/y"]


@pytest.mark.parametrize(
    "since",
    [
        "2026-11-02",
        "2026-11-02T23:59:59Z",
        "2026-11-03 01:00:00+02:00",
        date(2026, 11, 2),
        datetime(2026, 11, 2, 15),
        datetime(2026, 11, 2, 15, tzinfo=UTC),
        pd.Timestamp("2026-11-02"),
        pd.Timestamp("2026-11-02", tz="UTC"),
    ],
)
def test_a_day_may_be_given_as_a_text_or_as_a_time_and_counts_whole(since: str | date) -> None:
    log()
    assert SMALL.iam.first_seen("action", since=since)["action"].tolist() == ["s3:PutObject"]


@pytest.mark.parametrize(
    "since",
    [
        "nonsense",
        "11/02/2026",
        "2026-11",
        "20261102",
        "2026-02-30",
        "2026-11-02x",
        20261102,
        pd.NaT,
        float("nan"),
    ],
)
def test_what_is_no_day_is_refused_with_an_example(since: Any) -> None:
    log()
    said = r"since is not a date: .*PG-E206\n  hint: for example since='2026-11-24'"
    with pytest.raises(pg.PolicygenError, match=said):
        SMALL.iam.first_seen("action", since=since)
    with pytest.raises(pg.PolicygenError, match="PG-E206"):
        SMALL.head(0).iam.first_seen("action", since=since)


def test_names_and_the_days_on_which_new_ones_came_up() -> None:
    log()
    assert SMALL.iam.names().reset_index()[["action", "names", "active_days", "new_days"]].to_numpy().tolist() == [
        ["s3:GetObject", 2, 3, 1], ["s3:PutObject", 1, 2, 0],
    ]  # fmt: skip
    columns = ["names", "active_days", "new_days"]
    by = ["action", "resource_type", "parent"]
    used = log().requests.loc[lambda rows: ~rows["denied"] & rows["resource"].ne(rows["parent"])].iam.names()
    theirs = log().names.set_index(by)[columns]
    assert used.loc[theirs.index, columns].to_numpy().tolist() == theirs.to_numpy().tolist()


@pytest.mark.parametrize(("unit", "share"), [("session", 1 / 3), ("day", 1 / 4)])
def test_the_share_of_units_with_both_actions(unit: str, share: float) -> None:
    log()
    found = SMALL.iam.co_access(unit)
    assert found.loc["s3:GetObject", "s3:PutObject"] == pytest.approx(share)
    assert found.loc["s3:PutObject", "s3:PutObject"] == 1


def test_hours_are_those_of_the_first_and_the_last_call() -> None:
    found = log().calls.iam.co_access("hour")
    assert found.to_numpy().max() == 1
    with pytest.raises(ValueError, match="session, day or hour"):
        log().calls.iam.co_access("year")
    table = log().calls.iam.weekday_hour()
    assert table.shape == (7, 24)
    assert table.to_numpy().sum() == len(log().calls)


def test_later_days_ask_for_names_that_were_not_learnt() -> None:
    log()
    found = SMALL.iam.backtest().set_index("mode")
    assert found["denied"].to_dict() == {"exact": 2, "parent": 0}
    assert found["uses"].to_dict() == {"exact": 4, "parent": 4}
    with pytest.raises(pg.PolicygenError, match="learn must be 1 to 9 of 10 days, not 10"):
        SMALL.iam.backtest(10)


def test_the_policy_allows_what_was_asked_and_got_and_nothing_else() -> None:
    rows = log().requests
    policy = rows.iam.to_policy()
    for action, resource, denied in rows[["action", "resource", "denied"]].itertuples(index=False):
        if not denied and "*" not in resource:
            assert pg.evaluate(pg.AccessRequest(action, resource), [policy]).outcome == "ALLOWED"
    assert pg.evaluate(pg.AccessRequest("s3:DeleteBucket", "arn:aws:s3:::b"), [policy]).outcome != "ALLOWED"
    star = made(("s3:GetObject", "x*", 0, ()))
    assert star.iam.to_policy().statements[0].resources == ("arn:aws:s3:::b/x${*}",)
    with pytest.raises(ValueError, match="nothing to grant"):
        SMALL.assign(denied=True).iam.to_policy()


def wide(days: int, actions: int = 60) -> pd.DataFrame:
    """Requests of many actions with long and hostile names, each on every second day."""
    every = pd.date_range("2026-01-01", periods=days, freq="D", tz="UTC").as_unit("us")
    rows = [(number, day) for number in range(actions) for day in every[number % 2 :: 2]]
    names = [f"service{number}:<script>$x^{'Action' * 6}{number}" for number, _ in rows]
    return pd.DataFrame(
        {
            "service": [name.split(":")[0] for name in names], "action": names, "resource": names,
            "resource_type": [f"<script>{number}" for number, _ in rows], "parent": "*", "n": range(1, len(rows) + 1),
            "day": [day for _, day in rows], "first": [day + pd.Timedelta(hours=day.day % 24) for _, day in rows],
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_its_numbers_and_a_small_page(name: str) -> None:
    log()
    frames = [wide(days) for days in (1, 92, 400)]
    for frame in (log().calls if name == "weekday_hour" else log().requests, *frames):
        figure = FIGURES[name](frame.iam)
        page = html.unescape(figure._repr_html_())
        assert len(figure.data)
        assert len(repr(figure)) < 200
        assert len(figure._repr_html_()) <= LARGEST
        assert "<svg" in page
        assert "<script" not in page
        assert "prefers-color-scheme:dark" in page


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_with_matplotlib_where_it_is_told_to(name: str) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    pyplot.switch_backend("Agg")
    log()
    figure = FIGURES[name](wide(31).iam)
    try:
        axes = figure.plot()
        axes.figure.canvas.draw()  # a name is no formula, whatever is in it
        assert axes.get_title() == figure.caption
        there = pyplot.subplots()[1]
        assert figure.plot(there, alpha=0.5) is there
    finally:
        pyplot.close("all")


@pytest.mark.parametrize("most", [1, 2, 500_000])
def test_a_drawn_cell_with_nothing_differs_from_one_with_a_call(most: int) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    pyplot.switch_backend("Agg")
    log()
    rows = made(("s3:GetObject", "x", 0, ()), ("s3:GetObject", "x", 2, ())).assign(n=[1, most])
    try:
        axes = rows.iam.heatmap().plot(title="Mine")
        axes.figure.canvas.draw()
        one, nothing, top = axes.collections[0].get_facecolors()
        assert nothing[3] == 0
        assert one[3] == top[3] == 1
        assert one[:3].min() < 0.9
        assert axes.get_title() == "Mine"
        assert axes.figure.axes[1].get_ylabel() == "uses"
        assert rows.iam.heatmap().plot(vmin=0, vmax=9).collections[0].norm.vmax == 9
    finally:
        pyplot.close("all")


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        pg.PolicygenError, match=r"needs matplotlib.*PG-E258\n  hint: pip install '\.\[notebook\]'"
    ):
        SMALL.iam.bars().plot()


def test_the_replay_curve_has_a_line_for_each_way_to_write_names() -> None:
    frame = pg.backtest_frame(log().backtest(curve=True))
    figure = frame.iam.curve()
    assert figure.data.loc[20].to_dict() == {
        "auto": 0, "exact": pytest.approx(94 / 636), "pattern": 0, "type": 0,
    }  # fmt: skip
    page = html.unescape(figure._repr_html_())
    assert page.count('class="line line') == 4
    nothing = pg.backtest_frame(pg.backtest("orders-api", TRAIL, days=2, snapshot=ACCOUNT)).iam.curve()
    assert nothing.data.empty
    assert "<svg" not in html.unescape(nothing._repr_html_())


def test_new_names_are_counted_on_the_day_of_their_first_sight() -> None:
    log()
    assert SMALL.iam.new_names().loc["object"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    table = log().requests.iam.new_names()
    requests = log().requests.loc[lambda rows: rows["resource"].ne(rows["parent"])]
    assert table.to_numpy().sum() == len(requests[["resource_type", "resource"]].drop_duplicates())


def test_actions_that_go_together_are_neighbours() -> None:
    log()
    rows = made(
        *(("s3:A", "x", day, ()) for day in (0, 2, 4)),
        ("s3:B", "x", 1, ()),
        ("s3:C", "x", 2, ()),
        ("s3:C", "x", 4, ()),
    )
    assert rows.iam.heatmap("co_access").data.index.tolist() == ["s3:A", "s3:C", "s3:B"]
    with pytest.raises(ValueError, match="of is 'x': by_service_day"):
        SMALL.iam.heatmap("x")


@pytest.mark.parametrize("frame", ["calls", "requests"])
def test_a_frame_without_a_row_has_answers_without_a_row(frame: str) -> None:
    iam = getattr(log(), frame).head(0).iam
    names = ["by_action", "by_service_day", "saturation", "gaps", "names", "alike", "new_names", "first_seen"]
    tables = [getattr(iam, name)() for name in names if frame == "requests" or name in {"by_action", "gaps"}]
    tables += [iam.co_access("day"), iam.co_access()] + ([iam.co_access("hour")] if frame == "calls" else [])
    assert [len(one) for one in tables] == [0] * len(tables)
    figures = [iam.heatmap("co_access"), iam.heatmap(), iam.timeline(), iam.bars()]
    assert all("<svg" not in html.unescape(one._repr_html_()) for one in figures)


def test_a_frame_without_the_columns_says_which() -> None:
    with pytest.raises(AttributeError, match="this frame has no column resource_type, parent"):
        SMALL[["action", "resource", "day"]].iam.names()
    with pytest.raises(AttributeError, match=r"no column rol, day; did you mean role\? It has: role, n"):
        pd.DataFrame({"role": [""], "n": [1]}).iam.gaps("rol")
    with pytest.raises(AttributeError, match="this frame has no column day, n"):
        pd.DataFrame({"x": [1]}).iam.by_action()
