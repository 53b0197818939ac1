"""What only Azure Blob leases do to us, on a real Azurite: run out, be broken, lose answers, refuse the identity."""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob.aio import BlobLeaseClient, ContainerClient
from wire_cut import wire_to

from reconciler.errors import LeaseHeld, LeaseLost, StateError, UsageError
from reconciler.state.blob import BlobStore
from reconciler.state.clock import awake_and_asleep_s
from reconciler.state.fence import check_fence

ENVIRONMENT = "shop/prod"


@asynccontextmanager
async def opened(azurite, url, **options):
    store = BlobStore(
        url, connection_string=options.pop("connection_string", azurite.connection_string), duration_s=15, **options
    )
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def url(azurite):
    return azurite.container(f"state-{secrets.token_hex(6)}")


@asynccontextmanager
async def other_hand(azurite, url):
    """The container as somebody has it that does not go through us."""
    async with ContainerClient.from_connection_string(azurite.connection_string, url.rpartition("/")[2]) as container:
        yield container


async def test_a_broken_lease_writes_nothing_more_and_its_end_is_not_the_end_of_the_next(azurite, url):
    async with opened(azurite, url) as first, opened(azurite, url) as second, other_hand(azurite, url) as container:
        async with AsyncExitStack() as first_block:
            lost = await first_block.enter_async_context(first.lease(ENVIRONMENT, "first"))
            await lost.save(b"first")
            await BlobLeaseClient(container.get_blob_client("shop/prod/state.json")).break_lease(lease_break_period=0)
            async with second.lease(ENVIRONMENT, "second") as lease:
                assert lease.memory == b"first"
                await lease.save(b"second")
                with pytest.raises(LeaseLost, match=r"shop/prod is lost: Azure Storage says Lease"):
                    await lost.save(b"first again")
                with pytest.raises(LeaseLost):
                    lost.check()
                with pytest.raises(LeaseLost):
                    check_fence(lost.fence_file)
                assert lost.until() == 0
                assert await first.memory(ENVIRONMENT) == b"second"
                await first_block.aclose()
                with pytest.raises(LeaseHeld):
                    async with first.lease(ENVIRONMENT, "third"):
                        pytest.fail("held")
                assert await first.holder(ENVIRONMENT) == "second"
                await lease.save(b"second again")
        assert await second.memory(ENVIRONMENT) == b"second again"


async def test_the_journal_asks_azure_before_it_takes_a_line(azurite, url):
    async with opened(azurite, url) as first, opened(azurite, url) as second, other_hand(azurite, url) as container:
        async with first.lease(ENVIRONMENT, "first") as lost:
            await BlobLeaseClient(container.get_blob_client("shop/prod/state.json")).break_lease(lease_break_period=0)
            async with second.lease(ENVIRONMENT, "second") as lease:
                await lease.record(b"second")
                lost.check()  # It cannot know yet.
                with pytest.raises(LeaseLost):
                    await lost.record(b"first")
        assert await second.journal(ENVIRONMENT, 10) == (b"second",)


async def test_what_woke_up_too_late_is_lost_at_once_and_for_good(azurite, url):
    asleep_s = 0.0
    async with opened(azurite, url, clock=lambda: awake_and_asleep_s() + asleep_s) as store:
        before = awake_and_asleep_s()
        async with store.lease(ENVIRONMENT, "a") as lease:
            assert before + 13.4 < lease.until() < before + 13.6 + 1
            asleep_s = 13.0
            lease.check()
            asleep_s = 14.0
            with pytest.raises(LeaseLost, match="not be renewed in time"):
                lease.check()
            asleep_s = 0.0
            for write in (lease.save(b"x"), lease.record(b"x")):
                with pytest.raises(LeaseLost):
                    await write
            with pytest.raises(LeaseLost):
                check_fence(lease.fence_file)
        async with store.lease(ENVIRONMENT, "b") as lease:
            lease.check()
        assert await store.memory(ENVIRONMENT) is None


