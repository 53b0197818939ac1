"""What goes wrong around a pass: deaths, lost leases, clocks that jump, people who suspend it half-way."""

import asyncio
from dataclasses import replace
from shutil import copytree
from traceback import extract_tb

import pytest
import worlds
from in_process import SilentProgress, wanted_of
from watched_shop import (
    BLUE,
    KEY,
    PROJECT,
    Through,
    again,
    another,
    drift,
    edit,
    in_time,
    leasing,
    others_at_work,
    remembered,
    slowed,
    until,
)

from aml_emulator.wire import answer
from reconciler.arm.budget import Budget
from reconciler.domain import Result
from reconciler.errors import LeaseLost, ManifestError, StateError
from reconciler.sync import sync
from reconciler.watch.environment import Environment
from reconciler.watch.orders import suspended


async def description(replica):
    _, body = await replica.cloud.raw("GET", "/onlineEndpoints/alpha")
    return body["properties"]["description"]


@pytest.mark.parametrize("saves", [0, 1], ids=["before anything was remembered", "before the end was remembered"])
async def test_who_takes_over_from_the_dead_does_not_go_back_to_the_older_commit(shop, saves):
    await shop.pass_once()
    behind = another(shop)
    await behind.refresh(0)  # It knows r1, and has nothing to do.
    before = shop.source.checkout.root
    root = copytree(before, before.parent / "r2")
    shop.source.commit("r2", root)
    edit(shop, "description: one", "description: two", "r2")
    await shop.refresh(0)
    shop.clock.now_s += 60
    saved = []

    async def save(document):
        if len(saved) == saves:
            raise StateError("the process died")
        saved.append(document)
        shop.store.documents[KEY] = document

    store = leasing(shop.store, save=save)
    dying = Environment("test", replace(shop.world, store=lambda _: store))
    dying.see(shop.revision, at_once=True)
    await dying.pass_once()
    await dying.close()
    # Nothing is written under a commit that nobody would know of.
    assert await description(shop) == ("two" if saves else "one")
    shop.clock.now_s += 60
    await behind.environment.pass_once()
    assert behind.last.revision == ("r2" if saves else "r1")
    assert await description(shop) == ("two" if saves else "one")
    assert behind.writes == []


async def test_what_was_deleted_since_the_plan_was_made_is_planned_again(shop):
    await shop.pass_once()
    edit(shop, "MODE: fast", "MODE: slow", "r2")
    handle, gone = shop.cloud.service.handle, []

    async def handled(request):
        applying = request.method == "GET" and request.url.partition("?")[0].endswith(BLUE)
        if applying and not gone:
            gone.append(request.url)
            _, endpoint = await shop.cloud.raw("GET", "/onlineEndpoints/alpha")
            endpoint["properties"]["traffic"] = {}
            await shop.cloud.raw("PUT", "/onlineEndpoints/alpha", endpoint)
            await shop.cloud.raw("DELETE", BLUE)
        return await handle(request)

    shop.cloud.service.handle = handled
    verdict, _ = await again(shop)
    assert gone
    assert (verdict.reason, verdict.stalled, verdict.again) == ("Retrying", False, True)
    assert remembered(shop).stalled == {}
    verdict, _ = await again(shop)
    assert (verdict.reason, verdict.ready) == ("Applied", True)


async def test_invalid_manifests_are_the_same_each_time_and_their_traceback_does_not_grow(shop):
    edit(shop, "kind: endpoint", "kind: endpoint\nkolor: red", "r1")
    await shop.refresh(0)
    sizes = []
    for _ in range(4):
        with pytest.raises(ManifestError, match="kolor") as refused:
            await shop.revision.wanted("test", shop.cloud.target)
        sizes.append(len(extract_tb(refused.value.__traceback__)))
    assert len(set(sizes)) == 1


