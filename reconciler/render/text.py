"""Plans and reports for a terminal or a log. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.domain import Result, Verb
from reconciler.render.values import (
    NOT_EVALUATED,
    SIGN,
    before_after,
    held_line,
    printable,
    reported,
    summary_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Action, Plan, Refusal, Report

_COLOUR = {"+": "32", "~": "33", "-/+": "35", "-": "31", "@": "36", "!": "31;1", "ok": "32", "dim": "2", "bold": "1"}


def paint(text: str, colour: str, *, on: bool) -> str:
    """``text`` in the colour of a sign, when colours are on."""
    return f"\x1b[{_COLOUR[colour]}m{text}\x1b[0m" if on and colour in _COLOUR else text


def plan_text(plan: Plan, *, colour: bool = False) -> str:
    """The plan for a terminal."""
    lines = [f"{plan.project}/{plan.environment} in workspace {plan.workspace} at revision {plan.revision}", ""]
    for action in plan.actions:
        lines += [*_action_text(action, colour=colour), ""]
    lines += _drift_text(plan, colour=colour)
    lines += [paint("  held back", "~", on=colour) + f"  {held_line(held)}" for held in plan.held]
    lines += [""] * bool(plan.held)
    lines += [paint(f"  warning  {w.resource}: {printable(w.message)}", "~", on=colour) for w in plan.warnings]
    lines += [""] * bool(plan.warnings)
    for refusal in plan.refusals:
        lines += [*_refusal_text(refusal, colour=colour), ""]
    if plan.refusals:
        count = len(plan.refusals)
        left = f" {len(plan.not_evaluated)} {NOT_EVALUATED}." if plan.not_evaluated else ""
        lines.append(f"Refused: {count} reason{'s' * (count != 1)} above; nothing of this plan will be applied.{left}")
    else:
        lines.append(summary_line(plan))
    return "\n".join(lines) + "\n"


def _action_text(action: Action, *, colour: bool) -> Iterator[str]:
    sign = SIGN[action.verb]
    yield paint(f"{sign:>3} {action.ref}", sign, on=colour) + f"  {action.verb}: {action.reason}"
    shown = [c for c in action.changes if action.verb is not Verb.CREATE or c.reason != "documented default"]
    width = max((len(change.path) for change in shown), default=0)
    for change in shown:
        before, after = before_after(change)
        if action.verb is Verb.CREATE:
            yield f"        {change.path:<{width}}  {after}"
        else:
            note = "" if change.reason == "manifest" else f"  ({change.reason})"
            yield f"        {change.path:<{width}}  {before} -> {after}{note}"
    if hidden := len(action.changes) - len(shown):
        yield paint(f"        and {hidden} documented default{'s' * (hidden != 1)}", "dim", on=colour)


def _drift_text(plan: Plan, *, colour: bool) -> Iterator[str]:
    for drift, why in reported(plan):
        yield paint(f"  drift  {drift.ref}", "~", on=colour) + f"  changed outside Git; {printable(why)}"
        for change in drift.changes:
            before, after = before_after(change)
            yield f"        {change.path}  live {before}, Git {after}"
        yield ""


def _refusal_text(refusal: Refusal, *, colour: bool) -> Iterator[str]:
    place = f"  ({refusal.position})" if refusal.position else ""
    yield paint(f"  ! {refusal.resource}", "!", on=colour) + f"  {refusal.rule}{place}"
    yield f"        {printable(refusal.message)}"
    if refusal.hint:
        yield f"        fix: {printable(refusal.hint)}"


def report_text(report: Report, *, colour: bool = False) -> str:
    """What an apply did, failures with their cause last, where the eye is."""
    failed = [o for o in report.outcomes if o.result is Result.FAILED]
    lines: list[str] = []
    for outcome in failed:
        lines += ["", paint(f"  ! {outcome.ref}  {outcome.verb} failed", "!", on=colour)]
        lines.append(f"        {outcome.code + ': ' if outcome.code else ''}{printable(outcome.message)}")
        if outcome.request_id:
            lines.append(f"        request id {outcome.request_id}")
        lines += [f"        | {printable(line)}" for line in outcome.log_tail.splitlines()]
    if report.unsettled:
        lines += ["", paint("  ! what Azure was at work on before did not end well", "!", on=colour)]
        lines.append(f"        {printable(report.unsettled)}")
    counts = {result: sum(o.result is result for o in report.outcomes) for result in Result}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count) or "nothing to do"
    word = "Applied" if report.ok else "Not everything was applied"
    lines += [""] * bool(lines) + [f"{word}: {told}."]
    return "\n".join(lines) + "\n"
