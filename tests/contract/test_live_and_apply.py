"""The async shell against the emulator in process: reads whole or not at all, and tells the truth about what it did."""

import asyncio
import json
from pathlib import Path

import pytest
from builders import ALL, DEPLOYMENT, ENDPOINT, ENVIRONMENT, MODEL
from in_process import Cloud, DirectUploader, Faults, SilentProgress, apply_of, plan_of, wanted_of

from aml_emulator.wire import Response, answer
from reconciler.apply import Applying
from reconciler.domain import Ref
from reconciler.errors import ArmError, Forbidden, PlanRefused
from reconciler.live import read
from reconciler.sync import propose, sync

CONDA = "dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n"
GITOPS = "project: shop\nenvironments:\n  test: {target: {emulator: .e}, network: managed_vnet, prune: true}\n"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    write(folder, *ALL)
    return folder


def write(folder: Path, *texts: str) -> None:
    for name, text in (
        ("gitops.yaml", GITOPS),
        ("base/src/score.py", "def init(): pass\n"),
        ("base/model/m.pkl", "x"),
        ("base/conda.yml", CONDA),
        ("base/all.yml", "---".join(texts)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def cloud(tmp_path):
    with Cloud(tmp_path / "cloud") as found:
        yield found


def answering(cloud, matches, respond):
    """Let ``respond`` answer the requests that match; the emulator answers the others."""
    handle = cloud.service.handle

    async def patched(request):
        return respond() if matches(request) else await handle(request)

    cloud.service.handle = patched


def endpoint_body(name):
    properties = {"authMode": "Key", "publicNetworkAccess": "Disabled"}
    return {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": properties, "tags": {}}


@pytest.fixture
def small_pages(tmp_path):
    with Cloud(tmp_path / "cloud", page_size=2) as found:
        yield found


async def test_everything_is_read_over_all_pages(small_pages):
    cloud = small_pages
    for number in range(5):
        await cloud.raw("PUT", f"/onlineEndpoints/ep-{number}", endpoint_body(number))
    for number in range(5):
        uri = "azureml://datastores/workspaceblobstore/paths/m"
        await cloud.raw("PUT", f"/models/m/versions/{number}", {"properties": {"modelUri": uri}})
    async with cloud.arm() as (arm, transport):
        live = await read(arm, (), prune=True)
    assert {ref.name for ref in live.resources if ref.kind == "endpoint"} == {f"ep-{n}" for n in range(5)}
    assert {ref.part for ref in live.resources if ref.kind == "model"} == {str(n) for n in range(5)}
    assert any("skipToken" in url for _, url, _ in transport.sent)


@pytest.mark.parametrize(
    ("part", "status", "error"),
    [
        ("/deployments?", 403, Forbidden),
        ("/onlineEndpoints?", 500, ArmError),
        ("/sklearn/versions?", 401, Forbidden),
        ("/codes/shop/", 500, ArmError),
    ],
)
async def test_what_cannot_be_read_is_an_error_and_not_absence(cloud, root, part, status, error):
    await apply_of(cloud, root)
    body = {"error": {"code": "Denied", "message": "not today"}}
    answering(cloud, lambda r: r.method == "GET" and part in r.url, lambda: answer(status, body))
    with pytest.raises(error, match="not today"):
        await plan_of(cloud, root)


async def test_a_workspace_that_does_not_exist_is_said_so(cloud, root):
    answering(cloud, lambda r: r.url.partition("?")[0].endswith("/ws-emulator"), lambda: answer(404, {"error": {}}))
    with pytest.raises(ArmError, match="workspace ws-emulator does not exist"):
        await plan_of(cloud, root)


async def test_a_public_workspace_refuses_the_plan_and_apply_writes_nothing(cloud, root):
    await cloud.raw("PATCH", "", {"properties": {"publicNetworkAccess": "Enabled"}})
    plan, _ = await plan_of(cloud, root)
    assert [r.rule for r in plan.refusals] == ["workspace-public"]
    async with cloud.arm() as (arm, transport):
        with pytest.raises(PlanRefused):
            Applying(plan, arm, DirectUploader(arm, root), SilentProgress(), workers=2)
    assert transport.sent == []


async def test_a_failure_skips_what_depends_on_it_and_nothing_else(cloud, root):
    broken = DEPLOYMENT.replace("MODE: fast", "EMULATOR_FAIL_INIT: no such file")
    other = ENDPOINT.replace("name: churn", "name: heart")
    sound = DEPLOYMENT.replace("endpoint_name: churn", "endpoint_name: heart")
    write(root, MODEL, ENVIRONMENT, ENDPOINT, broken, other, sound)
    report, _ = await apply_of(cloud, root)
    results = {str(outcome.ref): str(outcome.result) for outcome in report.outcomes}
    assert results["deployment/churn/blue"] == "failed"
    assert results["traffic/churn"] == "skipped"
    assert results["deployment/heart/blue"] == "created"
    assert results["traffic/heart"] == "updated"
    assert not report.ok
    failed = next(o for o in report.outcomes if o.ref == Ref("deployment", "churn", "blue"))
    assert failed.code == "ResourceNotReady"
    assert "no such file" in failed.log_tail
    status, body = await cloud.raw("GET", "/onlineEndpoints/churn")
    assert (status, body["properties"]["traffic"]) == (200, {})


async def test_live_that_moved_since_the_plan_is_not_overwritten(cloud, root):
    await apply_of(cloud, root)
    write(root, *[text.replace("MODE: fast", "MODE: slow") for text in ALL])
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, revision="r2"), arm)
        await cloud.raw("PATCH", "/onlineEndpoints/churn/deployments/blue", {"tags": {"who": "me"}})
        report = await Applying(proposed.plan, arm, DirectUploader(arm, root), SilentProgress(), workers=2).run()
    assert [(str(o.result), o.code) for o in report.outcomes] == [("failed", "ChangedSincePlan")]
    _, body = await cloud.raw("GET", "/onlineEndpoints/churn/deployments/blue")
    assert body["tags"] == {"who": "me"}
    assert body["properties"]["environmentVariables"]["MODE"] == "fast"


async def test_what_appeared_since_the_plan_is_not_overwritten(cloud, root):
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, revision="r1"), arm)
        await cloud.raw("PUT", "/onlineEndpoints/churn", endpoint_body("churn"))
        report = await Applying(proposed.plan, arm, DirectUploader(arm, root), SilentProgress(), workers=2).run()
    results = {str(o.ref): str(o.result) for o in report.outcomes}
    assert results["endpoint/churn"] == "failed"
    assert results["deployment/churn/blue"] == "skipped"
    _, body = await cloud.raw("GET", "/onlineEndpoints/churn")
    assert body["tags"] == {}


