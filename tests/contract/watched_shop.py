"""A small shop under the loop: one environment on the embedded Azure ML, in memory, a test's hand on everything."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
import worlds
from memory_store import MemoryStore
from watched import Clock, Cloud, FolderSource, Replica

from reconciler.watch.memory import Memory

KEY = "shop/test"
PROJECT = {
    "alpha": {
        "auth": "key",
        "description": "one",
        "tags": {},
        "traffic": {"blue": 100},
        "deployments": {
            "blue": {"mode": "fast", "count": 1, "model": "1", "code": "src", "timeout_ms": None, "tags": {}}
        },
    }
}
BLUE = "/onlineEndpoints/alpha/deployments/blue"


@pytest.fixture
async def shop(tmp_path):
    worlds.write(tmp_path / "shop", PROJECT)
    clock = Clock()
    with Cloud(tmp_path / "cloud") as cloud:
        replica = Replica(cloud, MemoryStore(clock), clock, FolderSource(tmp_path / "shop"))
        replica.others = []
        yield replica
        for one in (replica, *replica.others):
            await one.environment.close()


def another(replica, holder="two"):
    """Another process that shares the state."""
    made = Replica(replica.cloud, replica.store, replica.clock, replica.source, holder=holder)
    replica.others.append(made)
    return made


def edit(replica, old, new, revision, file="base/all.yml"):
    path = replica.source.checkout.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    replica.source.commit(revision)


def remembered(replica):
    return Memory.from_json(replica.store.documents[KEY])


def journal(replica):
    return [json.loads(line) for line in replica.store.lines.get(KEY, [])]


async def again(replica, seconds=60):
    """The next pass, when its time has come. Returns the verdict and the writes it made."""
    replica.clock.now_s += seconds
    before = len(replica.writes)
    verdict = await replica.pass_once()
    return verdict, replica.writes[before:]


async def drift(replica, capacity=7):
    """Another hand scales the deployment."""
    await replica.cloud.raw("PATCH", BLUE, {"sku": {"name": "Default", "capacity": capacity}})


def slowed(replica):
    """Deployments take until the first event is set; the second says that one has begun."""
    gate, asked = asyncio.Event(), asyncio.Event()
    start = replica.cloud.plane.start

    async def slow(spec):
        asked.set()
        await gate.wait()
        await start(spec)

    replica.cloud.plane.start = slow
    return gate, asked


async def others_at_work(shop):
    """Everything is live, and another hand has begun an operation that takes until the event is set."""
    await shop.pass_once()
    gate, _ = slowed(shop)
    _, body = await shop.cloud.raw("GET", BLUE)
    sent = {key: body[key] for key in ("location", "properties", "sku", "tags", "kind", "identity") if key in body}
    status, _ = await shop.cloud.send("PUT", BLUE, sent)
    assert status in (200, 201, 202)
    shop.clock.now_s += 60
    return gate


def unanswered(replica):
    """Azure answers nothing until the first event is set; the second says that it was asked something."""
    gate, asked = asyncio.Event(), asyncio.Event()
    handle = replica.cloud.service.handle

    async def slow(request):
        asked.set()
        await gate.wait()
        return await handle(request)

    replica.cloud.service.handle = slow
    return gate, asked


class Through:
    """Another object, with some of its calls replaced."""

    def __init__(self, behind, **calls):
        self._behind = behind
        self.__dict__.update(calls)

    def __getattr__(self, name):
        return getattr(self._behind, name)


def leasing(store, **calls):
    """A store whose leases have some of their calls replaced."""

    @asynccontextmanager
    async def lease(environment, holder):
        await asyncio.sleep(0)  # As any real store: who asks again and again still lets others run.
        async with store.lease(environment, holder) as found:
            yield Through(found, **calls)

    return Through(store, lease=lease)


async def until(condition):
    """Return once it is so; fails when that takes longer than anything here should."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def in_time(work):
    """What a task or coroutine returns that ends by itself; fails when it has to be cut off.

    ``asyncio.wait_for`` would not do: a pass that is cancelled ends well, and its result would be taken for an end of
    its own.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=10)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        raise TimeoutError("it did not end by itself")
    return task.result()
