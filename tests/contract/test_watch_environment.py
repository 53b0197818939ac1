"""Passes of one environment on the embedded Azure ML: what they do, remember, and leave alone."""

import asyncio
from dataclasses import replace

from watched import Faults
from watched_shop import (
    BLUE,
    KEY,
    again,
    another,
    edit,
    in_time,
    journal,
    remembered,
    slowed,
)

from reconciler.errors import SignatureRefused, SourceUnavailable, StateError
from reconciler.watch.environment import Environment
from reconciler.watch.orders import resumed, suspended
from reconciler.watch.revision import opened


async def test_a_commit_is_applied_and_then_nothing_is_written(shop):
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.ready) == ("Applied", True)
    for _ in range(3):
        verdict, writes = await again(shop)
        assert (verdict.reason, writes) == ("Synced", [])
    assert [line["reason"] for line in journal(shop)] == ["Applied"]
    assert journal(shop)[0]["summary"]["create"] == 5
    memory = remembered(shop)
    assert memory.applied_revision == "r1"
    assert {c.type: c.status for c in memory.conditions} == {"Ready": True, "Reconciling": False, "Stalled": False}


async def test_drift_is_healed_at_the_next_pass(shop):
    await shop.pass_once()
    await shop.cloud.raw("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 7}})
    verdict, writes = await again(shop)
    assert verdict.reason == "Applied"
    assert [method for method, _ in writes] == ["PATCH"]
    assert journal(shop)[-1]["drift"] == [
        {"resource": "deployment/alpha/blue", "healed": True, "fields": ["sku.capacity"]}
    ]


async def test_drift_that_is_only_reported_is_ready_and_written_by_nobody(shop):
    edit(shop, "kind: deployment", "gitops: {drift: report}\nkind: deployment", "r1")
    await shop.pass_once()
    await shop.cloud.raw("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 7}})
    verdict, writes = await again(shop)
    assert (verdict.reason, verdict.ready, writes) == ("DriftReported", True, [])
    assert "deployment/alpha/blue" in verdict.message


async def test_what_failed_for_good_is_left_alone_until_a_new_commit_while_the_rest_goes_on(shop):
    edit(shop, "MODE: fast", "EMULATOR_FAIL_INIT: bad", "r1")
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.stalled) == ("ActionFailed", True)
    assert verdict.failing == ("deployment/alpha/blue",)
    for _ in range(3):
        verdict, writes = await again(shop)
        assert (verdict.reason, writes) == ("ActionFailed", [])
    # Something else drifts meanwhile: it is healed all the same.
    _, body = await shop.cloud.raw("GET", "/onlineEndpoints/alpha")
    body["properties"]["publicNetworkAccess"] = "Enabled"
    await shop.cloud.raw("PUT", "/onlineEndpoints/alpha", body)
    verdict, writes = await again(shop)
    assert verdict.reason == "ActionFailed"
    assert writes == [("PUT", "ws-emulator/onlineEndpoints/alpha")]
    edit(shop, "EMULATOR_FAIL_INIT: bad", "MODE: slow", "r2")
    verdict, _ = await again(shop)
    assert (verdict.reason, verdict.ready) == ("Applied", True)
    assert remembered(shop).stalled == {}


async def test_a_restart_does_not_forget_what_failed_for_good_and_resume_tries_it_again(shop):
    edit(shop, "MODE: fast", "EMULATOR_FAIL_INIT: bad", "r1")
    await shop.pass_once()
    restarted = another(shop)
    verdict = await restarted.pass_once()
    assert (verdict.reason, restarted.writes) == ("ActionFailed", [])
    await shop.store.order(KEY, lambda orders: resumed(orders, [], "2026-11-21T10:00:00Z"))
    verdict, writes = await again(restarted)
    assert verdict.reason == "ActionFailed"
    assert ("PUT", f"ws-emulator{BLUE}") in writes
    verdict, writes = await again(restarted)
    assert writes == []


async def test_what_may_pass_is_tried_again_with_growing_pauses(shop):
    shop.faults = Faults(dict.fromkeys(range(1000), "refused"))
    pauses = []
    for _ in range(4):
        verdict = await shop.pass_once()
        assert (verdict.reason, verdict.reconciling, verdict.stalled) == ("AzureUnavailable", True, False)
        pauses.append(remembered(shop).due_at - shop.clock.now_s)
        shop.clock.now_s += pauses[-1]
    assert pauses == [5, 10, 20, 40]
    shop.faults = Faults()
    verdict = await shop.pass_once()
    assert verdict.ready
    assert remembered(shop).failures == 0
    assert remembered(shop).due_at - shop.clock.now_s == 60


async def test_invalid_manifests_stall_without_a_single_request(shop):
    edit(shop, "kind: endpoint", "kind: endpoint\nkolor: red", "r1")
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.stalled) == ("InvalidManifests", True)
    assert "kolor" in verdict.message
    assert shop.sent == []


