"""Operations over time: cut off by a restart, cut off by a deletion, and broken by what nobody foresaw."""

from __future__ import annotations

import asyncio

import pytest
from emulated import Cloud, endpoint

EP, BLUE = "onlineEndpoints/churn", "onlineEndpoints/churn/deployments/blue"


@pytest.fixture
async def cloud(tmp_path):
    cloud = Cloud(tmp_path)
    await cloud.with_assets()
    await cloud.with_endpoint()
    return cloud


def state(body):
    return body["properties"]["provisioningState"]


async def restarted(cloud, tmp_path):
    """The same store under a new service, as after the end of the process."""
    await cloud.service.close()
    return Cloud(tmp_path, cloud.service.site.store)


async def test_emulator_remembers_everything_after_a_restart(cloud, tmp_path):
    await cloud.with_deployment()
    await cloud.done("PUT", EP, endpoint(traffic={"blue": 100}))
    before = [await cloud.get(path) for path in (EP, BLUE, "models/model/versions/1")]
    keys = (await cloud.call("POST", f"{EP}/listKeys")).body
    after = await restarted(cloud, tmp_path)
    assert [await after.get(path) for path in (EP, BLUE, "models/model/versions/1")] == before
    assert (await after.call("POST", f"{EP}/listKeys")).body == keys
    assert after.token.split(".")[0] == cloud.token.split(".")[0]
    assert (
        await after.send(
            "GET", f"https://management.azure.com{after.workspace()}/{EP}", Authorization=f"Bearer {cloud.token}"
        )
    ).status == 200


async def test_emulator_starts_again_what_served_and_nothing_else(cloud, tmp_path):
    await cloud.with_deployment("blue")
    await cloud.with_deployment("broken", environmentVariables={"EMULATOR_FAIL_INIT": "x"})
    after = await restarted(cloud, tmp_path)
    assert after.dataplane.running == {}
    started = []

    async def note(spec):
        started.append(spec.deployment)

    after.dataplane.on_start = note
    after.service.resume()
    await asyncio.gather(*after.service.site.live.starting.values())
    assert started == ["blue"]
    assert [spec.deployment for spec in after.service.site.live.specs.values()] == ["blue"]


async def test_emulator_goes_on_with_what_a_restart_cut_off(cloud, tmp_path):
    await cloud.with_deployment("old")
    put = await cloud.call("PUT", BLUE, cloud.deployment())
    await cloud.call("DELETE", f"{EP}/deployments/old")
    await cloud.call("PUT", EP, endpoint(tags={"a": "1"}))
    after = await restarted(cloud, tmp_path)
    assert [state(await after.get(path)) for path in (EP, BLUE)] == ["Updating", "Creating"]
    after.service.resume()
    await after.service.settle()
    assert [state(await after.get(path)) for path in (EP, BLUE)] == ["Succeeded", "Succeeded"]
    assert (await after.get(EP))["tags"] == {"a": "1"}
    assert (await after.call("GET", f"{EP}/deployments/old")).status == 404
    status = await after.send("GET", put.headers["Azure-AsyncOperation"], Authorization=f"Bearer {after.token}")
    assert status.body["status"] == "Succeeded"


async def test_emulator_marks_as_failed_what_does_not_start_again(cloud, tmp_path):
    await cloud.with_deployment("blue")
    after = await restarted(cloud, tmp_path)
    record = after.service.site.store.all("deployment")[0]
    record.body["properties"]["environmentVariables"]["EMULATOR_FAIL_INIT"] = "gone bad"
    after.service.site.store.put(record)
    after.service.resume()
    await asyncio.gather(*after.service.site.live.starting.values())
    assert state(await after.get(BLUE)) == "Failed"
    assert "gone bad" in (await after.call("POST", f"{BLUE}/getLogs", {})).body["content"]


async def test_emulator_marks_as_failed_what_breaks_while_it_starts_again(cloud, tmp_path):
    await cloud.with_deployment("blue")
    after = await restarted(cloud, tmp_path)
    store = after.service.site.store
    record = store.all("deployment")[0]
    record.body["properties"]["readinessProbe"]["period"] = "soon"  # no duration: not a StartFailed
    store.put(record)
    after.service.resume()
    await asyncio.gather(*after.service.site.live.starting.values())
    assert state(await after.get(BLUE)) == "Failed"
    content = (await after.call("POST", f"{BLUE}/getLogs", {})).body["content"]
    assert "did not start again: Refused" in content
    await after.done("PUT", BLUE, after.deployment())
    assert state(await after.get(BLUE)) == "Succeeded"
    assert "did not start again" not in (await after.call("POST", f"{BLUE}/getLogs", {})).body["content"]


async def test_emulator_cancels_a_deployment_whose_endpoint_is_deleted(cloud):
    cleaned = []

    async def forever(spec):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append((await cloud.call("GET", EP)).status)

    cloud.dataplane.on_start = forever
    put = await cloud.call("PUT", BLUE, cloud.deployment())
    await asyncio.sleep(0)
    delete = await cloud.call("DELETE", EP)
    async with asyncio.timeout(5):
        await cloud.service.settle()
    token = {"Authorization": f"Bearer {cloud.token}"}
    ended = [await cloud.send("GET", reply.headers["Azure-AsyncOperation"], **token) for reply in (put, delete)]
    assert [reply.body["status"] for reply in ended] == ["Canceled", "Succeeded"]
    assert ended[0].body["error"]["code"] == "OperationCanceled"
    assert cleaned == [200]  # the endpoint was still there when the last of its deployment went
    assert (await cloud.call("GET", EP)).status == 404


async def test_emulator_ends_an_operation_that_breaks(cloud, caplog):
    async def broken(spec):
        raise RuntimeError(spec.key)

    cloud.dataplane.on_start = broken
    put = await cloud.done("PUT", BLUE, cloud.deployment())
    reply = await cloud.send("GET", put.headers["Azure-AsyncOperation"], Authorization=f"Bearer {cloud.token}")
    assert (reply.body["status"], reply.body["error"]["code"]) == ("Failed", "InternalServerError")
    assert state(await cloud.get(BLUE)) == "Failed"
    assert "operation broke" in caplog.text


async def test_emulator_keeps_one_revision_of_laid_out_assets(cloud, tmp_path):
    def folders():
        return sorted(path.name for path in (tmp_path / "assets").glob("*/churn/blue/*"))

    await cloud.with_deployment()
    await cloud.with_deployment(environmentVariables={"A": "1"})
    assert folders() == ["2"]
    await cloud.with_deployment(environmentVariables={"EMULATOR_FAIL_INIT": "x"})
    assert folders() == ["2"]
    await cloud.done("DELETE", EP)
    assert folders() == []


async def test_emulator_stores_share_nothing(tmp_path):
    first, second = Cloud(tmp_path / "1"), Cloud(tmp_path / "2")
    await first.with_endpoint()
    assert (await second.call("GET", EP)).status == 404
    refused = await second.send(
        "GET", f"https://management.azure.com{second.workspace()}", Authorization=f"Bearer {first.token}"
    )
    assert refused.status == 401
