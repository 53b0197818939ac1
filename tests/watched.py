"""A loop in one process: the emulator in memory, a store in memory, a clock and a source of the test's own."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

from in_process import Cloud, Cut, Faults, Transport, connection_of

from reconciler.arm.budget import Budget
from reconciler.arm.client import connect
from reconciler.source.checkout import Checkout
from reconciler.watch.environment import Environment
from reconciler.watch.revision import opened
from reconciler.watch.world import World
from schemas.loop import Loop as Settings

__all__ = ["Clock", "Cloud", "Cut", "Faults", "FolderSource", "Hearing", "Replica"]


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

    def began(self, environment, revision, memory):
        return memory

    def passed(self, passed, memory):
        self.passes.append(passed)
        return memory

    def held(self, environment, by):
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

    def commit(self, revision):
        self.checkout = Checkout(self.checkout.root, revision, self.checkout.generation + 1)
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
