"""A loop in one process: the emulator in memory, a store in memory, a clock and a source of the test's own."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

from azure.core.credentials import AccessToken
from in_process import Cloud, Cut, Died, Faults, Transport, connection_of
from memory_store import StoreOfProcess

from reconciler.arm.budget import Budget
from reconciler.arm.client import connect
from reconciler.source.checkout import Checkout
from reconciler.watch.environment import Environment
from reconciler.watch.loop import Loop
from reconciler.watch.revision import opened
from reconciler.watch.world import World
from schemas.loop import Loop as Settings

__all__ = ["Clock", "Cloud", "Cut", "Faults", "FolderSource", "Hearing", "Process", "Replica"]


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self, now_s=1_790_000_000.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


class Hearing:
    """An observer that writes down what it hears."""

    def __init__(self):
        self.passes, self.losses, self.actions = [], [], []
        self.beginning = None

    def began(self, environment, revision, memory):
        self.beginning = (revision, memory)
        return memory

    def passed(self, passed, memory):
        self.passes.append(passed)
        return memory

    def held(self, environment, by):
        """Not written down."""

    def kept(self, environments):
        """Not written down."""

    def lost(self, environment):
        self.losses.append(environment)

    def started(self, environment, action):
        self.actions.append(action)

    def ended(self, environment, outcome):
        """Not written down."""


class FolderSource:
    """A folder whose revision and generation the test sets."""

    def __init__(self, root, revision="r1"):
        self.checkout = Checkout(root, revision, 1)
        self.failing = None
        self.news = asyncio.Event()
        self.looks = 0

    def commit(self, revision, root=None):
        self.checkout = Checkout(root or self.checkout.root, revision, self.checkout.generation + 1)
        self.news.set()

    async def latest(self):
        self.looks += 1
        if self.failing:
            raise self.failing
        return self.checkout

    async def changed(self):
        await self.news.wait()
        self.news.clear()

    async def paths_between(self, before, after):
        return None

    async def keep(self, checkouts):
        """Nothing to remove."""

    async def close(self):
        """Nothing to close."""


class Replica:
    """One process's view of one environment: passes are called by the test. ``sent`` is all that left it."""

    def __init__(self, cloud, store, clock, source, name="test", holder="one", **settings):
        self.cloud, self.store, self.clock, self.source = cloud, store, clock, source
        self.hearing = Hearing()
        self.cut, self.faults = Cut(), Faults()
        self.sent = []
        self.watch = None
        self.revision = None
        self.world = World(
            settings=Settings.model_validate({"jitter_percent": 0, "interval_s": 60, **settings}),
            holder=holder,
            store=lambda _: store,
            budget=lambda _: Budget(clock),
            refresh=self.refresh,
            observer=self.hearing,
            connection=lambda settings, root: connection_of(cloud, settings.network),
            session=self._session,
            now=clock,
            chance=lambda: 0.5,
        )
        self.environment = Environment(name, self.world)

    @asynccontextmanager
    async def _session(self, connection, *, budget, fence):
        transport = Transport(self.cloud.service, self.cut, self.faults, self.watch)
        transport.sent = self.sent
        async with connect(connection, transport=transport, budget=budget, fence=fence) as arm:
            yield arm

    async def refresh(self, since):
        checkout = await self.source.latest()
        if self.revision is None or self.revision.checkout != checkout:
            self.revision = await opened(checkout)
            self.environment.see(self.revision, at_once=True)
        return self.revision

    async def pass_once(self):
        """Look at the source, and pass. Returns the verdict."""
        await self.refresh(0)
        return await self.environment.pass_once()

    @property
    def writes(self):
        """Methods and paths of everything sent that is no read."""
        return [(method, url.partition("?")[0].rpartition("/workspaces/")[2]) for method, url, _ in self.sent if method not in ("GET", "HEAD")]  # fmt: skip  # noqa: E501

    @property
    def last(self):
        """The pass that ended last."""
        return self.hearing.passes[-1] if self.hearing.passes else SimpleNamespace(plan=None, report=None)


class Process(Replica):
    """A replica as a whole process: the real loop follows the source. It can freeze, and die without a word.

    Before each request to Azure, and each call of the store, there is a point; ``at`` says what happens at which,
    counted from 0 in each pass. A point comes before the fence: what has passed the fence is sent at once.
    """

    def __init__(self, cloud, store, clock, source, holder, **settings):
        super().__init__(cloud, store, clock, source, holder=holder, **settings)
        self.holder = holder
        self.at, self.points = {}, 0
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.without_state = self.stopped = False
        self.orders = {}
        self.passing = None
        seen, ticks = StoreOfProcess(store, self), count()
        self.loop = Loop(
            source,
            lambda loop: replace(
                self.world,
                store=lambda _: seen,
                budget=lambda _: Budget(lambda: float(next(ticks))),
                refresh=loop.refresh,
                connection=lambda settings, root: replace(
                    connection_of(cloud, settings.network), credential=_AskedEachTime(cloud.service, self.point)
                ),
            ),
        )

    async def point(self):
        """Between two things that the process does."""
        number, self.points = self.points, self.points + 1
        if (happens := self.at.pop(number, None)) is not None:
            await happens()
        await self.thawed.wait()
        if self.cut.dead:
            raise Died

    async def look(self):
        """Look at the source, as the loop does from time to time."""
        await self.loop.look()
        self.environment = self.loop.environments.get("test", self.environment)

    async def pass_when_due(self):
        """The next pass, once its time has come."""
        self.clock.now_s = max(self.clock.now_s, self.environment.due_at) + 0.001  # No two things happen at one time.
        self.points = 0
        return await self.environment.pass_once()

    def stop(self):
        """End at the next safe point, as on SIGTERM."""
        self.stopped = True
        self.loop.stop()

    def die(self, *, after=False):
        """Nothing of it runs any more: from now on, or once Azure has acted on its next request."""
        if after:
            self.cut.at, self.cut.after = self.cut.count, True
        else:
            self.cut.dead = True

    @property
    def frozen(self):
        return not self.thawed.is_set()


class _AskedEachTime:
    """Tokens that are about to expire, so that azure-core asks for one before each request, ahead of the fence."""

    def __init__(self, service, point):
        self._identity = service.site.identity
        self._point = point

    async def get_token(self, *scopes, **_):
        await self._point()
        return AccessToken(self._identity.token("https://management.azure.com", 3600), int(time.time()) + 60)

    async def close(self):
        """Nothing to close."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        """Nothing to close."""
