"""One environment of the loop: when its next pass is due, and the pass itself, under a lease."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.arm.fence import Fence
from reconciler.domain import Result
from reconciler.errors import LeaseHeld, LeaseLost, PlanRefused, Problem
from reconciler.journal import Circumstances, entry
from reconciler.log import about
from reconciler.plan.hold import declined
from reconciler.sync import sync
from reconciler.watch.memory import Memory
from reconciler.watch.orders import RETRY, suspension_of
from reconciler.watch.stalls import narrowed, stalled_after, still_stalled
from reconciler.watch.verdict import Verdict, conditions, of_error, of_plan, of_report, overlaid
from reconciler.watch.world import Passed
from reconciler.windows import closed_because

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.apply import Applying
    from reconciler.arm.client import Arm
    from reconciler.domain import Action, Outcome, Plan, Report
    from reconciler.state.store import Lease, Store
    from reconciler.watch.memory import Stall
    from reconciler.watch.revision import Revision
    from reconciler.watch.world import HeldBy, World

log = logging.getLogger(__name__)

HELD_RETRY_S = 2.0
"""How soon to ask again for an environment that another replica holds: it ends, or its lease does."""


class _NotNow(Exception):
    """The plan has something to do, and this is not the time to do it."""

    def __init__(self, plan: Plan, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.plan = plan
        self.verdict = verdict


class Environment:
    """One environment: ``see`` hands it revisions, ``run`` passes when one is due, ``stop`` ends at a safe point."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.due_at = 0.0
        self.verdict: Verdict | None = None
        self.passing: Revision | None = None
        self._known = Memory()
        self._world = world
        self._revision: Revision | None = None
        self._source_problem: Exception | None = None
        self._wake = asyncio.Event()
        self._forced = True
        self._stopping = False
        self._leaving = False
        self._applying: Applying | None = None
        self._arm: Arm | None = None
        self._opened: tuple[object, AsyncExitStack] | None = None

    # -- what it is told -------------------------------------------------------------------------------------------

    def see(self, revision: Revision, *, at_once: bool) -> None:
        """A newer revision. ``at_once`` when it may concern this environment: then all waits for an older one end."""
        older = self._revision is not None and self._revision is not revision
        self._revision, self._source_problem = revision, None
        if at_once:
            self.force()
            if older:
                self.leave()

    def source_failed(self, error: Exception) -> None:
        """The newest revision cannot be had; the last good one stays in force."""
        news = repr(self._source_problem) != repr(error)
        self._source_problem = error
        if news and self._revision is not None:
            self.force()

    def force(self) -> None:
        """Pass now, whoever passed when."""
        self._forced = True
        self.due_at = 0.0
        self._wake.set()

    def leave(self) -> None:
        """End the pass that runs, if any, at the next safe point."""
        self._leaving = True
        if self._applying is not None:
            self._applying.leave()
        elif self._arm is not None:
            self._arm.leave()

    def stop(self) -> None:
        """End for good at the next safe point. What Azure is at work on is found again by the next start."""
        self._stopping = True
        self._wake.set()
        self.leave()

    # -- the loop --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pass whenever a pass is due, until ``stop``."""
        try:
            while not self._stopping:
                await self._until_due()
                if not self._stopping:
                    await self.pass_once()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the session with Azure."""
        if self._opened is not None:
            _, stack = self._opened
            self._opened = self._arm = None
            await stack.aclose()

    async def _fresh(self) -> None:
        """Nothing that was said about an earlier pass counts for the one that begins."""
        if self._leaving and not self._stopping:
            self._leaving = False
            await self.close()

    async def _until_due(self) -> None:
        while (left_s := self.due_at - self._world.now()) > 0 and not self._stopping:
            self._wake.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def pass_once(self) -> Verdict | None:
        """One pass; None when another replica has it, or had it. Never raises but when cancelled."""
        revision, world = self._revision, self._world
        self.passing = revision
        if revision is None:
            self.due_at = world.now() + HELD_RETRY_S
            return None
        await self._fresh()
        with about(environment=self.name, revision=revision.name):
            by: HeldBy = "nobody"
            try:
                store = world.store(revision)
                async with store.lease(f"{revision.project.project}/{self.name}", world.holder) as lease:
                    world.observer.held(self.name, "us")
                    await self._under(lease, store, revision)
            except LeaseHeld as error:
                log.debug("held by another", extra={"holder": error.holder})
                self.due_at = world.now() + world.pause_s(HELD_RETRY_S)
                by = "another"
                return None
            except Problem as error:
                self._without_lease(revision, error)
            except Exception as error:
                log.exception("a pass broke")
                self._without_lease(revision, error)
            finally:
                self.passing = None
                world.observer.held(self.name, by)
        return self.verdict

    def _without_lease(self, revision: Revision, error: Exception) -> None:
        """The pass could not begin, or could not be remembered but by this process."""
        world, verdict = self._world, of_error(error)
        self.verdict = verdict
        if isinstance(error, LeaseLost):
            log.warning("lease lost")
            world.observer.lost(self.name)
            self.due_at = world.now() + world.pause_s(HELD_RETRY_S)
            return
        log.warning("no pass", extra={"reason": verdict.reason, "error": verdict.message})
        failures, moment = self._known.failures + 1, _moment(world.now())
        self.due_at = world.now() + world.retry_s(failures)
        known = replace(self._known, failures=failures, conditions=conditions(self._known.conditions, verdict, moment))
        passed = Passed(self.name, revision.project.project, revision.name, verdict)
        self._known = world.observer.passed(passed, known)

    def _leave_to_others(self, problem: Exception) -> None:
        """Another replica passed on a commit that we cannot have, so ours may be an older one: do nothing with it."""
        self.verdict = of_error(problem)
        log.warning("no pass", extra={"reason": self.verdict.reason, "error": self.verdict.message})
        self.due_at = self._world.now() + self._world.pause_s(self._world.settings.interval_s)

    # -- one pass --------------------------------------------------------------------------------------------------

    async def _under(self, lease: Lease, store: Store, revision: Revision) -> None:
        world = self._world
        began = world.now()
        log.debug("lease taken", extra={"epoch": lease.epoch})
        memory = Memory.from_json(lease.memory)
        if not self._forced and memory.revision == revision.name and memory.due_at > began:
            # Another replica passed meanwhile.
            self.due_at = memory.due_at + world.pause_s(HELD_RETRY_S)
            world.observer.held(self.name, "another")
            return
        if memory.revision not in ("", revision.name):
            # Another replica may know a newer commit than we do: never go back to an older one.
            revision = await world.refresh(began) or revision
            await self._fresh()
            if self.name not in revision.project.environments:
                return
            ours = (memory.revision, memory.passed_at) == (self._known.revision, self._known.passed_at)
            if self._source_problem is not None and memory.revision != revision.name and not ours:
                self._leave_to_others(self._source_problem)
                return
        self._forced = False
        orders = await store.orders(f"{revision.project.project}/{self.name}")
        memory = world.observer.began(self.name, revision.name, memory)
        log.debug("pass began")
        stalled = {} if orders.get(RETRY, "") != memory.retried else memory.stalled
        passed, stalled = await self._pass(lease, revision, orders, stalled)
        passed = replace(passed, seconds=world.now() - began)
        await self._remember(passed, memory, stalled, orders, lease, revision)

    async def _pass(
        self, lease: Lease, revision: Revision, orders: Mapping[str, str], stalled: Mapping[str, Stall]
    ) -> tuple[Passed, Mapping[str, Stall]]:
        plan: Plan | None = None
        report: Report | None = None
        reads = writes = 0
        spent: dict[str, Any] = {}
        try:
            arm = await self._session(revision)
            reads, writes = arm.reads, arm.writes
            arm.fence.check, arm.fence.file = lease.check, lease.fence_file
            wanted, desired = await revision.wanted(self.name, arm.target)
            stalled = still_stalled(stalled, desired)
            wanted = narrowed(wanted, orders, stalled)

            def approve(proposed: Plan) -> None:
                nonlocal plan
                plan = proposed
                self._approve(proposed, revision, orders)

            report = await sync(
                wanted, arm, revision.checkout.root, approve=approve, progress=_Progress(self), running=self._running
            )
            stalled = stalled_after(report, stalled, desired)
            verdict = of_report(report, stalled)
        except _NotNow as not_now:
            plan, verdict = not_now.plan, not_now.verdict
        except Exception as error:
            if not isinstance(error, Problem):
                log.exception("a pass broke")
            verdict = of_error(error)
        finally:
            self._applying = None
            if self._arm is not None:
                spent = {"reads": self._arm.reads - reads, "writes": self._arm.writes - writes}
                spent |= {"subscription": self._arm.target.subscription_id, "budget": self._arm.budget.remaining}
                self._arm.fence.check = _nothing_more
        if verdict.again or self._leaving:
            await self.close()  # Its waits were left, or Azure is to be found anew.
        verdict = overlaid(verdict, self._source_problem)
        project = revision.project.project
        return Passed(self.name, project, revision.name, verdict, plan=plan, report=report, **spent), stalled

    def _approve(self, plan: Plan, revision: Revision, orders: Mapping[str, str]) -> None:
        if plan.refusals:
            raise PlanRefused(plan.refusals)
        settings = revision.project.environments[self.name]
        why = suspension_of(orders) or ("suspended in gitops.yaml" if settings.suspend else "")
        if why:
            ready = not plan.actions and of_plan(plan).ready
            raise _NotNow(declined(plan, why), Verdict("Suspended", why, ready=ready))
        moment = datetime.fromtimestamp(self._world.now(), UTC)
        if plan.actions and (why := closed_because(settings.sync_windows, moment)):
            raise _NotNow(declined(plan, why), Verdict("OutsideSyncWindow", why, reconciling=True))

    async def _session(self, revision: Revision) -> Arm:
        settings = revision.project.environments[self.name]
        if self._arm is not None and self._opened is not None and self._opened[0] == settings.target:
            return self._arm
        await self.close()
        connection = self._world.connection(settings, revision.checkout.root)
        stack = AsyncExitStack()
        budget = self._world.budget(connection.target.subscription_id)
        self._arm = await stack.enter_async_context(self._world.session(connection, budget=budget, fence=Fence()))
        self._opened = (settings.target, stack)
        return self._arm

    def _running(self, applying: Applying) -> None:
        self._applying = applying
        if self._leaving:
            applying.leave()

    async def _remember(
        self,
        passed: Passed,
        before: Memory,
        stalled: Mapping[str, Stall],
        orders: Mapping[str, str],
        lease: Lease,
        revision: Revision,
    ) -> None:
        world, verdict = self._world, passed.verdict
        now = world.now()
        failures = before.failures + 1 if verdict.again else 0
        pause_s = world.retry_s(failures) if verdict.again else world.pause_s(world.settings.interval_s)
        if self._leaving and not self._stopping:
            pause_s = 0.0
        moment = _moment(now)
        memory = Memory(
            revision=passed.revision,
            applied_revision=passed.revision if verdict.ready else before.applied_revision,
            conditions=conditions(before.conditions, verdict, moment),
            passed_at=now,
            due_at=now + pause_s,
            failures=failures,
            stalled=stalled,
            retried=orders.get(RETRY, ""),
            told=before.told,
        )
        self.verdict = verdict
        if not self._forced:
            self.due_at = memory.due_at
        memory = self._known = world.observer.passed(passed, memory)
        ready = before.condition("Ready")
        news = (
            ready is None
            or ready.status is not verdict.ready
            or (not verdict.ready and (ready.reason, ready.message) != (verdict.reason, verdict.message))
        )
        worth_telling = news or before.revision != passed.revision or bool(passed.report and passed.report.outcomes)
        level = logging.DEBUG if not worth_telling else logging.INFO if verdict.ready else logging.WARNING
        log.log(level, "pass ended", extra=_told(passed))
        if worth_telling:
            circumstances = Circumstances(
                moment, f"{passed.project}/{self.name}", "loop", world.holder, lease.epoch, revision.checkout.author
            )
            await lease.record(
                entry(circumstances, passed.revision, verdict.reason, verdict.message, passed.plan, passed.report)
            )
        await lease.save(memory.to_json())


def _moment(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds")


def _nothing_more() -> None:
    """The fence between two passes."""
    raise LeaseLost("the pass is over")


def _told(passed: Passed) -> dict[str, object]:
    verdict = passed.verdict
    told: dict[str, object] = {"reason": verdict.reason, "verdict": verdict.message}
    return told | {"seconds": round(passed.seconds, 3), "reads": passed.reads, "writes": passed.writes}


class _Progress:
    """Hands the starts and ends of actions on, with the name of the environment."""

    def __init__(self, environment: Environment) -> None:
        self._name = environment.name
        self._observer = environment._world.observer  # noqa: SLF001

    def started(self, action: Action) -> None:
        log.info("action began", extra={"resource": str(action.ref), "verb": str(action.verb)})
        self._observer.started(self._name, action)

    def ended(self, outcome: Outcome) -> None:
        level = logging.WARNING if outcome.result is Result.FAILED else logging.INFO
        told = {"resource": str(outcome.ref), "result": str(outcome.result)}
        log.log(level, "action ended", extra=told | ({"error": outcome.message} if outcome.message else {}))
        self._observer.ended(self._name, outcome)