async def test_the_deadline_counts_from_before_the_request(azurite, url):
    async with wire_to(url) as wire:
        through = azurite.connection_string.replace(azurite.url, wire.url.rpartition("/")[0])

        def clock():  # As if every request took 2 s.
            return awake_and_asleep_s() + 2 * len(wire.requests)

        async with opened(azurite, wire.url, connection_string=through, clock=clock) as store:
            async with store.lease(ENVIRONMENT, "a"):
                """The blob is made."""
            asked_s = clock()
            async with store.lease(ENVIRONMENT, "a") as lease:
                assert lease.until() == pytest.approx(asked_s + 13.5, abs=1)
                asked_s = clock()
                await lease.record(b"renews")
                assert lease.until() == pytest.approx(asked_s + 13.5, abs=1)


@asynccontextmanager
async def by_wire(azurite, url):
    """A wire that can be cut, and a store behind it."""
    async with wire_to(url) as wire:
        through = azurite.connection_string.replace(azurite.url, wire.url.rpartition("/")[0])
        async with opened(azurite, wire.url, connection_string=through) as store:
            wire.store = store
            yield wire


def holds(lease):
    try:
        lease.check()
    except LeaseLost:
        return False
    return True


@asynccontextmanager
async def patiently(store, environment, holder):
    """The lease, asked for again and again."""
    while True:
        try:
            async with store.lease(environment, holder) as lease:
                yield lease
                return
        except LeaseHeld:
            await asyncio.sleep(0.25)


async def test_over_time(azurite, url):
    """Four things that take as long as a lease lasts, at the same time."""

    async def held_longer_than_a_lease_lasts():
        async with (
            opened(azurite, url) as store,
            opened(azurite, url) as other,
            store.lease("shop/long", "a") as lease,
        ):
            began = time.monotonic()
            while time.monotonic() - began < 16:
                lease.check()
                check_fence(lease.fence_file)
                with pytest.raises(LeaseHeld):
                    async with other.lease("shop/long", "b"):
                        pytest.fail("held")
                await asyncio.sleep(0.5)
            await lease.save(b"still ours")

    async def a_short_cut_is_outlived():
        async with by_wire(azurite, url) as wire, wire.store.lease("shop/short", "a") as lease:
            first = lease.until()
            wire.cut()
            await asyncio.sleep(8)  # A renewal and its tries are missed.
            lease.check()
            assert lease.until() == first
            wire.cut(cut=False)
            await asyncio.sleep(6)
            lease.check()
            assert lease.until() > first
            await lease.save(b"still ours")

    async def silence_is_outlived():
        async with by_wire(azurite, url) as wire, wire.store.lease("shop/silent", "a") as lease:
            first = lease.until()
            wire.silent = True
            await asyncio.sleep(8)  # The renewal has no end, but for our own patience.
            assert lease.until() == first
            wire.silent = False
            await asyncio.sleep(5)
            lease.check()
            assert lease.until() > first

    async def a_long_cut_is_a_loss_and_another_takes_over():
        async with (
            by_wire(azurite, url) as wire,
            opened(azurite, url) as other,
            wire.store.lease("shop/cut", "a") as lease,
        ):
            granted = time.monotonic()
            await lease.save(b"a")
            wire.cut()
            while holds(lease):
                await asyncio.sleep(0.1)
            lost = time.monotonic() - granted
            with pytest.raises(LeaseHeld, match="worked on by a since"):  # We gave up before Azure did.
                async with other.lease("shop/cut", "b"):
                    pytest.fail("held")
            async with patiently(other, "shop/cut", "b") as taken:
                assert (taken.memory, taken.epoch) == (b"a", 2)
                assert time.monotonic() - granted < 17
                wire.cut(cut=False)
                with pytest.raises(LeaseLost):
                    await lease.save(b"late")
            return lost

    lost, *_ = await asyncio.gather(
        a_long_cut_is_a_loss_and_another_takes_over(),
        held_longer_than_a_lease_lasts(),
        a_short_cut_is_outlived(),
        silence_is_outlived(),
    )
    assert 12 < lost < 14


