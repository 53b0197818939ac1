"""What failed for good: remembered by what was to be done, and left alone until that is something else. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reconciler.domain import Hold, Result
from reconciler.plan.ownership import digest
from reconciler.watch.memory import Stall
from reconciler.watch.orders import holds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Report
    from reconciler.sync import Wanted

DELETION: Final = ""
"""Stands among attempts for every deletion: what is deleted is desired nowhere."""


def attempts(wanted: Wanted) -> dict[str, str]:
    """What is to be done to each resource at this commit: the same after a failure for good is not tried again."""
    revision = wanted.intent.revision
    return {DELETION: digest([revision]), **{str(r.ref): digest([revision, r.body]) for r in wanted.resources}}


def still_stalled(stalled: Mapping[str, Stall], desired: Mapping[str, str]) -> dict[str, Stall]:
    """Those whose attempt would be the same again."""
    return {name: stall for name, stall in stalled.items() if stall.desired == desired.get(name, desired[DELETION])}


def narrowed(wanted: Wanted, orders: Mapping[str, str], stalled: Mapping[str, Stall]) -> Wanted:
    """What is wanted, with what people suspended and what failed for good held back."""
    failed = (
        Hold(name, f"failed at this commit: {stall.message}", exact=True) for name, stall in sorted(stalled.items())
    )
    return replace(wanted, intent=replace(wanted.intent, held=(*holds_of(orders), *failed)))


def stalled_after(report: Report, before: Mapping[str, Stall], desired: Mapping[str, str]) -> dict[str, Stall]:
    """What failed for good and would be tried again if nothing stood against it."""
    held = {str(entry.ref) for entry in report.plan.held}
    stalled = {name: stall for name, stall in before.items() if name in held}
    for outcome in report.outcomes:
        if outcome.result is Result.FAILED and not outcome.transient:
            name = str(outcome.ref)
            stalled[name] = Stall(outcome.message, outcome.code, desired.get(name, desired[DELETION]))
    return stalled
