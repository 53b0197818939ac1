"""What becomes of passes, told on: to Prometheus, to people, and as marks on commits."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.domain import Result
from reconciler.errors import SignatureRefused, SourceUnavailable
from reconciler.notify.rules import Occasion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reconciler.domain import Action, Outcome, Plan, Report
    from reconciler.notify.telling import Teller
    from reconciler.watch.memory import Memory
    from reconciler.watch.metrics import Metrics, Polled
    from reconciler.watch.vitals import Vitals
    from reconciler.watch.world import HeldBy, Passed

_UNDONE = (Result.FAILED, Result.SKIPPED, Result.INTERRUPTED)
QUIET = ("Suspended", "OutsideSyncWindow", "HeldBack", "Interrupted", "NewCommit")
"""Reasons that are somebody's own wish, or pass at once: no failure to tell of, and no success either."""


class Telling:
    """The observer of a loop that runs for good."""

    def __init__(self, metrics: Metrics, teller: Teller, vitals: Vitals, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._teller = teller
        self._vitals = vitals
        self._now = now
        self._kept: frozenset[str] | None = None

    def began(self, environment: str, revision: str, memory: Memory) -> Memory:
        """Mark the commit as pending, unless it has a mark."""
        return replace(memory, told=self._teller.mark_pending(environment, revision, memory.told))

    def passed(self, passed: Passed, memory: Memory) -> Memory:
        """Count the pass, show how the environment stands, and tell whom it concerns."""
        metrics, verdict, name = self._metrics, passed.verdict, passed.environment
        if self._left(name):
            return memory
        metrics.passed(name, verdict.reason, passed.seconds, ready=verdict.ready)
        metrics.requested(name, "reads", passed.reads)
        metrics.requested(name, "writes", passed.writes)
        metrics.revision(name, passed.revision)
        metrics.conditions(name, memory.conditions)
        metrics.stalled(name, len(memory.stalled))
        for operation, left in passed.budget.items():
            metrics.budget(passed.subscription, operation, left)
        if passed.plan is not None:
            metrics.resources(name, standings(passed.plan, passed.report))
            metrics.drifted(name, len(passed.plan.drift))
            metrics.warned(name, len(passed.plan.warnings))
        if verdict.reason in QUIET:
            return memory
        occasion = Occasion(
            passed.project,
            name,
            passed.revision,
            verdict.ready,
            verdict.reason,
            verdict.message,
            verdict.failing,
            transient=not verdict.ready and not verdict.stalled,
        )
        return replace(memory, told=self._teller.tell(occasion, memory.told, self._now()))

    def held(self, environment: str, by: HeldBy) -> None:
        """Show whether the environment is ours."""
        if by != "nobody":
            self._vitals.store_reached()
        if self._left(environment):
            return
        self._metrics.lease(environment, held=by == "us")
        if by == "another":
            self._metrics.elsewhere(environment)

    def kept(self, environments: Collection[str]) -> None:
        """Show no others, also not when the last pass of one that left ends only now."""
        self._kept = frozenset(environments)
        self._metrics.keep(environments)

    def lost(self, environment: str) -> None:
        """Count a lost lease."""
        if not self._left(environment):
            self._metrics.lease_lost(environment)

    def started(self, environment: str, action: Action) -> None:
        """Nothing: an action counts when it ends."""

    def ended(self, environment: str, outcome: Outcome) -> None:
        """Count an action."""
        if not self._left(environment):
            self._metrics.acted(environment, outcome.verb, outcome.result)

    def looked(self, problem: Exception | None, new: bool) -> None:
        """Count a look at the source."""
        if problem is None:
            self._vitals.source_read()
        self._metrics.polled(_polled(problem, new=new))

    def _left(self, environment: str) -> bool:
        """Whether an environment is reconciled no longer: what it still does is not shown."""
        return self._kept is not None and environment not in self._kept


def _polled(problem: Exception | None, *, new: bool) -> Polled:
    if problem is None:
        return "new" if new else "unchanged"
    if isinstance(problem, SourceUnavailable):
        return "unavailable"
    return "refused" if isinstance(problem, SignatureRefused) else "failed"


def standings(plan: Plan, report: Report | None) -> dict[str, int]:
    """How many resources stand how after a pass."""
    undone = {action.ref for action in plan.actions}
    if report is not None:
        undone -= {outcome.ref for outcome in report.outcomes if outcome.result not in _UNDONE}
    drifted = {drift.ref for drift in plan.drift if not drift.healed}
    counts: Counter[str] = Counter()
    counts["InSync"] = len(plan.unchanged) + len(plan.actions) - len(undone)
    counts["Drift"] = len(drifted)
    counts["Refused"] = len({refusal.resource for refusal in plan.refusals})
    counts["OutOfSync"] = len((undone | {held.ref for held in plan.held}) - drifted)
    return dict(counts)