async def test_traffic_waits_for_a_deployment_that_another_run_left_in_progress(cloud, root):
    gate = asyncio.Event()
    start = cloud.plane.start

    async def slow(spec):
        await gate.wait()
        await start(spec)

    cloud.plane.start = slow
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, revision="r1"), arm)
        first = Applying(proposed.plan, arm, DirectUploader(arm, root), SilentProgress(), workers=4)
        task = asyncio.create_task(first.run())
        while not cloud.service.site.store.all("deployment"):
            await asyncio.sleep(0)
        task.cancel()
        report = await task
    interrupted = {str(o.ref): str(o.result) for o in report.outcomes}
    assert interrupted["deployment/churn/blue"] == "interrupted"
    second = asyncio.create_task(apply_of(cloud, root))
    for _ in range(200):
        await asyncio.sleep(0)
    _, endpoint = await cloud.service_get("/onlineEndpoints/churn")
    assert endpoint["properties"]["traffic"] == {}
    gate.set()
    report, _ = await second
    assert [(str(o.ref), str(o.result)) for o in report.outcomes] == [("traffic/churn", "updated")]


async def test_stop_finishes_what_runs_and_starts_nothing_more(cloud, root):
    class StopAtFirst(SilentProgress):
        def started(self, action):
            super().started(action)
            applying.stop()

    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, revision="r1"), arm)
        applying = Applying(proposed.plan, arm, DirectUploader(arm, root), StopAtFirst(), workers=1)
        report = await applying.run()
    results = [str(o.result) for o in report.outcomes]
    assert results.count("created") == 1
    assert len(results) == len(proposed.plan.actions)
    assert set(results) == {"created", "interrupted", "skipped"}


async def test_an_error_nobody_foresaw_is_one_failed_outcome(cloud, root, caplog):
    class Broken(DirectUploader):
        async def register(self, action):
            raise RuntimeError("surprise")

    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, revision="r1"), arm)
        report = await Applying(proposed.plan, arm, Broken(arm, root), SilentProgress(), workers=2).run()
    results = {str(o.ref).partition(":")[0]: (str(o.result), o.code) for o in report.outcomes}
    assert results["model/churn"] == ("failed", "RuntimeError")
    assert results["endpoint/churn"] == ("created", "")
    assert "surprise" in caplog.text


async def test_another_operation_on_the_resource_is_let_pass(cloud, root):
    await apply_of(cloud, root)
    write(root, *[text.replace("MODE: fast", "MODE: slow") for text in ALL])
    busy = {"error": {"code": "BadRequest", "message": "x", "details": [{"code": "OperationCanceled", "message": "x"}]}}
    left = [2]

    def matches(request):
        left[0] -= request.method == "PUT" and left[0] > 0
        return request.method == "PUT" and left[0] > 0

    answering(cloud, matches, lambda: answer(400, busy))
    report, _ = await apply_of(cloud, root)
    assert report.ok
    assert left == [0]