async def test_a_clock_that_is_set_back_does_not_put_off_the_next_pass(shop):
    await shop.refresh(0)
    store = leasing(shop.store)
    environment = Environment("test", replace(shop.world, store=lambda _: store, budget=lambda _: Budget()))
    environment.see(shop.revision, at_once=True)
    shop.clock.now_s += 86_400
    await environment.pass_once()
    shop.clock.now_s -= 86_400
    passing = asyncio.create_task(environment.run())
    await until(lambda: len(shop.hearing.passes) > 1)
    environment.stop()
    await in_time(passing)


async def test_a_next_pass_that_another_put_far_into_the_future_is_due(shop):
    await shop.pass_once()
    await drift(shop)
    shop.store.documents[KEY] = replace(remembered(shop), due_at=9e11).to_json()
    shop.clock.now_s += 60
    verdict = await shop.environment.pass_once()
    assert verdict.reason == "Applied"
    assert shop.writes[-1] == ("PATCH", f"ws-emulator{BLUE}")
    assert remembered(shop).due_at == shop.clock.now_s + 60


async def test_a_journal_that_cannot_be_written_does_not_repeat_what_failed_for_good(shop):
    async def record(_):
        raise StateError("the disk is full")

    edit(shop, "MODE: fast", "EMULATOR_FAIL_INIT: bad", "r1")
    await shop.refresh(0)
    store = leasing(shop.store, record=record)
    environment = Environment("test", replace(shop.world, store=lambda _: store))
    environment.see(shop.revision, at_once=True)
    for _ in range(6):
        await environment.pass_once()
        shop.clock.now_s = max(environment.due_at, shop.clock.now_s + 1)
    await environment.close()
    assert shop.writes.count(("PUT", f"ws-emulator{BLUE}")) == 1
    assert list(remembered(shop).stalled) == ["deployment/alpha/blue"]


async def test_a_lease_that_is_lost_while_it_waits_ends_the_wait(shop):
    gate, asked = slowed(shop)
    passing = asyncio.create_task(shop.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    writes = len(shop.writes)
    shop.clock.now_s += 31
    verdict = await in_time(passing)
    assert verdict.reason == "LeaseLost"
    assert shop.hearing.losses == ["test"]
    assert len(shop.writes) == writes
    gate.set()


async def test_a_lease_that_is_lost_before_the_container_log_keeps_the_report(shop):
    edit(shop, "MODE: fast", "EMULATOR_FAIL_INIT: bad", "r1")
    handle, lost = shop.cloud.service.handle, []

    async def handled(request):
        answer = await handle(request)
        if request.method == "GET" and b'"Failed"' in await answer.read():
            lost.append(request.url)
        return answer

    def check():
        if lost:
            raise LeaseLost("the lease ended")

    shop.cloud.service.handle = handled
    root = shop.source.checkout.root
    async with shop.cloud.arm() as (arm, _):
        arm.fence.check = check
        wanted = wanted_of(arm, root)
        report = await sync(wanted, arm, root, approve=lambda _: None, progress=SilentProgress())
    outcomes = {str(outcome.ref): outcome for outcome in report.outcomes}
    assert lost
    assert len(outcomes) == len(report.plan.actions)
    failed = outcomes["deployment/alpha/blue"]
    assert (failed.result, failed.transient, failed.log_tail) == (Result.FAILED, False, "")
    assert outcomes["endpoint/alpha"].result is Result.CREATED


@pytest.mark.parametrize("patterns", [(), ("endpoint/alpha",)], ids=["environment", "resource"])
async def test_a_suspension_in_the_middle_of_an_apply_is_heeded(shop, patterns):
    gate, asked = slowed(shop)
    heard = asyncio.Event()

    async def orders(name):
        found = await shop.store.orders(name)
        if found:
            heard.set()
        return found

    store = Through(shop.store, orders=orders)
    environment = Environment("test", replace(shop.world, store=lambda _: store, orders_every_s=0.0))
    await shop.refresh(0)
    environment.see(shop.revision, at_once=True)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    writes = len(shop.writes)
    await shop.store.order(KEY, lambda found: suspended(found, patterns, "incident 4711"))
    await asyncio.wait_for(heard.wait(), 20)
    gate.set()
    verdict = await in_time(passing)
    # What ran was finished; nothing was started after it.
    assert verdict.reason == "Interrupted"
    assert len(shop.writes) == writes
    results = {str(outcome.ref): outcome.result for outcome in shop.last.report.outcomes}
    assert results["deployment/alpha/blue"] is Result.CREATED
    assert results["traffic/alpha"] is Result.INTERRUPTED
    shop.clock.now_s += 60
    verdict = await environment.pass_once()
    assert (verdict.reason, len(shop.writes)) == ("HeldBack" if patterns else "Suspended", writes)
    await environment.close()


@pytest.mark.parametrize("error", [StateError("the container does not answer"), RuntimeError("nobody foresaw it")])
async def test_orders_that_cannot_be_read_in_the_middle_do_not_stop_an_apply(shop, error):
    gate, asked = slowed(shop)
    failed = asyncio.Event()

    async def orders(name):
        if asked.is_set() and not gate.is_set():
            failed.set()
            raise error
        return await shop.store.orders(name)

    store = Through(shop.store, orders=orders)
    environment = Environment("test", replace(shop.world, store=lambda _: store, orders_every_s=0.0))
    await shop.refresh(0)
    environment.see(shop.revision, at_once=True)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(failed.wait(), 20)
    gate.set()
    assert (await in_time(passing)).reason == "Applied"
    await environment.close()


async def test_suspended_and_refused_is_suspended(shop):
    await shop.cloud.raw("PATCH", "", {"properties": {"publicNetworkAccess": "Enabled"}})
    await shop.store.order(KEY, lambda orders: suspended(orders, [], "incident 4711"))
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.ready, verdict.stalled, shop.writes) == ("Suspended", False, False, [])


