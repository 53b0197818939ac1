"""One contract for state in a folder and for state in Azure Blob storage, the latter on a real Azurite."""

import asyncio
import json
import math
import secrets
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from reconciler.errors import LeaseHeld, LeaseLost
from reconciler.state.blob import BlobStore
from reconciler.state.clock import awake_and_asleep_s
from reconciler.state.fence import check_fence
from reconciler.state.folder import FolderStore

ENVIRONMENT = "shop/prod"


@pytest.fixture(params=["folder", "azurite"])
async def another(request, tmp_path):
    """Opens one more store on the same place, as another process would."""
    opened = []
    if request.param == "folder":

        def open_one(*, part=4 << 20, **options):
            return opened.append(FolderStore(tmp_path / "state", part_bytes=part, **options)) or opened[-1]

    else:
        azurite = request.getfixturevalue("azurite")
        url = azurite.container(f"state-{secrets.token_hex(6)}")

        def open_one(*, part=45_000, **options):
            store = BlobStore(
                url, connection_string=azurite.connection_string, duration_s=15, lines_a_part=part, **options
            )
            return opened.append(store) or opened[-1]

    open_one.kind = request.param
    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def store(another):
    return another()


async def test_where_nothing_was_kept_yet_there_is_nothing(store):
    assert await store.holder(ENVIRONMENT) == ""
    assert await store.memory(ENVIRONMENT) is None
    assert await store.journal(ENVIRONMENT, 10) == ()
    assert await store.orders(ENVIRONMENT) == {}


async def test_one_holds_and_others_hear_who_and_since_when(another):
    first, second = another(now=lambda: datetime(2026, 11, 21, 3, 0, tzinfo=UTC)), another()
    async with first.lease(ENVIRONMENT, "host-1:17:Renée's") as lease:
        lease.check()
        assert await second.holder(ENVIRONMENT) == "host-1:17:Renée's"
        for store in (first, second):
            with pytest.raises(LeaseHeld, match="shop/prod is being worked on by host-1:17") as refused:
                async with store.lease(ENVIRONMENT, "host-2"):
                    pytest.fail("two hold it")
            assert refused.value.holder == "host-1:17:Renée's"
            assert refused.value.since == "2026-11-21T03:00:00+00:00"
        lease.check()
    assert await second.holder(ENVIRONMENT) == ""
    async with second.lease(ENVIRONMENT, "host-2"):
        assert await first.holder(ENVIRONMENT) == "host-2"


async def test_environments_are_held_apart(store):
    async with store.lease("shop/prod", "a"), store.lease("shop/test", "b"), store.lease("bank/prod", "c"):
        assert [await store.holder(name) for name in ("shop/prod", "shop/test", "bank/prod")] == ["a", "b", "c"]


async def test_the_epoch_grows_with_every_lease_whoever_takes_it(another):
    first, second = another(), another()
    epochs = []
    for store in (first, second, second, first):
        async with store.lease(ENVIRONMENT, "x") as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3, 4]


async def test_the_document_goes_from_holder_to_holder(another):
    first, second = another(), another()
    async with first.lease(ENVIRONMENT, "a") as lease:
        assert lease.memory is None
        await lease.save(b'{"pass": 1}')
        await lease.save(b'{"pass": 2}')
        assert await second.memory(ENVIRONMENT) == b'{"pass": 2}'
        assert await second.holder(ENVIRONMENT) == "a"
    async with second.lease(ENVIRONMENT, "b") as lease:
        assert lease.memory == b'{"pass": 2}'
        assert lease.epoch == 2
    assert await first.memory("shop/test") is None


async def test_a_lease_that_was_given_back_writes_nothing(store):
    async with store.lease(ENVIRONMENT, "a") as lease:
        await lease.save(b"1")
        assert lease.until() > awake_and_asleep_s()
    assert lease.until() == 0
    with pytest.raises(LeaseLost, match="given back"):
        lease.check()
    with pytest.raises(LeaseLost):
        await lease.save(b"2")
    with pytest.raises(LeaseLost):
        await lease.record(b"2")
    assert await store.memory(ENVIRONMENT) == b"1"
    assert await store.journal(ENVIRONMENT, 10) == ()


async def test_an_error_gives_it_back(another):
    with pytest.raises(ZeroDivisionError):
        async with another().lease(ENVIRONMENT, "a"):
            raise ZeroDivisionError
    async with another().lease(ENVIRONMENT, "b") as lease:
        assert lease.epoch == 2


async def test_an_error_of_the_holders_own_disk_stays_what_it_is(store):
    with pytest.raises(PermissionError):
        async with store.lease(ENVIRONMENT, "a"):
            raise PermissionError("not the store's")


async def test_a_cancelled_holder_gives_it_back(another):
    held = asyncio.Event()

    async def hold():
        async with another().lease(ENVIRONMENT, "a"):
            held.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await held.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    async with another().lease(ENVIRONMENT, "b") as lease:
        lease.check()


async def test_one_cancelled_while_it_asks_holds_nothing(another):
    store = another()
    async with store.lease(ENVIRONMENT, "a"):
        """The place is made."""
    for ticks in range(12):  # Cancelled at one moment after another on the way to the lease.

        async def hold():
            async with store.lease(ENVIRONMENT, "a"):
                await asyncio.Event().wait()

        holding = asyncio.create_task(hold())
        for _ in range(ticks * 3):
            await asyncio.sleep(0.001)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        assert await store.holder(ENVIRONMENT) == "", ticks


