"""policygen backtest: learns on the first days of the window and replays the others."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from policygen.cli.completion import complete_sign
from policygen.cli.inputs import message_sink, open_account, open_logs, read_options
from policygen.cli.named_role import for_role
from policygen.cli.option_groups import (
    AccountInput,
    DigestInput,
    LogInput,
    ReadInput,
    RoleInput,
    RoleWindowInput,
    with_option_groups,
)
from policygen.cli.options import IncompleteOption, QuietOption, format_option
from policygen.cli.screen import Color, ColorOption

if TYPE_CHECKING:
    from policygen.evidence.anomalies import AnomalyRule
    from policygen.rightsize.assess.replay import Replay
    from policygen.rightsize.generate.generalise import Mode


@with_option_groups
def command(
    *,
    role: RoleInput,
    logs: LogInput,
    window: RoleWindowInput,
    account: AccountInput,
    learn: Annotated[
        int | None,
        typer.Option(
            "--learn",
            metavar="DAYS",
            min=1,
            help="Days of the window to learn from.",
            show_default="two thirds",
            rich_help_panel="Window",
        ),
    ] = None,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Also learn on 3, 5, 7, 10, 14 … days.", rich_help_panel="Window"),
    ] = False,
    resources: Annotated[
        str,
        typer.Option(
            "--resources",
            metavar="auto|exact|pattern|type",
            help="How names are written, as in suggest; the screen compares all of them.",
            rich_help_panel="Decisions",
        ),
    ] = "auto",
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="KIND",
            autocompletion=complete_sign,
            help="Treat this kind of suspicious call as legitimate. Repeatable.",
            rich_help_panel="Decisions",
        ),
    ] = None,
    fail_over: Annotated[
        str,
        typer.Option(
            "--fail-over",
            metavar="SHARE",
            help="Exit 1 if more of the replayed calls are denied, such as 0.5%.",
            rich_help_panel="Decisions",
        ),
    ] = "",
    format_: Annotated[str, format_option("text", "json", "csv", "html")] = "text",
    allow_incomplete: IncompleteOption = False,
    digests: DigestInput,
    read: ReadInput,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Learn on the first days, and replay the calls of the others.

    policygen backtest orders-api -l ./trail --days 30 --learn 20

    policygen backtest orders-api -l ./trail --curve --fail-over 0.5%
    """
    from policygen.cli.output import summarise
    from policygen.cli.screen import screen_width, write_formatted
    from policygen.evidence.observe import collect_evidence
    from policygen.report.data.backtest import backtest_to_csv, backtest_to_json
    from policygen.report.formats import require_format
    from policygen.report.html import backtest_page
    from policygen.report.terminal.backtest import render_backtest_text
    from policygen.rightsize.backtest import backtest, check_learn

    require_format(format_, ("text", "json", "csv", "html"))
    mode, limit, wanted = _mode(resources), _share(fail_over), role.required
    if learn:
        check_learn(learn, window.days)
    observe = window.observe(
        allow_incomplete=allow_incomplete,
        accepted=tuple(cast("list[AnomalyRule]", accept or [])),
        on=datetime.now(UTC).date(),
    )
    notify = message_sink(quiet=quiet)
    current = open_account(account.live_by_default(logs), notify, wanted)
    source = open_logs(logs, account.profile, read, digests, notify)
    with read_options(read, quiet=quiet) as options:
        evidence = for_role(
            wanted,
            current,
            source,
            options,
            lambda name: collect_evidence(source, name, observe, account=current, read=options),
        )
    if not quiet:
        summarise(evidence)
    found = backtest(
        evidence.usage, evidence.coverage, evidence.current_access, learnt=learn or 0, curve=curve
    )
    texts = {
        "text": lambda: render_backtest_text(found, mode, width=screen_width()),
        "json": lambda: backtest_to_json(found, mode),
        "csv": lambda: backtest_to_csv(found),
        "html": lambda: backtest_page.render(found, mode),
    }
    write_formatted(texts[format_](), format_, color)
    if limit is not None:
        _judge(found.outcome(mode).replay, limit, fail_over)


def _mode(text: str) -> Mode:
    from policygen.errors import no_such
    from policygen.rightsize.generate.generalise import MODES
    from policygen.text import escape_controls

    if text not in MODES:
        raise no_such(f"--resources is {escape_controls(text)[:40]!r}", text, MODES, code="PG-E215")
    return text


def _share(text: str) -> float | None:
    """Return a share of 1: ``0.5%`` or ``0.5 %`` is 0.005; None for ""."""
    from policygen.errors import UsageError
    from policygen.text import escape_controls

    if not text:
        return None
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?%", text.strip())
    if not found or float(found[1]) > 100:
        raise UsageError(
            f"--fail-over is no share: {escape_controls(text)[:40]!r}", "for example 0.5%", code="PG-E218"
        )
    return float(found[1]) / 100


def _judge(replay: Replay, limit: float, asked: str) -> None:
    """Raise where more was denied than is allowed, or where nothing was replayed and so nobody knows."""
    from policygen.errors import GateError, IncompleteError

    if not replay.made:
        raise IncompleteError(
            f"--fail-over cannot be decided: {replay.sentence}",
            "a longer window: --days 60",
            code="PG-E323",
        )
    if replay.share > limit:
        raise GateError(
            f"{replay.denied:,} of {replay.calls:,} replayed calls are denied, {100 * replay.share:.2f} %: "
            f"over {asked.strip()}",
            "learn on more days, or grant more names: --resources pattern, --open TYPE in suggest",
            code="PG-E403",
        )