async def test_a_refused_plan_writes_nothing_and_is_looked_at_again(shop):
    await shop.cloud.raw("PATCH", "", {"properties": {"publicNetworkAccess": "Enabled"}})
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.stalled, shop.writes) == ("PlanRefused", True, [])
    await shop.cloud.raw("PATCH", "", {"properties": {"publicNetworkAccess": "Disabled"}})
    verdict, _ = await again(shop)
    assert verdict.ready


async def test_a_suspended_environment_is_looked_at_and_left_alone(shop):
    await shop.store.order(KEY, lambda orders: suspended(orders, [], "incident 4711"))
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.ready, shop.writes) == ("Suspended", False, [])
    assert "incident 4711" in verdict.message
    assert len(shop.last.plan.held) == 6
    await shop.store.order(KEY, lambda orders: resumed(orders, [], "now"))
    verdict, _ = await again(shop)
    assert verdict.reason == "Applied"


async def test_a_suspended_resource_is_left_alone_while_the_rest_goes_on(shop):
    await shop.store.order(KEY, lambda orders: suspended(orders, ["deployment/alpha/blue"], "ann looks"))
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.ready) == ("HeldBack", False)
    assert ("PUT", "ws-emulator/onlineEndpoints/alpha") in shop.writes
    assert not [path for _, path in shop.writes if "deployments" in path]


async def test_nothing_is_written_outside_of_the_sync_windows(shop):
    windows = "sync_windows: [{kind: allow, schedule: '0 22 * * *', duration_minutes: 60}]"
    edit(shop, "prune: true", f"prune: true, {windows}", "r1", "gitops.yaml")
    shop.clock.now_s = 1_790_000_000 // 86_400 * 86_400 + 12 * 3600
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.reconciling, shop.writes) == ("OutsideSyncWindow", False, [])
    verdict, writes = await again(shop, 10.5 * 3600)
    assert verdict.reason == "Applied"
    assert writes


async def test_a_suspension_in_git_counts_like_an_order(shop):
    edit(shop, "prune: true", "prune: true, suspend: true", "r1", "gitops.yaml")
    verdict = await shop.pass_once()
    assert (verdict.reason, verdict.message, shop.writes) == ("Suspended", "suspended in gitops.yaml", [])


