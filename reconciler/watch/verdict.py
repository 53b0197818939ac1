"""What a pass came to, as one verdict; and the three conditions that follow from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reconciler.domain import Result
from reconciler.errors import (
    ArmError,
    EmulatorError,
    LeaseError,
    ManifestError,
    PlanRefused,
    Problem,
    SignatureRefused,
    SourceError,
    StateError,
    Superseded,
)
from reconciler.watch.memory import CONDITIONS, Condition, Stall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Plan, Report
    from reconciler.watch.memory import ConditionType

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an environment stands after a pass.

    ``ready``: live is what Git says. ``reconciling``: more will be done without a person. ``stalled``: it will not.
    ``again``: try sooner than the interval. ``failing`` names the resources that are to blame.
    """

    reason: str
    message: str = ""
    ready: bool = False
    reconciling: bool = False
    stalled: bool = False
    again: bool = False
    failing: tuple[str, ...] = ()


APPLIED: Final = "Applied"
SYNCED: Final = Verdict("Synced", "live is what Git says", ready=True)
STARTING: Final = Verdict("NewCommit", "a pass has begun", reconciling=True)

_OF_ERRORS: tuple[tuple[type[Problem], str], ...] = (
    (ManifestError, "InvalidManifests"),
    (PlanRefused, "PlanRefused"),
    (SignatureRefused, "SignatureRefused"),
    (LeaseError, "LeaseLost"),
    (StateError, "StateUnavailable"),
    (EmulatorError, "AzureUnavailable"),
    (Superseded, "NewCommit"),
)
REASONS: Final = frozenset(
    {name for _, name in _OF_ERRORS}
    | {SYNCED.reason, STARTING.reason}
    | {APPLIED, "DriftReported", "HeldBack", "ActionFailed", "Retrying", "Interrupted", "Suspended"}
    | {"OutsideSyncWindow", "SourceUnavailable", "SourceFailed", "AzureRefused", "Unexpected"}
)
"""Every reason there is; docs/run-it.md says what each means and what to do."""


def of_error(error: Exception) -> Verdict:
    """What an error that ended a pass means."""
    if isinstance(error, SourceError) and not isinstance(error, SignatureRefused):
        reason = "SourceUnavailable" if error.transient else "SourceFailed"
    elif isinstance(error, Problem):
        reason = next((name for kind, name in _OF_ERRORS if isinstance(error, kind)), "")
        reason = reason or ("AzureUnavailable" if error.transient else "AzureRefused")
    else:
        return Verdict("Unexpected", f"{type(error).__name__}: {error}"[:LONGEST], reconciling=True, again=True)
    passes = isinstance(error, Problem) and (error.transient or isinstance(error, EmulatorError))
    failing = tuple(refusal.resource for refusal in error.refusals) if isinstance(error, PlanRefused) else ()
    if isinstance(error, ManifestError):
        failing = tuple(dict.fromkeys(finding.resource for finding in error.findings if finding.resource))
    text = error.message if isinstance(error, ArmError) else str(error)
    return Verdict(
        reason, text[:LONGEST], reconciling=passes, stalled=not passes, again=passes, failing=tuple(sorted(failing))
    )


def of_report(report: Report, stalled: Mapping[str, Stall]) -> Verdict:
    """What an applied plan means. ``stalled`` are the actions that failed for good, now or before."""
    failed = [outcome for outcome in report.outcomes if outcome.result is Result.FAILED]
    if stalled:
        names = tuple(sorted(stalled))
        first = stalled[names[0]]
        more = f"; and {len(names) - 1} more" if len(names) > 1 else ""
        why = f"{names[0]}: {first.code + ': ' if first.code else ''}{first.message}{more}"
        return Verdict(
            "ActionFailed", why[:LONGEST], stalled=True, again=any(o.transient for o in failed), failing=names
        )
    if failed:
        names = tuple(sorted(str(outcome.ref) for outcome in failed))
        text = f"{failed[0].ref}: {failed[0].message}"
        return Verdict("Retrying", text[:LONGEST], reconciling=True, again=True, failing=names)
    if report.unsettled:
        return Verdict("Retrying", report.unsettled[:LONGEST], reconciling=True, again=True)
    if not report.ok:
        return Verdict("Interrupted", "ended at a safe point; the next pass goes on", reconciling=True, again=True)
    return of_plan(report.plan)


def of_plan(plan: Plan) -> Verdict:
    """What remains of a plan whose actions, if any, were all done."""
    if plan.held:
        names = tuple(sorted(str(held.ref) for held in plan.held))
        return Verdict("HeldBack", f"{names[0]}: {plan.held[0].reason}"[:LONGEST], failing=names)
    drifted = sorted(str(drift.ref) for drift in plan.drift if not drift.healed)
    if drifted:
        return Verdict(
            "DriftReported", f"changed outside Git, reported only: {', '.join(drifted)}"[:LONGEST], ready=True
        )
    if plan.actions:
        count = len(plan.actions)
        return Verdict(APPLIED, f"{count} action{'s' * (count != 1)}; live is what Git says", ready=True)
    return SYNCED


def overlaid(verdict: Verdict, source: Exception | None) -> Verdict:
    """The verdict on an older commit, when the newest one cannot be had: what is applied is not what Git says."""
    if source is None:
        return verdict
    problem = of_error(source)
    if verdict.stalled and not problem.stalled:
        return verdict
    return problem


def conditions(previous: tuple[Condition, ...], verdict: Verdict, now: str) -> tuple[Condition, ...]:
    """The three conditions after a verdict; ``since`` stays while a status stays. ``now`` is ISO 8601, UTC."""
    before = {condition.type: condition for condition in previous}
    status: Mapping[ConditionType, bool] = {
        "Ready": verdict.ready,
        "Reconciling": verdict.reconciling,
        "Stalled": verdict.stalled,
    }
    found = []
    for type_ in CONDITIONS:
        old = before.get(type_)
        since = old.since if old is not None and old.status is status[type_] else now
        found.append(Condition(type_, status[type_], verdict.reason, verdict.message, since))
    return tuple(found)
