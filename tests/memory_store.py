"""A store of state in memory, with leases that end by a clock of the test's own."""

from contextlib import asynccontextmanager

from reconciler.errors import LeaseHeld, LeaseLost, StateError


class MemoryLease:
    fence_file = None

    def __init__(self, store, environment, holder):
        self._store = store
        self._environment = environment
        self.holder = holder
        self.epoch = store.epochs[environment] = store.epochs.get(environment, 0) + 1
        self.memory = store.documents.get(environment)
        self.until = store.clock.now_s + store.lease_s

    def check(self):
        if self._store.clock.now_s >= self.until or self._store.leases.get(self._environment) is not self:
            raise LeaseLost("the lease ended")

    def renew(self):
        """As the background task of a living process does."""
        if self._store.leases.get(self._environment) is self:
            self.until = self._store.clock.now_s + self._store.lease_s

    async def save(self, memory):
        self.check()
        self._store.documents[self._environment] = memory

    async def record(self, entry):
        self.check()
        self._store.lines.setdefault(self._environment, []).append(entry)


class MemoryStore:
    """``clock.now_s`` is the time; ``failing`` is raised by everything while it is set."""

    def __init__(self, clock, lease_s=30.0):
        self.clock = clock
        self.lease_s = lease_s
        self.leases, self.epochs, self.documents, self.lines, self.ordered = {}, {}, {}, {}, {}
        self.failing = None

    def _or_fail(self):
        if self.failing:
            raise self.failing

    @asynccontextmanager
    async def lease(self, environment, holder, alive=lambda: True):
        """What a process that is no longer ``alive`` held stays held until it ends by the clock."""
        self._or_fail()
        current = self.leases.get(environment)
        if current is not None and self.clock.now_s < current.until:
            raise LeaseHeld(environment, current.holder)
        lease = self.leases[environment] = MemoryLease(self, environment, holder)
        try:
            yield lease
        finally:
            if self.leases.get(environment) is lease and alive():
                del self.leases[environment]

    async def holder(self, environment):
        return self.leases[environment].holder if environment in self.leases else ""

    async def memory(self, environment):
        return self.documents.get(environment)

    async def journal(self, environment, limit):
        return tuple(reversed(self.lines.get(environment, [])))[:limit]

    async def orders(self, environment):
        self._or_fail()
        return dict(self.ordered.get(environment, {}))

    async def order(self, environment, change):
        self.ordered[environment] = dict(change(self.ordered.get(environment, {})))

    async def close(self):
        """Nothing to close."""


class StoreOfProcess:
    """The store as one process (``watched.Process``) reaches it: each call is a point at which it may freeze or die."""

    def __init__(self, store, process):
        self._store = store
        self._process = process

    async def _point(self):
        await self._process.point()
        if self._process.without_state:
            raise StateError("the container does not answer")

    @asynccontextmanager
    async def lease(self, environment, holder):
        await self._point()
        async with self._store.lease(environment, holder, lambda: not self._process.cut.dead) as lease:
            yield LeaseOfProcess(lease, self._point)

    async def orders(self, environment):
        await self._point()
        self._process.orders = await self._store.orders(environment)
        return self._process.orders


class LeaseOfProcess:
    fence_file = None

    def __init__(self, lease, point):
        self._lease = lease
        self._point = point
        self.epoch, self.memory, self.check = lease.epoch, lease.memory, lease.check

    async def save(self, memory):
        await self._point()
        await self._lease.save(memory)

    async def record(self, entry):
        await self._point()
        await self._lease.record(entry)
