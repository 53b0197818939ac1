"""One pass: the line from manifests to report, under a lease, with all that may stand against writing."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.domain import Result, Verb
from reconciler.errors import PlanRefused, Problem
from reconciler.plan.hold import declined
from reconciler.sync import sync
from reconciler.watch.orders import holds_of, suspension_of
from reconciler.watch.stalls import narrowed, stalled_after, still_stalled
from reconciler.watch.verdict import Verdict, of_error, of_plan, of_report
from reconciler.watch.world import Passed
from reconciler.windows import closed_because

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.apply import Applying
    from reconciler.arm.client import Arm
    from reconciler.domain import Action, Outcome, Plan
    from reconciler.state.store import Lease, Store
    from reconciler.watch.memory import Stall
    from reconciler.watch.revision import Revision
    from reconciler.watch.session import Session
    from reconciler.watch.world import World
    from schemas.project import ProjectEnvironment

log = logging.getLogger(__name__)

FIELDS_TOLD = 10


class _NotNow(Exception):
    """This is not the time to do anything."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class Pass:
    """One pass of an environment over a revision. ``leave`` ends it at the next safe point."""

    def __init__(
        self,
        environment: str,
        world: World,
        session: Session,
        revision: Revision,
        lease: Lease,
        store: Store,
        orders: Mapping[str, str],
    ) -> None:
        self._environment = environment
        self._world = world
        self._session = session
        self._revision = revision
        self._lease = lease
        self._store = store
        self._orders = orders
        self._left = False
        self._applying: Applying | None = None
        self._heeding: asyncio.Task[None] | None = None
        self._plan: Plan | None = None

    def leave(self) -> None:
        """Start nothing more, and wait for nothing more."""
        self._left = True
        if self._applying is not None:
            self._applying.leave()
        elif self._session.arm is not None:
            self._session.arm.leave()

    async def run(self, stalled: Mapping[str, Stall]) -> tuple[Passed, Mapping[str, Stall]]:
        """What it came to, and what is stalled now. ``stalled`` is what failed for good before. Raises nothing."""
        began, revision = self._world.now(), self._revision
        arm: Arm | None = None
        report, reads, writes = None, 0, 0
        try:
            arm = await self._session.open(self._settings, revision.checkout.root, self._lease)
            reads, writes = arm.reads, arm.writes
            if self._left:
                arm.leave()
            wanted, desired = await revision.wanted(self._environment, arm.target)
            stalled = still_stalled(stalled, desired)
            report = await sync(
                narrowed(wanted, self._orders, stalled),
                arm,
                revision.checkout.root,
                approve=self._approve,
                progress=self,
                running=self._running,
            )
            stalled = stalled_after(report, stalled, desired)
            verdict = of_report(report, stalled)
        except _NotNow as not_now:
            verdict = not_now.verdict
        except Exception as error:
            if not isinstance(error, Problem):
                log.exception("a pass broke")
            verdict = of_error(error)
        finally:
            self._session.shut()
            await self._heed_no_more()
        passed = Passed(self._environment, revision.project.project, revision.name, verdict)
        if arm is not None:
            passed = replace(
                passed,
                reads=arm.reads - reads,
                writes=arm.writes - writes,
                subscription=arm.target.subscription_id,
                budget=arm.budget.remaining,
            )
        return replace(passed, seconds=self._world.now() - began, plan=self._plan, report=report), stalled

    @property
    def _settings(self) -> ProjectEnvironment:
        return self._revision.project.environments[self._environment]

    def _approve(self, plan: Plan) -> None:
        self._plan = plan
        if why := suspension_of(self._orders, self._settings):
            self._plan = declined(plan, why)
            ready = not plan.actions and not plan.refusals and of_plan(plan).ready
            raise _NotNow(Verdict("Suspended", why, ready=ready))
        if plan.refusals:
            raise PlanRefused(plan.refusals)
        moment = datetime.fromtimestamp(self._world.now(), UTC)
        if plan.actions and (why := closed_because(self._settings.sync_windows, moment)):
            self._plan = declined(plan, why)
            raise _NotNow(Verdict("OutsideSyncWindow", why))

    # -- while it applies ------------------------------------------------------------------------------------------

    def _running(self, applying: Applying) -> None:
        self._applying = applying
        if self._left:
            applying.leave()
        self._heeding = asyncio.get_running_loop().create_task(self._heed(applying))

    async def _heed(self, applying: Applying) -> None:
        """Stop the apply when people suspend something meanwhile: what runs is finished, and the next pass knows."""
        name = f"{self._revision.project.project}/{self._environment}"
        while True:
            await asyncio.sleep(self._world.orders_every_s)
            try:
                orders = await self._store.orders(name)
            except Problem as error:
                log.warning("orders cannot be read", extra={"error": str(error)})
                continue
            if suspension_of(orders, self._settings) or set(holds_of(orders)) - set(holds_of(self._orders)):
                log.warning("suspended meanwhile: nothing more is started")
                applying.stop()
                return

    async def _heed_no_more(self) -> None:
        if self._heeding is not None:
            self._heeding.cancel()
            (ended,) = await asyncio.gather(self._heeding, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("heeding orders broke", exc_info=ended)

    def started(self, action: Action) -> None:
        """Tell of an action that begins."""
        told: dict[str, object] = {"resource": str(action.ref), "verb": str(action.verb), "reason": action.reason}
        if action.verb is Verb.UPDATE:
            told["fields"] = ", ".join(change.path for change in action.changes[:FIELDS_TOLD])
        log.info("action began", extra=told)
        self._world.observer.started(self._environment, action)

    def ended(self, outcome: Outcome) -> None:
        """Tell of an action that ended."""
        level = logging.WARNING if outcome.result is Result.FAILED else logging.INFO
        told = {"resource": str(outcome.ref), "result": str(outcome.result)}
        log.log(level, "action ended", extra=told | ({"error": outcome.message} if outcome.message else {}))
        self._world.observer.ended(self._environment, outcome)
