"""The loop: follow a source, and keep every environment of its project reconciled, side by side."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.errors import Problem, SourceError, SourceUnavailable
from reconciler.load.project_file import environment_of
from reconciler.source.revision import UNVERSIONED
from reconciler.source.touched import touched
from reconciler.watch.environment import Environment, is_news
from reconciler.watch.revision import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from reconciler.source.checkout import Source
    from reconciler.watch.revision import Revision
    from reconciler.watch.verdict import Verdict
    from reconciler.watch.world import World

log = logging.getLogger(__name__)

LOOKS_APART_S = 0.5
"""However many pushes and changes come, the source is looked at no more often than this."""


@dataclass
class Followed:
    """How the source stands. ``looked_at_s`` is when the last look began, by the event loop's clock (0: never)."""

    looked_at_s: float = 0.0
    problem: Exception | None = None
    failures: int = 0


class Loop:
    """Follows one source. ``only`` names the environments to reconcile; empty means all that the project has."""

    def __init__(
        self,
        source: Source,
        world: Callable[[Loop], World],
        only: Collection[str] = (),
        on_look: Callable[[Exception | None, bool], None] = lambda _problem, _new: None,
    ) -> None:
        self.followed = Followed()
        self.environments: dict[str, Environment] = {}
        self._source = source
        self._only = frozenset(only)
        self._world = world(self)
        self._on_look = on_look
        self._revision: Revision | None = None
        self._looking = asyncio.Lock()
        self._pushed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], Environment] = {}
        self._in_tasks = False
        self._settled: tuple[str, object] | None = None
        self._checked = False

    # -- what it is told -------------------------------------------------------------------------------------------

    def pushed(self) -> None:
        """Somebody says that there is something new: look soon."""
        self._pushed.set()

    def stop(self) -> None:
        """End at the next safe point of every environment."""
        self._stopped.set()
        for environment in self.environments.values():
            environment.stop()

    # -- the source ------------------------------------------------------------------------------------------------

    async def refresh(self, since: float) -> Revision | None:
        """The newest revision as of a look that began after ``since``, by the event loop's clock.

        The last good one when that look failed, or when the loop is to stop.
        """
        if self.followed.looked_at_s <= since:
            await self._unless_stopped(self.look(since))
        return self._revision

    async def look(self, since: float | None = None) -> None:
        """Look at the source, and hand what is new to the environments. What fails is remembered, not raised."""
        async with self._looking:
            if since is not None and self.followed.looked_at_s > since:
                return  # Somebody else looked while we waited for our turn.
            self.followed.looked_at_s = asyncio.get_running_loop().time()
            before = self._revision
            try:
                await self._take(await self._source_latest())
            except Exception as error:  # noqa: BLE001 - told in _failed; the loop must go on
                self._failed(error)
            else:
                if self.followed.problem is not None:
                    log.info("the source can be had again")
                self.followed.problem, self.followed.failures = None, 0
            self._on_look(self.followed.problem, self._revision is not before)

    async def _source_latest(self) -> Revision:
        checkout = await self._source.latest()
        known = self._revision
        if known is not None and known.checkout == checkout:
            return known
        return await opened(checkout)

    async def _take(self, revision: Revision) -> None:
        before = self._revision
        self._as_started(revision)
        names = [name for name in revision.project.environments if not self._only or name in self._only]
        concerned: Collection[str] = ()
        if before is not revision:
            paths = await self._source.paths_between(before.checkout, revision.checkout) if before else None
            concerned = touched(paths, revision.project, names)
            whom = ", ".join(sorted(concerned)) or "no environment"
            log.info("new revision", extra={"revision": revision.name, "concerns": whom})
            if revision.name == UNVERSIONED:
                log.warning("no commit can be named: the manifests are in no Git repository")
        self._revision = revision
        for name in set(self.environments) - set(names):
            log.warning("left gitops.yaml: no longer reconciled, nothing deleted", extra={"environment": name})
            self.environments.pop(name).stop()
        for name in names:
            if name not in self.environments:
                self.environments[name] = Environment(name, self._world)
                self.environments[name].see(revision, at_once=True)
                self._start(name)
            else:
                self.environments[name].see(revision, at_once=name in concerned)
        if before is not revision:
            self._world.observer.kept(names)
            in_use = [environment.passing for environment in self._known()]
            await self._source.keep([kept.checkout for kept in (before, revision, *in_use) if kept is not None])

    def _failed(self, error: Exception) -> None:
        news = is_news(self.followed.problem, error)
        self.followed.problem = error
        self.followed.failures += 1
        if not isinstance(error, Problem):
            log.error("looking at the source broke", exc_info=error)
        else:
            log.log(logging.WARNING if news else logging.DEBUG, "the source cannot be had", extra={"error": str(error)})
        for environment in self.environments.values():
            environment.source_failed(error)

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the source and reconcile, until ``stop``."""
        self._in_tasks = True
        for name in self.environments:
            self._start(name)
        try:
            while not self._stopped.is_set():
                await self._unless_stopped(self.look())
                self._check_names()
                await self._until_next_look()
        finally:
            for environment in self.environments.values():
                environment.stop()
            await self._end(list(self._tasks))

    async def once(self) -> Mapping[str, Verdict | None]:
        """One look and one pass of each environment, side by side. None for one that another replica holds.

        Raises what keeps the source from being read, UsageError for an environment that the project does not have.
        """
        await self.look()
        if self._revision is None:
            raise self.followed.problem or SourceUnavailable("the source has nothing")
        self._check_names()
        try:
            await asyncio.gather(*(environment.pass_once() for environment in self.environments.values()))
        finally:
            for environment in self.environments.values():
                await environment.close()
        return {name: environment.verdict for name, environment in sorted(self.environments.items())}

    def _check_names(self) -> None:
        """Raise UsageError for an environment that was never there; one that left later is no mistake."""
        if self._revision is not None and not self._checked:
            for name in sorted(self._only):
                environment_of(self._revision.project, name)
            self._checked = True

    def _start(self, name: str) -> None:
        environment = self.environments[name]
        if self._in_tasks and environment not in self._tasks.values():
            task = asyncio.get_running_loop().create_task(environment.run(), name=name)
            self._tasks[task] = environment
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An environment that ended without being asked to is started again; nobody else would notice."""
        environment = self._tasks.pop(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("an environment broke", exc_info=error, extra={"environment": environment.name})
        if self.environments.get(environment.name) is environment and not self._stopped.is_set():
            environment.due_at = self._world.now() + self._world.retry_s(1)
            self._start(environment.name)

    def _known(self) -> set[Environment]:
        """Every environment, and those that left gitops.yaml and have not come to their end yet."""
        return {*self.environments.values(), *self._tasks.values()}

    def _as_started(self, revision: Revision) -> None:
        """Raise SourceError for a commit that moves what says who may write: two replicas would each have their own.

        All environments are halted then: whoever was started on the new commit holds other leases than we do.
        """
        project = revision.project
        if self._settled is None:
            self._settled = (project.project, project.state)
        if self._settled == (project.project, project.state):
            return
        moved = "project" if self._settled[0] != project.project else "state"
        problem = SourceError(
            f"{revision.name} changes `{moved}` in gitops.yaml, which says who may write: stop all replicas, then "
            "start them again. Until then nothing is written"
        )
        for environment in self._known():
            environment.halt(problem)
        raise problem

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and drop it when the loop is to stop: a server that never answers must not hold it up."""
        doing = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not doing.done():
                doing.cancel()
            await asyncio.gather(doing, stopped, return_exceptions=True)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the environments to come to their safe points; cancelled, do not wait for them."""
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)
            raise

    async def _until_next_look(self) -> None:
        """Until something changed, a push was announced, or the time has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKS_APART_S):
                await self._stopped.wait()
        failures = self.followed.failures
        transient = isinstance(self.followed.problem, SourceUnavailable)
        pause_s = (
            self._world.retry_s(failures)
            if failures and transient
            else self._world.pause_s(self._world.settings.poll_s)
        )
        changed, *others = [
            asyncio.ensure_future(wait) for wait in (self._source.changed(), self._pushed.wait(), self._stopped.wait())
        ]
        end = asyncio.get_running_loop().time() + pause_s
        try:
            await asyncio.wait({changed, *others}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            if changed.done() and (error := changed.exception()) is not None:
                # Without a watch the source is still looked at when its time has come, and not before.
                log.warning("changes are not noticed at once", extra={"error": str(error)})
                left_s = max(0.0, end - asyncio.get_running_loop().time())
                await asyncio.wait(others, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pushed.clear()
            for wait in (changed, *others):
                wait.cancel()
            await asyncio.gather(changed, *others, return_exceptions=True)
