"""The steps that apply a plan, as sentences for people: what to attach, then what to detach and delete."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from policygen.plan.apply_list import ApplyList, PolicyChange, TrustStep
from policygen.rightsize.generate.pack import INLINE_LIMIT, MANAGED_LIMIT
from policygen.rightsize.trust.session_length import hours
from policygen.text import escape_controls


def apply_steps(
    apply: ApplyList, *, name: Callable[[str], str] = escape_controls, limit: int | None = None
) -> list[str]:
    """Return the steps in order, each a clause without a full stop; they are numbered where they are shown.

    Args:
        apply: a plan's list.
        name: writes a policy's name in the language of the output.
        limit: most names of one kind in a step; None for all.
    """

    def names(changes: Sequence[PolicyChange] | Sequence[str]) -> str:
        found = [one if isinstance(one, str) else one.name for one in changes]
        more = "" if limit is None or len(found) <= limit else f" + {len(found) - limit} more"
        return ", ".join(map(name, found[:limit])) + more

    return list(_steps(apply, names))


def script_words(apply: ApplyList) -> str:
    """Return which of the steps the script of AWS CLI commands takes: what stands before its command."""
    which = (
        "The same as AWS CLI commands, with their"
        if apply.today_known
        else "Step 1 as AWS CLI commands, with its"
    )
    return f"{which} undo"


def numbered_lines(steps: Sequence[str], width: int, indent: str = "") -> list[str]:
    """Return steps as lines of a width, each step with its number; names are not broken."""
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        lead = f"{indent}{number}. "
        lines += textwrap.wrap(
            step,
            width,
            initial_indent=lead,
            subsequent_indent=" " * len(lead),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _steps(apply: ApplyList, names: Callable[[Sequence[PolicyChange] | Sequence[str]], str]) -> Iterator[str]:
    if apply.first_off:
        off = "; ".join(_taken_off(apply.first_off, names))
        yield f"{off}: IAM's quota has no room for both, so the role lacks them until the next step is done"
    yield from _put_on(apply.on, names)
    off = "; ".join(_taken_off(apply.off, names))
    if off:
        yield off
    if apply.unplaced:
        yield f"detach or delete {names(apply.unplaced)}: this plan is older and does not say which is inline"
    if not apply.today_known:
        yield "leave what the role has: its policies of today are not known (--snapshot, --live)"
    elif not apply.changes and not apply.unplaced:
        yield "nothing to do: today's policies are what the evidence asks for"
    if apply.unread:
        yield f"leave {names(apply.unread)} attached until you have read it: its document is not known"
    if apply.trust:
        yield f"apart from these steps, which leave the trust policy alone: {' and '.join(_trust(apply.trust))}"


def _trust(step: TrustStep) -> Iterator[str]:
    if step.after is not None:
        yield "replace the trust policy"
    if step.session_after:
        yield f"lower the longest session from {hours(step.session_before)} to {hours(step.session_after)}"


def _put_on(on: Sequence[PolicyChange], names: Callable[[Sequence[PolicyChange]], str]) -> Iterator[str]:
    """Yield the step that gives the role the new policies: one is inline, several are managed."""
    for verb, some in (
        ("attach", [one for one in on if one.before is None]),
        ("replace", [one for one in on if one.before is not None]),
    ):
        sizes = ", ".join(f"{one.size:,}" for one in some)
        if some and some[0].arn:
            noun = "policy" if len(some) == 1 else "policies"
            make = "create and attach" if verb == "attach" else "write a new version of"
            yield f"{make} the managed {noun} {names(some)} ({sizes} of {MANAGED_LIMIT:,} characters)"
        elif some:
            yield f"{verb} the inline policy {names(some)} ({sizes} of {INLINE_LIMIT:,} characters)"


def _taken_off(off: Sequence[PolicyChange], names: Callable[[Sequence[PolicyChange]], str]) -> Iterator[str]:
    managed, inline = [one for one in off if one.arn], [one for one in off if not one.arn]
    if managed:
        yield f"detach {names(managed)}"
    if inline:
        yield f"delete the inline {'policy' if len(inline) == 1 else 'policies'} {names(inline)}"