async def test_the_last_good_commit_stays_in_force_when_the_source_cannot_be_had(shop):
    await shop.pass_once()
    await shop.cloud.raw("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 7}})
    for problem, reason, stalled in (
        (SourceUnavailable("no answer"), "SourceUnavailable", False),
        (SignatureRefused("r2 is not signed"), "SignatureRefused", True),
    ):
        shop.environment.source_failed(problem)
        shop.clock.now_s += 60
        verdict = await shop.environment.pass_once()
        assert (verdict.reason, verdict.ready, verdict.stalled) == (reason, False, stalled)
    assert shop.writes[-1] == ("PATCH", f"ws-emulator{BLUE}")


async def test_without_its_state_nothing_is_written(shop):
    shop.store.failing = StateError("the container does not answer")
    pauses = []
    for _ in range(3):
        verdict = await shop.pass_once()
        assert (verdict.reason, shop.sent) == ("StateUnavailable", [])
        pauses.append(shop.environment.due_at - shop.clock.now_s)
        shop.clock.now_s += pauses[-1]
    assert pauses == [5, 10, 20]
    assert [passed.verdict.reason for passed in shop.hearing.passes] == ["StateUnavailable"] * 3
    shop.store.failing = None
    verdict, _ = await again(shop)
    assert verdict.ready


async def test_an_environment_that_another_holds_is_not_touched(shop):
    other = another(shop)
    async with shop.store.lease(KEY, "two"):
        assert await shop.pass_once() is None
        assert shop.sent == []
    await other.pass_once()
    await shop.pass_once()
    assert shop.last.verdict.reason == "Synced"


async def test_a_replica_does_not_repeat_the_pass_of_another(shop):
    other = another(shop)
    await shop.pass_once()
    await other.pass_once()
    shop.clock.now_s += 60
    await shop.pass_once()
    requests = len(other.sent)
    assert await other.pass_once() is not None
    assert len(other.sent) == requests
    assert other.environment.due_at > shop.clock.now_s + 59


async def test_a_replica_that_lags_behind_never_goes_back_to_an_older_commit(shop):
    await shop.pass_once()
    old = shop.source.checkout
    edit(shop, "description: one", "description: two", "r2")
    behind = another(shop)
    await behind.refresh(0)
    await shop.pass_once()
    # It still has the first revision in hand, and its lease says that there is a newer one.
    looks = shop.source.looks
    behind.environment._revision = await opened(old)
    behind.clock.now_s += 60
    verdict = await behind.environment.pass_once()
    assert shop.source.looks == looks + 1
    assert (verdict.reason, behind.writes) == ("Synced", [])


async def test_a_replica_whose_source_does_not_answer_does_not_go_back_to_an_older_commit(shop):
    await shop.pass_once()
    first = shop.revision
    edit(shop, "description: one", "description: two", "r2")
    await again(shop)
    other = another(shop)

    async def refresh(_since):
        behind.source_failed(SourceUnavailable("no answer"))
        return first

    behind = Environment("test", replace(other.world, refresh=refresh))
    behind.see(first, at_once=True)
    for _ in range(3):
        shop.clock.now_s += 60
        verdict = await behind.pass_once()
        assert (verdict.reason, other.sent) == ("SourceUnavailable", [])
        assert behind.due_at == shop.clock.now_s + 60
    assert remembered(shop).revision == "r2"
    verdict, writes = await again(other)
    assert (verdict.reason, writes) == ("Synced", [])


async def test_a_newer_commit_ends_the_wait_for_an_older_one(shop):
    await shop.pass_once()
    gate, asked = slowed(shop)
    edit(shop, "MODE: fast", "MODE: slow", "r2")
    shop.clock.now_s += 60
    passing = asyncio.create_task(shop.pass_once())
    await asked.wait()
    edit(shop, "description: one", "description: two", "r3")
    await shop.refresh(0)
    verdict = await in_time(passing)
    assert verdict.reason == "Interrupted"
    assert remembered(shop).due_at == shop.clock.now_s
    before = len(shop.writes)
    going_on = asyncio.create_task(shop.pass_once())
    while ("PUT", "ws-emulator/onlineEndpoints/alpha") not in shop.writes[before:]:
        assert not going_on.done()
        await asyncio.sleep(0)
    gate.set()
    verdict = await in_time(going_on)
    assert verdict.ready
    # What Azure was at work on is picked up, not sent again.
    assert [path for _, path in shop.writes].count(f"ws-emulator{BLUE}") == 2


async def test_a_restart_in_the_middle_picks_up_what_azure_is_at_work_on(shop):
    gate, asked = slowed(shop)
    passing = asyncio.create_task(shop.pass_once())
    await asked.wait()
    shop.environment.stop()
    await in_time(passing)
    restarted = another(shop)
    going_on = asyncio.create_task(restarted.pass_once())
    gate.set()
    verdict = await in_time(going_on)
    assert verdict.ready
    assert not [path for method, path in restarted.writes if "deployments" in path]


async def test_a_lease_that_is_lost_in_the_middle_stops_every_further_write(shop):
    def lose(method, url, body):
        if method == "PUT" and url.partition("?")[0].endswith("/onlineEndpoints/alpha"):
            shop.clock.now_s += 31

    shop.watch = lose
    await shop.pass_once()
    assert shop.writes[-1] == ("PUT", "ws-emulator/onlineEndpoints/alpha")
    assert shop.hearing.losses == ["test"]
    shop.watch = None
    assert (await again(shop))[0].ready


async def test_an_environment_that_left_the_project_is_left_alone(shop):
    await shop.pass_once()
    edit(shop, "environments:\n  test:", "environments:\n  other:", "r2", "gitops.yaml")
    shop.clock.now_s += 60
    before = len(shop.sent)
    await shop.pass_once()
    assert len(shop.sent) == before


async def test_a_warning_is_logged_and_journalled_once(shop, caplog):
    await shop.pass_once()
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}}
    await shop.cloud.raw("PUT", "/onlineEndpoints/theirs", body)
    for _ in range(3):
        verdict, writes = await again(shop)
        assert (verdict.reason, writes) == ("Synced", [])
    assert [record.resource for record in caplog.records if "public internet" in record.message] == ["endpoint/theirs"]
    assert [w["resource"] for line in journal(shop) for w in line["warnings"]] == ["endpoint/theirs"]


async def test_drift_that_begins_to_be_only_reported_is_journalled(shop):
    edit(shop, "kind: deployment", "gitops: {drift: report}\nkind: deployment", "r1")
    await shop.pass_once()
    await shop.cloud.raw("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 7}})
    for _ in range(2):
        await again(shop)
    assert [line["reason"] for line in journal(shop)] == ["Applied", "DriftReported"]


async def test_a_source_that_is_back_is_passed_at_once(shop):
    await shop.pass_once()
    shop.environment.source_failed(SignatureRefused("r2 is not signed"))
    await again(shop)
    assert remembered(shop).condition("Stalled").status
    shop.environment.see(shop.revision, at_once=False)
    assert shop.environment.due_at == 0
    await shop.environment.pass_once()
    assert not remembered(shop).condition("Stalled").status