@pytest.fixture
async def wire(azurite, url):
    async with by_wire(azurite, url) as found:
        yield found


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_lost_answers_neither_lose_nor_repeat_a_line(wire, lost):
    async with wire.store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b"before")
        for number in range(8):
            wire.lose_answers = lost if number == 3 else 0
            try:
                await lease.record(b"line %d" % number)
            except StateError:
                assert number == 3  # The lease could not be renewed: nothing was tried.
                await lease.record(b"line %d" % number)
        wire.lose_answers = lost
        await lease.save(b"saved")
    expected = (b"before", *(b"line %d" % number for number in range(8)))
    assert await wire.store.journal(ENVIRONMENT, 100) == tuple(reversed(expected))
    assert await wire.store.memory(ENVIRONMENT) == b"saved"


async def test_an_append_whose_answer_is_lost_is_found_again(wire, azurite, url):
    async with wire.store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b"first")
        wire.requests.clear()
        journal = lease._journal
        append = journal._open

        async def losing_from_here():
            found = await append()
            wire.lose_answers = 1
            return found

        journal._open = losing_from_here
        await lease.record(b"second")
        assert wire.lose_answers == 0
    assert await wire.store.journal(ENVIRONMENT, 10) == (b"second", b"first")


async def test_a_journal_goes_on_in_another_blob_before_azure_takes_no_more_blocks(azurite, url):
    now = datetime(2026, 11, 21, tzinfo=UTC)
    async with opened(azurite, url, lines_a_part=3, now=lambda: now) as store, other_hand(azurite, url) as container:
        async with store.lease(ENVIRONMENT, "a") as lease:
            for number in range(7):
                await lease.record(b"%d" % number)
        sizes = {blob.name.rpartition("/")[2]: blob.size async for blob in container.list_blobs("shop/prod/journal/")}
    assert sizes == {"2026-11.jsonl": 6, "2026-11_002.jsonl": 6, "2026-11_003.jsonl": 2}


async def test_a_journal_that_another_began_meanwhile_is_gone_on_with(azurite, url):
    async with opened(azurite, url) as store, store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b"first")
        late = store._journal(ENVIRONMENT)

        async def as_it_was_before():
            return []

        late._parts = as_it_was_before
        await late.append(b"second\n", lease.check)
        assert await store.journal(ENVIRONMENT, 10) == (b"second", b"first")


async def test_a_lease_that_was_granted_without_an_answer_is_given_back(wire):
    async with wire.store.lease(ENVIRONMENT, "a"):
        """The blob is made."""
    wire.lose_answers = 2
    with suppress(StateError):
        async with wire.store.lease(ENVIRONMENT, "a") as lease:
            lease.check()
    wire.lose_answers = 0
    async with wire.store.lease(ENVIRONMENT, "b") as lease:
        assert lease.epoch in (2, 3)


async def test_a_store_that_cannot_be_reached_says_where_and_what_to_do(wire):
    wire.cut()
    with pytest.raises(
        StateError, match=r"state in http://127.0.0.1:\d+/amlgitops/state-.*; check the address"
    ) as said:
        async with wire.store.lease(ENVIRONMENT, "a"):
            pytest.fail("held")
    assert "ssl" not in str(said.value)
    with pytest.raises(StateError):
        await wire.store.memory(ENVIRONMENT)


async def test_a_removed_container_is_a_loss_and_then_made_anew(azurite, url):
    async with opened(azurite, url) as store, other_hand(azurite, url) as container:
        async with store.lease(ENVIRONMENT, "a") as lease:
            await lease.save(b"x")
            await container.delete_container()
            with pytest.raises(LeaseLost):
                await lease.save(b"y")
        async with store.lease(ENVIRONMENT, "a") as lease:
            assert lease.memory is None