async def test_a_resource_that_stays_busy_is_a_failure_in_the_end(cloud, root):
    await apply_of(cloud, root)
    write(root, *[text.replace("MODE: fast", "MODE: slow") for text in ALL])
    held = {"error": {"code": "Conflict", "message": "Cannot update it because it is in Updating provisioning state"}}
    answering(cloud, lambda request: request.method == "PUT", lambda: answer(400, held))
    report, transport = await apply_of(cloud, root)
    assert [str(o.result) for o in report.outcomes] == ["failed"]
    assert len([method for method, _, _ in transport.sent if method == "PUT"]) == 4


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"", b"null", b"{}", b"[]"])
async def test_a_200_that_is_no_list_is_unreadable_and_not_empty(cloud, root, body):
    await apply_of(cloud, root)
    page = Response(200, {"Content-Type": "text/html"}, body)
    answering(cloud, lambda r: r.method == "GET" and "/deployments?" in r.url, lambda: page)
    with pytest.raises(ArmError):
        await plan_of(cloud, root)


async def test_a_traffic_shift_by_another_hand_during_the_apply_is_not_overwritten(cloud, root):
    await apply_of(cloud, root)
    green = DEPLOYMENT.replace("name: blue", "name: green")
    split = ENDPOINT.replace("{blue: 100}", "{blue: 10, green: 90}").replace("auth_mode: key", "auth_mode: aad_token")
    write(root, MODEL, ENVIRONMENT, split, DEPLOYMENT, green)
    start = cloud.plane.start

    async def meanwhile(spec):
        _, live = await cloud.service_get("/onlineEndpoints/churn")
        live["tags"]["rolled-back-by"] = "operator"
        await cloud.send("PUT", "/onlineEndpoints/churn", live)
        await start(spec)

    cloud.plane.start = meanwhile
    report, _ = await apply_of(cloud, root)
    results = {str(o.ref): (str(o.result), o.code) for o in report.outcomes}
    assert results["traffic/churn"] == ("failed", "ChangedSincePlan")
    _, body = await cloud.raw("GET", "/onlineEndpoints/churn")
    assert body["tags"]["rolled-back-by"] == "operator"
    assert body["properties"]["traffic"] == {"blue": 100}


async def test_a_deployment_that_came_since_the_plan_saves_its_endpoint(cloud, root):
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    other = silent.replace("name: churn", "name: heart")
    write(root, MODEL, ENVIRONMENT, silent, other, DEPLOYMENT)
    await apply_of(cloud, root)
    write(root, MODEL, ENVIRONMENT, other)
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root), arm)
        _, blue = await cloud.raw("GET", "/onlineEndpoints/churn/deployments/blue")
        await cloud.raw("PUT", "/onlineEndpoints/churn/deployments/theirs", {**blue, "tags": {}})
        report = await Applying(proposed.plan, arm, DirectUploader(arm, root), SilentProgress(), workers=2).run()
    results = {str(o.ref): o.code for o in report.outcomes}
    assert results["endpoint/churn"] == "ChangedSincePlan"
    assert (await cloud.raw("GET", "/onlineEndpoints/churn/deployments/theirs"))[0] == 200


async def test_a_cancel_while_the_log_is_fetched_still_tells_the_failure(cloud, root):
    write(root, MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("MODE: fast", "EMULATOR_FAIL_INIT: no"))
    asked = asyncio.Event()
    handle = cloud.service.handle

    async def stuck(request):
        if request.url.partition("?")[0].endswith("/getLogs"):
            asked.set()
            await asyncio.Event().wait()
        return await handle(request)

    cloud.service.handle = stuck
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root), arm)
        applying = Applying(proposed.plan, arm, DirectUploader(arm, root), SilentProgress(), workers=4)
        task = asyncio.create_task(applying.run())
        await asked.wait()
        task.cancel()
        report = await task
    assert len(report.outcomes) == len(proposed.plan.actions)
    assert {str(o.ref): str(o.result) for o in report.outcomes}["deployment/churn/blue"] == "failed"
    assert not report.ok


async def test_an_asset_that_a_dead_run_still_registered_is_taken_as_done(cloud, root):
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root), arm)
        uploader = DirectUploader(arm, root)
        await uploader.register(next(a for a in proposed.plan.actions if a.ref.kind == "model"))
        report = await Applying(proposed.plan, arm, uploader, SilentProgress(), workers=2).run()
    assert report.ok


