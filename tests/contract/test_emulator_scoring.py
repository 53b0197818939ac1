"""What callers of a model see: keys, weights, headers, and errors in the service's words."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from emulated import Cloud, endpoint

from aml_emulator.dataplane.interface import ScoreResponse

EP = "onlineEndpoints/churn"
PATH = "https://127.0.0.1:1/inference/westeurope/churn/score"
NAME = "https://churn.westeurope.inference.ml.azure.com/score"


@pytest.fixture
async def cloud(tmp_path):
    cloud = Cloud(tmp_path)
    await cloud.with_assets()
    await cloud.with_endpoint()
    await cloud.with_deployment("blue")
    await cloud.with_deployment("green")
    return cloud


async def key_of(cloud):
    return (await cloud.call("POST", f"{EP}/listKeys")).body["primaryKey"]


async def weigh(cloud, **changes):
    reply = await cloud.done("PUT", EP, endpoint(**changes))
    assert reply.status == 201, reply.text


async def score(cloud, url=PATH, token=None, **headers):
    return await cloud.send("POST", url, b"[1]", Authorization=f"Bearer {token or await key_of(cloud)}", **headers)


async def test_emulator_scores_by_name_and_by_path(cloud):
    await weigh(cloud, traffic={"blue": 100})
    for url in (PATH, NAME):
        reply = await score(cloud, url)
        assert (reply.status, reply.body) == (200, {"deployment": "blue", "path": "/score", "asked": "[1]"})
        assert reply.headers["azureml-model-deployment"] == "blue"
        assert reply.headers["Server"] == "azureml-frontdoor"
        assert reply.headers["x-ms-run-function-failed"] == "False"
        assert float(reply.headers["x-ms-run-fn-exec-ms"]) >= 0
        assert reply.headers["X-Request-ID"]
        assert reply.headers["Content-Type"] == "application/json"
    assert (await score(cloud, PATH.replace("/score", "/swagger.json"))).body["path"] == "/swagger.json"


async def test_emulator_splits_traffic_exactly(cloud):
    for blue in (90, 60):
        await weigh(cloud, traffic={"blue": blue, "green": 100 - blue})
        names = [(await score(cloud)).headers["azureml-model-deployment"] for _ in range(100)]
        assert Counter(names) == {"blue": blue, "green": 100 - blue}
        assert names[:10].count("green") == 10 - blue // 10


async def test_emulator_answers_404_without_weight_but_not_to_the_header(cloud):
    assert (await score(cloud)).status == 404
    assert (await score(cloud, azureml_model_deployment="GREEN")).headers["azureml-model-deployment"] == "green"
    assert (await score(cloud, azureml_model_deployment="red")).status == 404
    assert (await score(cloud, PATH.replace("churn", "nobody"), token="x")).status == 404


async def test_emulator_checks_keys(cloud):
    await weigh(cloud, traffic={"blue": 100})
    keys = (await cloud.call("POST", f"{EP}/listKeys")).body
    statuses = [(await score(cloud, token=token)).status for token in (*keys.values(), "wrong", cloud.token)]
    assert statuses == [200, 200, 401, 401]
    assert (await cloud.send("POST", PATH, b"")).status == 401
    assert (await cloud.send("POST", PATH, b"", Authorization=f"Basic {keys['primaryKey']}")).status == 401
    await cloud.done("POST", f"{EP}/regenerateKeys", {"keyType": "Primary"})
    assert [(await score(cloud, token=token)).status for token in keys.values()] == [401, 200]


async def test_emulator_checks_tokens(cloud):
    identity = cloud.service.site.identity
    aad = identity.token("https://ml.azure.com", 60)
    expired = identity.token("https://ml.azure.com", -1)
    await weigh(cloud, traffic={"blue": 100}, authMode="AMLToken")
    own = (await cloud.call("POST", f"{EP}/token")).body["accessToken"]
    await cloud.with_endpoint("other", authMode="AMLToken")
    foreign = (await cloud.call("POST", "onlineEndpoints/other/token")).body["accessToken"]
    tokens = (own, foreign, aad, expired, cloud.token, own[:-2], "")
    assert [(await score(cloud, token=token or "x")).status for token in tokens] == [200, *[401] * 6]
    await weigh(cloud, traffic={"blue": 100}, authMode="AADToken")
    assert [(await score(cloud, token=token)).status for token in tokens[:5]] == [200, 401, 200, 401, 401]


async def test_emulator_tells_a_model_error_from_its_own(cloud):
    async def wrong(key, request):
        return ScoreResponse(500, {"x-ms-run-function-failed": "True"}, b"division by zero")

    await weigh(cloud, traffic={"blue": 100})
    cloud.dataplane.on_score = wrong
    reply = await score(cloud)
    assert (reply.status, reply.raw) == (424, b"division by zero")
    assert reply.headers["ms-azureml-model-error-statuscode"] == "500"
    assert reply.headers["ms-azureml-model-error-reason"] == "model_error"
    assert reply.headers["x-ms-run-function-failed"] == "True"


@pytest.mark.parametrize("status", [408, 429])
async def test_emulator_passes_on_what_the_data_plane_says_for_itself(cloud, status):
    async def busy(key, request):
        return ScoreResponse(status, {"ms-azureml-model-error-reason": "its own"}, b"")

    await weigh(cloud, traffic={"blue": 100})
    cloud.dataplane.on_score = busy
    assert (await score(cloud)).status == status


async def test_emulator_gives_up_after_the_request_timeout(cloud):
    async def forever(key, request):
        await asyncio.Event().wait()

    await cloud.with_deployment("blue", requestSettings={"requestTimeout": "PT0.05S"})
    await weigh(cloud, traffic={"blue": 100})
    cloud.dataplane.on_score = forever
    async with asyncio.timeout(3):
        assert (await score(cloud)).status == 408


async def test_emulator_scores_with_the_old_revision_while_and_after_an_update_fails(cloud):
    await weigh(cloud, traffic={"blue": 100})
    path = f"{EP}/deployments/blue"
    await cloud.call("PUT", path, cloud.deployment(environmentVariables={"EMULATOR_FAIL_INIT": "x"}))
    assert (await score(cloud)).status == 200
    await cloud.service.settle()
    assert (await cloud.get(path))["properties"]["provisioningState"] == "Failed"
    assert (await score(cloud)).status == 200


async def test_emulator_has_no_answer_from_a_deployment_that_never_was_ready(cloud):
    await cloud.with_deployment("red", environmentVariables={"EMULATOR_FAIL_INIT": "x"})
    assert (await score(cloud, azureml_model_deployment="red")).status == 503


async def test_emulator_mirrors_a_share_and_never_a_pinned_request(cloud):
    asked = []

    async def watched(key, request):
        asked.append(key.rpartition("/")[2])

    await weigh(cloud, traffic={"blue": 100}, mirrorTraffic={"green": 50})
    cloud.dataplane.on_score = watched
    for _ in range(10):
        assert json.loads((await score(cloud)).raw)["deployment"] == "blue"
        await asyncio.gather(*cloud.service.site.live.mirrors)
    assert Counter(asked) == {"blue": 10, "green": 5}
    for _ in range(4):
        await score(cloud, azureml_model_deployment="blue")
    await asyncio.gather(*cloud.service.site.live.mirrors)
    assert Counter(asked) == {"blue": 14, "green": 5}
