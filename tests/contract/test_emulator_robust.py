"""Whatever a client sends, it gets an answer in the service's words: never an exception, never a half-made resource."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from emulated import HOST, Cloud, endpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from aml_emulator import shape

PATHS = {
    "onlineEndpoints/churn": shape.ENDPOINT,
    "onlineEndpoints/churn/deployments/blue": shape.DEPLOYMENT,
    "models/model/versions/1": shape.ASSET,
    "models/model/versions/2": shape.ASSET,
    "environments/env/versions/2": shape.ASSET,
    "codes/code/versions/2": shape.ASSET,
    "": shape.WORKSPACE,
}
LONE = '{"tags": {"a": "%s"}}'
RAW = (
    *(b"[]", b"3", b"null", b"{", b"\xff\xfe", b"[" * 100_000),
    *((LONE % "\\ud800").encode(), (LONE % "\ud800").encode("utf-8", "surrogatepass")),
    (LONE % "\\ud800").encode("utf-16"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 200) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)


def fitting(wanted):
    if isinstance(wanted, dict):
        return st.fixed_dictionaries({}, optional={key: VALUES | fitting(inner) for key, inner in wanted.items()})
    plain = {str: st.text(max_size=8), int: st.integers(), bool: st.booleans()}
    return plain.get(wanted, st.dictionaries(st.sampled_from(["blue", "a"]), VALUES, max_size=2))


def valid(cloud, path):
    """A body that would be accepted, to make random changes to: nonsense alone stops at the first rule."""
    if path.endswith("churn"):
        return endpoint()
    return (
        cloud.deployment() if path.endswith("blue") else {"properties": {"modelUri": "azureml://datastores/d/paths/p"}}
    )


def over(base, changes):
    merged = base | changes
    for key in base.keys() & changes.keys():
        if isinstance(base[key], dict) and isinstance(changes[key], dict):
            merged[key] = over(base[key], changes[key])
    return merged


async def bombard(requests):
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder))
        await cloud.with_assets()
        await cloud.with_endpoint()
        for method, path, changes in requests:
            body = over(valid(cloud, path), changes) if method == "PUT" else changes
            base = f"{HOST}{cloud.workspace()}/{path}?api-version=2024-04-01"
            reply = await cloud.send(method, base, json.dumps(body).encode(), Authorization=f"Bearer {cloud.token}")
            assert reply.status in (200, 201, 202, 204, 400, 404, 405, 409), reply.text
            await cloud.service.settle()
            for record in cloud.service.site.store.all("endpoint") + cloud.service.site.store.all("deployment"):
                assert record.body["properties"]["provisioningState"] == "Succeeded"
        await cloud.service.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(sorted(PATHS)).flatmap(
            lambda path: st.tuples(st.sampled_from(["PUT", "PATCH"]), st.just(path), fitting(PATHS[path]))
        ),
        min_size=1,
        max_size=6,
    )
)
def test_emulator_answers_any_body(requests):
    asyncio.run(bombard(requests))


@pytest.mark.parametrize("raw", RAW)
async def test_emulator_answers_what_is_no_json_object(tmp_path, raw):
    cloud = Cloud(tmp_path)
    url = f"{HOST}{cloud.workspace()}/onlineEndpoints/churn"
    reply = await cloud.send("PUT", url, raw, Authorization=f"Bearer {cloud.token}")
    assert (reply.status, reply.code) == (400, "InvalidRequestContent")


async def test_emulator_names_the_value_of_a_wrong_type(tmp_path):
    cloud = Cloud(tmp_path)
    reply = await cloud.call("PUT", "onlineEndpoints/churn", endpoint(traffic=["blue"]))
    assert reply.status == 400
    assert "properties.traffic" in reply.body["error"]["message"]
    assert (await cloud.call("GET", "onlineEndpoints/churn")).status == 404


async def test_emulator_refuses_a_json_body_without_end(tmp_path):
    cloud = Cloud(tmp_path)

    async def endless():
        while True:
            yield b" " * 1_000_000

    from aml_emulator.wire import Request

    url = f"{HOST}{cloud.workspace()}/onlineEndpoints/churn"
    request = Request("PUT", url, {"authorization": f"Bearer {cloud.token}"}, endless())
    assert (await cloud.service.handle(request)).status == 413


@pytest.mark.parametrize("text", ["Bearer \udcff", "Bearer é.é.é", "Bearer a.b.é", "\udcff", "SharedKey \udcff:é", "é"])
async def test_emulator_answers_headers_that_are_no_ascii(tmp_path, text):
    cloud = Cloud(tmp_path)
    await cloud.with_assets()
    await cloud.with_endpoint()
    await cloud.with_deployment()
    store = (await cloud.get("datastores/workspaceblobstore"))["properties"]
    blob = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    score = f"{cloud.settings.url}/inference/westeurope/churn/score"
    for url in (f"{HOST}{cloud.workspace()}", f"{blob}/x", score):
        assert (await cloud.send("GET", url, Authorization=text)).status in (400, 401, 403), url
    bearer = {"Authorization": f"Bearer {cloud.token}"}
    assert (await cloud.send("PUT", f"{blob}/x", b"x", Content_Type=text, **bearer)).status in (201, 400)
    keys = (await cloud.call("POST", "onlineEndpoints/churn/listKeys")).body
    to_blue = {"Authorization": f"Bearer {keys['primaryKey']}", "azureml_model_deployment": text}
    assert (await cloud.send("POST", score, b"{}", **to_blue)).status in (400, 404)


async def test_emulator_answers_forms_and_page_sizes_that_make_no_sense(tmp_path):
    cloud = Cloud(tmp_path)
    store = (await cloud.get("datastores/workspaceblobstore"))["properties"]
    blobs = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    for asked in ("abc", "-1", "0", "9" * 40, "²", "1.5"):
        listing = f"{blobs}?restype=container&comp=list&maxresults={asked}"
        reply = await cloud.send("GET", listing, Authorization=f"Bearer {cloud.token}")
        assert (reply.status, reply.headers["x-ms-error-code"]) == (400, "OutOfRangeQueryParameterValue")
    assert (await cloud.call("GET", "models", query="&count=²")).status == 400
    tenant = cloud.service.site.identity.tenant_id
    reply = await cloud.send("POST", f"{HOST}/{tenant}/oauth2/v2.0/token", b"grant_type=\xff&client_id=%ff")
    assert reply.status == 400