async def test_apply_waits_for_what_an_earlier_run_left_in_progress(cloud, root):
    await apply_of(cloud, root)
    write(root, *[text.replace("MODE: fast", "EMULATOR_FAIL_INIT: later") for text in ALL])
    gate = asyncio.Event()
    start = cloud.plane.start

    async def slow(spec):
        await gate.wait()
        await start(spec)

    cloud.plane.start = slow
    async with cloud.arm() as (arm, _):
        wanted = wanted_of(arm, root)
        action = (await propose(wanted, arm)).plan.actions[0]
        await cloud.send("PUT", "/onlineEndpoints/churn/deployments/blue", action.body)
        waiting = asyncio.create_task(sync(wanted, arm, root, approve=lambda _: None, progress=SilentProgress()))
        for _ in range(200):
            await asyncio.sleep(0)
        assert not waiting.done()
        gate.set()
        report = await waiting
    assert not report.ok
    assert "left in progress, is failed" in report.unsettled


async def test_legacy_egress_sends_the_flag_with_every_write_and_converges(cloud, root):
    await cloud.raw("PATCH", "", {"properties": {"managedNetwork": {"isolationMode": "Disabled"}}})
    (root / "gitops.yaml").write_text(GITOPS.replace("managed_vnet", "legacy_egress"))
    image = ENVIRONMENT.replace("mcr.microsoft.com/azureml", "acme.azurecr.io")
    shut = DEPLOYMENT + "egress_public_network_access: disabled\n"
    write_manifests = (MODEL, image, ENDPOINT, shut)
    (root / "base/all.yml").write_text("---".join(write_manifests))
    report, _ = await apply_of(cloud, root, network="legacy_egress")
    assert report.ok, [o.message for o in report.outcomes]
    plan, _ = await plan_of(cloud, root, network="legacy_egress")
    assert plan.actions == ()
    (root / "base/all.yml").write_text("---".join(write_manifests).replace("MODE: fast", "MODE: slow"))
    report, transport = await apply_of(cloud, root, network="legacy_egress")
    assert report.ok
    (body,) = [json.loads(body) for method, _, body in transport.sent if method == "PUT"]
    assert body["properties"]["egressPublicNetworkAccess"] == "Disabled"


async def test_azures_own_pace_is_kept_when_polling_and_when_throttled(tmp_path, root):
    with Cloud(tmp_path / "paced", retry_after_ms=1230) as cloud:
        report, transport = await apply_of(cloud, root, faults=Faults({3: "throttle for 7 s"}))
    assert report.ok
    assert 7 in transport.slept_s
    assert 1.23 in transport.slept_s


async def test_a_failed_deployment_without_traffic_is_deleted_and_made_anew_when_it_must_be(cloud, root):
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    write(root, MODEL, ENVIRONMENT, silent, DEPLOYMENT.replace("MODE: fast", "EMULATOR_FAIL_INIT: no"))
    report, _ = await apply_of(cloud, root)
    assert not report.ok
    write(root, MODEL, ENVIRONMENT, silent, DEPLOYMENT.replace("Standard_DS3_v2", "Standard_F4s_v2"))
    report, transport = await apply_of(cloud, root)
    assert [(str(o.ref), str(o.result)) for o in report.outcomes] == [("deployment/churn/blue", "replaced")]
    assert [method for method, _, _ in transport.sent if method in ("PUT", "DELETE")] == ["DELETE", "PUT"]


async def test_what_is_being_deleted_is_waited_for_and_then_made(cloud, root):
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    write(root, MODEL, ENVIRONMENT, silent, DEPLOYMENT)
    await apply_of(cloud, root)
    gate = asyncio.Event()
    stop = cloud.plane.stop

    async def slow(key):
        await gate.wait()
        await stop(key)

    cloud.plane.stop = slow
    await cloud.send("DELETE", "/onlineEndpoints/churn/deployments/blue")
    applying = asyncio.create_task(apply_of(cloud, root))
    for _ in range(300):
        await asyncio.sleep(0)
    assert not applying.done()
    gate.set()
    report, _ = await applying
    assert [(str(o.ref), str(o.result)) for o in report.outcomes] == [("deployment/churn/blue", "created")]


async def test_an_operation_that_ends_well_with_a_resource_that_did_not_is_a_failure(cloud, root):
    handle = cloud.service.handle

    async def failed_after_all(request):
        found = await handle(request)
        if request.method == "GET" and "/deployments/blue?" in request.url and found.status == 200:
            body = json.loads(await found.read())
            body["properties"]["provisioningState"] = "Failed"
            return answer(200, body)
        return found

    cloud.service.handle = failed_after_all
    report, _ = await apply_of(cloud, root)
    results = {str(o.ref): (str(o.result), o.code) for o in report.outcomes}
    assert results["deployment/churn/blue"] == ("failed", "NotSucceeded")
    assert results["traffic/churn"] == ("skipped", "")
