"""One environment of the loop: when its next pass is due, under which lease, and what is remembered of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.errors import LeaseHeld, LeaseLost, Problem
from reconciler.journal import Circumstances, entry
from reconciler.log import about
from reconciler.watch.memory import Memory
from reconciler.watch.orders import RETRY
from reconciler.watch.passing import Pass
from reconciler.watch.session import Session
from reconciler.watch.verdict import APPLIED, SYNCED, conditions, of_error, overlaid
from reconciler.watch.world import Passed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Warn
    from reconciler.state.store import Lease, Store
    from reconciler.watch.memory import Stall
    from reconciler.watch.revision import Revision
    from reconciler.watch.verdict import Verdict
    from reconciler.watch.world import HeldBy, World

log = logging.getLogger(__name__)

HELD_RETRY_S = 2.0
"""How soon to ask again for an environment that another replica holds: it ends, or its lease does."""


class Environment:
    """One environment: ``see`` hands it revisions, ``run`` passes when one is due, ``stop`` ends at a safe point."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.due_at = 0.0
        self.verdict: Verdict | None = None
        self.passing: Revision | None = None
        self._world = world
        self._session = Session(world)
        self._known = Memory()
        self._revision: Revision | None = None
        self._source_problem: Exception | None = None
        self._halted: Exception | None = None
        self._wake = asyncio.Event()
        self._forced = True
        self._stopping = False
        self._leaving = False
        self._pass: Pass | None = None
        self._other = ""
        self._passed_once = False

    # -- what it is told -------------------------------------------------------------------------------------------

    def see(self, revision: Revision, *, at_once: bool) -> None:
        """A newer revision. ``at_once`` when it may concern this environment: then all waits for an older one end."""
        older = self._revision is not None and self._revision is not revision
        if self._source_problem is not None:
            self.force()  # So that its conditions say so.
        self._revision, self._source_problem = revision, None
        if at_once:
            self.force()
            if older:
                self.leave()

    def source_failed(self, error: Exception) -> None:
        """The newest revision cannot be had; the last good one stays in force."""
        before, self._source_problem = self._source_problem, error
        if self._revision is not None and is_news(before, error):
            self.force()

    def halt(self, error: Exception) -> None:
        """Write nothing more in this process: what it would write under is no longer what counts."""
        self._halted = error
        self.leave()
        self.force()

    def force(self) -> None:
        """Pass now, whoever passed when."""
        self._forced = True
        self.due_at = 0.0
        self._wake.set()

    def leave(self) -> None:
        """End the pass that runs, if any, at the next safe point."""
        self._leaving = True
        if self._pass is not None:
            self._pass.leave()

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
        await self._session.close()

    async def _until_due(self) -> None:
        while not self._stopping:
            left_s = self.due_at - self._world.now()
            if not 0 < left_s <= self._world.longest_s:  # Longer is a clock that was set back.
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def pass_once(self) -> Verdict | None:
        """One pass; None when another replica has it, or had it. Never raises but when cancelled."""
        revision, world = self._revision, self._world
        if revision is None:
            self.due_at = world.now() + HELD_RETRY_S
            return None
        with about(environment=self.name, revision=revision.name):
            if self._halted is not None:
                self._without_lease(revision, self._halted)
                return self.verdict
            by: HeldBy = "nobody"
            try:
                store = world.store(revision)
                async with store.lease(f"{revision.project.project}/{self.name}", world.holder) as lease:
                    world.observer.held(self.name, "us")
                    await self._under(lease, store)
            except LeaseHeld as error:
                news, self._other = error.holder != self._other, error.holder
                log.log(logging.INFO if news else logging.DEBUG, "held by another", extra={"holder": error.holder})
                self.due_at = world.now() + world.pause_s(HELD_RETRY_S)
                by = "another"
                return None
            except Problem as error:
                self._without_lease(revision, error)
            except Exception as error:
                log.exception("a pass broke")
                self._without_lease(revision, error)
            finally:
                self.passing = self._pass = None
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

    # -- under the lease -------------------------------------------------------------------------------------------

    async def _under(self, lease: Lease, store: Store) -> None:
        world = self._world
        began = world.now()
        log.debug("lease taken", extra={"epoch": lease.epoch})
        before = Memory.from_json(lease.memory)
        if self._another_passed(before, began):
            self.due_at = before.due_at + world.pause_s(HELD_RETRY_S)
            world.observer.held(self.name, "another")
            return
        if before.revision not in ("", self._revision_name) and not await self._caught_up(before, lease):
            return
        revision = self._revision
        if self._stopping or revision is None or self.name not in revision.project.environments:
            return
        self._leaving = self._forced = False
        self.passing = revision
        orders = await store.orders(f"{revision.project.project}/{self.name}")
        memory = world.observer.began(self.name, revision.name, before)
        if before.revision != revision.name:
            # Whoever takes over, should we die, must not go back to the commit before.
            memory = self._known = replace(memory, revision=revision.name, due_at=0.0)
            await lease.save(memory.to_json())
        stalled = {} if orders.get(RETRY, "") != before.retried else before.stalled
        self._pass = Pass(self.name, world, self._session, revision, lease, store, orders)
        if self._leaving:
            self._pass.leave()
        log.debug("pass began")
        passed, stalled = await self._pass.run(stalled)
        if passed.verdict.again or self._leaving:
            await self._session.close()  # Its waits were left, or Azure is to be found anew.
        passed = replace(passed, verdict=overlaid(passed.verdict, self._source_problem))
        memory = self._after(passed, memory, stalled, orders.get(RETRY, ""))
        await self._remember(passed, before, memory, lease, revision)

    @property
    def _revision_name(self) -> str:
        return "" if self._revision is None else self._revision.name

    def _another_passed(self, memory: Memory, now: float) -> bool:
        """Whether another replica passed this revision meanwhile, so that the next pass is due later."""
        due = now < memory.due_at <= now + self._world.longest_s
        return due and not self._forced and memory.revision == self._revision_name

    async def _caught_up(self, memory: Memory, lease: Lease) -> bool:
        """Whether ours is the newest revision there is; another replica may know a newer one than we do.

        When the source cannot say so, the environment is left alone: ours may be an older commit.
        """
        world = self._world
        await world.refresh(asyncio.get_running_loop().time())  # No clock that could be set decides this.
        ours = (memory.revision, memory.passed_at) == (self._known.revision, self._known.passed_at)
        if self._source_problem is None or memory.revision == self._revision_name or ours:
            return True
        verdict = self.verdict = of_error(self._source_problem)
        log.warning("no pass", extra={"reason": verdict.reason, "error": verdict.message})
        self.due_at = world.now() + world.pause_s(world.settings.interval_s)
        known = replace(memory, conditions=conditions(memory.conditions, verdict, _moment(world.now())))
        if self._revision is not None:
            passed = Passed(self.name, self._revision.project.project, memory.revision, verdict)
            known = world.observer.passed(passed, known)
        await lease.save(known.to_json())
        return False

    def _after(self, passed: Passed, memory: Memory, stalled: Mapping[str, Stall], retried: str) -> Memory:
        world, verdict = self._world, passed.verdict
        now = world.now()
        failures = memory.failures + 1 if verdict.again else 0
        pause_s = world.retry_s(failures) if verdict.again else world.pause_s(world.settings.interval_s)
        if self._leaving and not self._stopping:
            pause_s = 0.0
        return Memory(
            revision=passed.revision,
            applied_revision=passed.revision if verdict.ready else memory.applied_revision,
            conditions=conditions(memory.conditions, verdict, _moment(now)),
            passed_at=now,
            due_at=now + pause_s,
            failures=failures,
            stalled=stalled,
            retried=retried,
            warnings=memory.warnings if passed.plan is None else tuple(map(_named, passed.plan.warnings)),
            told=memory.told,
        )

    async def _remember(self, passed: Passed, before: Memory, memory: Memory, lease: Lease, revision: Revision) -> None:
        world, verdict = self._world, passed.verdict
        lease.check()  # What a frozen replica saw before it woke up is old by now: nobody is told of it.
        self.verdict = verdict
        if not self._forced:
            self.due_at = memory.due_at
        memory = self._known = world.observer.passed(passed, memory)
        new_warnings = [w for w in (passed.plan.warnings if passed.plan else ()) if _named(w) not in before.warnings]
        for warning in new_warnings:
            log.warning(warning.message, extra={"rule": warning.rule, "resource": warning.resource})
        worth_telling = _worth_telling(passed, before) or bool(new_warnings)
        level = logging.INFO if verdict.ready else logging.WARNING
        if not worth_telling and self._passed_once:
            level = logging.DEBUG
        self._passed_once = True
        next_s = round(memory.due_at - memory.passed_at)
        log.log(level, "pass ended", extra=_told(passed) | {"next_pass_s": next_s})
        await lease.save(memory.to_json())
        if worth_telling:
            when = Circumstances(
                _moment(memory.passed_at),
                f"{passed.project}/{self.name}",
                "loop",
                world.holder,
                lease.epoch,
                revision.checkout.author,
            )
            await lease.record(
                entry(when, passed.revision, verdict.reason, verdict.message, passed.plan, passed.report)
            )


def is_news(before: Exception | None, error: Exception) -> bool:
    """Whether an error of the source is another than before. Servers word the same trouble differently each time."""
    if before is None:
        return True
    old, new = of_error(before), of_error(error)
    return old.reason != new.reason or (not new.again and old.message != new.message)


def _worth_telling(passed: Passed, before: Memory) -> bool:
    """Whether a pass changed anything: what was done, the commit, or how the environment stands."""
    ready, verdict = before.condition("Ready"), passed.verdict
    if ready is None or before.revision != passed.revision or (passed.report and passed.report.outcomes):
        return True
    if verdict.reason in _GOOD and ready.reason in _GOOD:
        return False
    return (ready.reason, ready.message) != (verdict.reason, verdict.message)


_GOOD = (SYNCED.reason, APPLIED)
"""The one follows the other by itself: no news."""


def _named(warning: Warn) -> str:
    return f"{warning.rule} {warning.resource}"


def _moment(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds")


def _told(passed: Passed) -> dict[str, object]:
    verdict = passed.verdict
    told: dict[str, object] = {"reason": verdict.reason, "verdict": verdict.message}
    return told | {"seconds": round(passed.seconds, 3), "reads": passed.reads, "writes": passed.writes}