async def test_an_apply_that_was_stopped_does_not_wait_for_what_others_are_at_work_on(shop):
    gate = await others_at_work(shop)
    edit(shop, "description: one", "description: two", "r2")
    root = shop.source.checkout.root
    async with shop.cloud.arm() as (arm, _):
        wanted = wanted_of(arm, root, revision="r2")
        syncing = sync(
            wanted,
            arm,
            root,
            approve=lambda _: None,
            progress=SilentProgress(),
            running=lambda applying: applying.stop(),
        )
        report = await in_time(syncing)
    assert not gate.is_set()
    assert {outcome.result for outcome in report.outcomes} == {Result.INTERRUPTED}
    assert report.unsettled == ""
    gate.set()


async def test_a_deletion_that_failed_for_good_is_tried_at_a_new_commit(shop):
    green = {**PROJECT["alpha"]["deployments"]["blue"], "mode": "slow"}
    both = {"alpha": {**PROJECT["alpha"], "deployments": {**PROJECT["alpha"]["deployments"], "green": green}}}
    root = shop.source.checkout.root
    worlds.write(root, both)
    await shop.pass_once()
    worlds.write(root, PROJECT)
    shop.source.commit("r2")
    handle, refused = shop.cloud.service.handle, []

    async def handled(request):
        if request.method == "DELETE":
            refused.append(request.url)
            return answer(403, {"error": {"code": "AuthorizationFailed", "message": "no role"}})
        return await handle(request)

    shop.cloud.service.handle = handled
    verdict, _ = await again(shop)
    assert (verdict.reason, verdict.failing) == ("ActionFailed", ("deployment/alpha/green",))
    for _ in range(2):
        verdict, writes = await again(shop)
        assert (verdict.reason, writes) == ("ActionFailed", [])
    shop.source.commit("r3")
    verdict, _ = await again(shop)
    assert (verdict.reason, len(refused)) == ("ActionFailed", 2)
    shop.cloud.service.handle = handle
    shop.source.commit("r4")
    verdict, _ = await again(shop)
    assert (verdict.reason, verdict.ready) == ("Applied", True)
    assert remembered(shop).stalled == {}