async def test_many_want_it_and_one_has_it(another):
    stores = [another() for _ in range(5)]
    inside, most, held, free = 0, 0, asyncio.Event(), asyncio.Event()

    async def contend(store):
        nonlocal inside, most
        try:
            async with store.lease(ENVIRONMENT, "x"):
                inside += 1
                most = max(most, inside)
                held.set()
                await free.wait()
                inside -= 1
                return "held"
        except LeaseHeld:
            return "refused"

    contending = [asyncio.create_task(contend(store)) for store in stores]
    await held.wait()
    answers = asyncio.as_completed(contending, timeout=30)
    assert [await next(answers) for _ in range(4)] == ["refused"] * 4
    free.set()
    assert await next(answers) == "held"
    assert most == 1


async def test_the_journal_is_read_from_its_end(another):
    store = another()
    async with store.lease(ENVIRONMENT, "a") as lease:
        for number in range(5):
            await lease.record(b'{"pass": %d}' % number)
    async with another().lease(ENVIRONMENT, "b") as lease:
        await lease.record(b'{"pass": 5}')
    assert await store.journal(ENVIRONMENT, 3) == (b'{"pass": 5}', b'{"pass": 4}', b'{"pass": 3}')
    assert len(await store.journal(ENVIRONMENT, 100)) == 6
    assert await store.journal(ENVIRONMENT, 0) == ()
    assert await store.journal("shop/test", 3) == ()


async def test_lines_larger_than_one_read_are_whole(store):
    lines = [b"%d" % number + b"x" * 50_000 for number in range(4)]
    async with store.lease(ENVIRONMENT, "a") as lease:
        for line in lines:
            await lease.record(line)
    assert await store.journal(ENVIRONMENT, 3) == tuple(reversed(lines))[:3]


@pytest.mark.parametrize("entry", [b"", b"two\nlines", b"end\n"])
async def test_an_entry_is_one_line(store, entry):
    async with store.lease(ENVIRONMENT, "a") as lease:
        with pytest.raises(ValueError, match="one line"):
            await lease.record(entry)


async def test_a_journal_goes_on_in_the_next_month_and_when_it_is_full(another):
    moment = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    store = another(now=lambda: moment, part=3 if another.kind == "azurite" else 6)  # lines, or bytes
    async with store.lease(ENVIRONMENT, "a") as lease:
        for number in range(4):
            await lease.record(b"%d" % number)
        moment = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
        await lease.record(b"4")
        moment = datetime(2026, 11, 30, 23, 58, tzinfo=UTC)  # A clock set back does not put the new before the old.
        await lease.record(b"5")
    assert await store.journal(ENVIRONMENT, 10) == (b"5", b"4", b"3", b"2", b"1", b"0")
    assert await store.journal(ENVIRONMENT, 2) == (b"5", b"4")


async def test_orders_are_changed_without_a_lease_and_none_is_lost(another):
    stores = [another() for _ in range(4)]

    def suspend(name):
        return lambda orders: {**orders, name: "why"}

    await asyncio.gather(*(store.order(ENVIRONMENT, suspend(f"endpoint/e{n}")) for n, store in enumerate(stores)))
    assert await stores[0].orders(ENVIRONMENT) == {f"endpoint/e{n}": "why" for n in range(4)}
    async with stores[1].lease(ENVIRONMENT, "a"):
        await stores[2].order(ENVIRONMENT, lambda orders: {k: v for k, v in orders.items() if k != "endpoint/e0"})
    assert sorted(await stores[3].orders(ENVIRONMENT)) == ["endpoint/e1", "endpoint/e2", "endpoint/e3"]
    assert await stores[0].orders("shop/test") == {}


@pytest.mark.parametrize("name", ["prod", "shop/../x", "Shop/prod", "shop/prod/x", "shop/", "", "shop/prod\n"])
async def test_a_name_cannot_lead_out_of_the_store(store, name):
    with pytest.raises(ValueError, match="not project/environment"):
        await store.memory(name)
    with pytest.raises(ValueError, match="not project/environment"):
        async with store.lease(name, "a"):
            pytest.fail("held")


CHILD = """
import sys
from pathlib import Path
from reconciler.state.fence import check_fence
for line in sys.stdin:
    try:
        check_fence(Path(sys.argv[1]))
        print("may write", flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
print("azure" in sys.modules, "asyncio" in sys.modules, flush=True)
"""


@asynccontextmanager
async def child_of_the_holder(fence_file):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(fence_file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    async def ask():
        child.stdin.write(b"\n")
        return (await child.stdout.readline()).decode().strip()

    try:
        yield ask
        child.stdin.close()
        assert (await child.stdout.readline()).decode().strip() == "False False"
    finally:
        child.stdin.close()
        await child.wait()


async def test_a_child_process_writes_only_while_its_parent_holds_the_lease(store):
    async with store.lease(ENVIRONMENT, "a") as lease:
        check_fence(lease.fence_file)
        async with child_of_the_holder(lease.fence_file) as ask:
            assert await ask() == "may write"
            told = json.loads(lease.fence_file.read_text())
            assert told["until_s"] == lease.until()
            assert math.isinf(told["until_s"]) or told["until_s"] < awake_and_asleep_s() + 15
            lease.fence_file.write_text(json.dumps(told | {"until_s": awake_and_asleep_s()}))
            assert await ask() == "LeaseLost the lease that this process writes under has run out"
            lease.fence_file.write_text(json.dumps(told | {"pid": 1}))
            assert await ask() == "LeaseLost the process that held the lease is gone"
            lease.fence_file.write_text(json.dumps(told))
            assert await ask() == "may write"
            lease.fence_file.unlink()
            assert "given back" in await ask()
    assert not lease.fence_file.parent.exists()