async def test_an_order_needs_nothing_to_be_there_before(azurite, url):
    async with opened(azurite, url) as store:
        await store.order(ENVIRONMENT, lambda orders: {**orders, "*": "freeze"})
        assert await store.orders(ENVIRONMENT) == {"*": "freeze"}


async def test_what_people_broke_by_hand_is_named(azurite, url):
    async with opened(azurite, url) as store, other_hand(azurite, url) as container:
        async with store.lease(ENVIRONMENT, "a"):
            """The container is made."""
        await container.upload_blob("shop/prod/orders.json", b"[]", overwrite=True)
        with pytest.raises(StateError, match=r"shop/prod/orders.json cannot be read: wanted"):
            await store.orders(ENVIRONMENT)
        await container.get_blob_client("shop/prod/state.json").set_blob_metadata({"epoch": "many"})
        with pytest.raises(StateError, match=r"shop/prod/state.json: its metadata has epoch 'many'; set a number"):
            async with store.lease(ENVIRONMENT, "a"):
                pytest.fail("held")
        await container.get_blob_client("shop/prod/state.json").set_blob_metadata({})
        async with store.lease(ENVIRONMENT, "a") as lease:
            assert lease.epoch == 1


def sas_of(azurite, url, **rights):
    key = azurite.connection_string.partition("AccountKey=")[2].partition(";")[0]
    name = url.rpartition("/")[2]
    sas = generate_container_sas(
        "amlgitops", name, key, permission=ContainerSasPermissions(**rights), expiry=datetime.now(UTC) + timedelta(1)
    )
    return sas, f"BlobEndpoint={azurite.url};SharedAccessSignature={sas}"


async def test_an_identity_without_rights_is_told_which_role_and_no_secret_shows(azurite, url, caplog):
    sas, connection_string = sas_of(azurite, url, read=True, write=True, create=True, list=True)
    said = []
    async with opened(azurite, url, connection_string=connection_string) as store:
        with pytest.raises(
            StateError, match=r"az storage container create --name state-.*Storage Blob Data"
        ) as missing:
            async with store.lease(ENVIRONMENT, "a"):
                pytest.fail("held")
        said.append(str(missing.value))
        async with opened(azurite, url) as strong, strong.lease(ENVIRONMENT, "a"):
            """Now there is a container."""
        async with store.lease(ENVIRONMENT, "a") as lease:
            await lease.save(b"x")
            said.append(store._journal(ENVIRONMENT).url)
    _, connection_string = sas_of(azurite, url, read=True)
    async with opened(azurite, url, connection_string=connection_string) as reader:
        assert await reader.memory(ENVIRONMENT) == b"x"
        with pytest.raises(StateError, match="Storage Blob Data Contributor") as forbidden:
            async with reader.lease(ENVIRONMENT, "a"):
                pytest.fail("held")
        said.append(str(forbidden.value))
    signature = sas.partition("sig=")[2].partition("&")[0]
    assert "sig=" not in " ".join(said) + caplog.text
    assert signature not in " ".join(said) + caplog.text


async def test_a_wrong_key_is_told_and_not_shown(azurite, url):
    wrong = azurite.connection_string.replace("AccountKey=", "AccountKey=AAAA")
    async with opened(azurite, url, connection_string=wrong) as store:
        with pytest.raises(StateError, match="check the key") as said:
            async with store.lease(ENVIRONMENT, "a"):
                pytest.fail("held")
    assert "AAAA" not in str(said.value)


async def test_a_connection_string_that_leads_elsewhere_is_refused(azurite, url):
    with pytest.raises(UsageError, match=r"leads to .*/state-.*, but gitops.yaml says https://acme.blob.core.windows"):
        BlobStore("https://acme.blob.core.windows.net/state-x", connection_string=azurite.connection_string)
    with pytest.raises(UsageError, match="cannot be read"):
        BlobStore(url, connection_string="hunter2")
    with pytest.raises(ValueError, match="15 to 60"):
        BlobStore(url, connection_string=azurite.connection_string, duration_s=14)
