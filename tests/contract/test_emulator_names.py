"""Names of assets: what real clients use is taken, and none leads out of the state folder."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from emulated import Cloud

LEGAL = ("1", "1.0.2", "a_b-c", "_x", "CliV2AnonymousEnvironment", "9f" * 20, "x" * 255)
ILLEGAL = (
    "..",
    ".",
    ".hidden",
    "../evil",
    "../../../../evil",
    "a/b",
    "a\\b",
    "a b",
    "a\0",
    "ä",
    "x" * 256,
    "a@b",
    "a:b",
)
BODIES = {
    "models": {"modelUri": "azureml://datastores/workspaceblobstore/paths/m"},
    "codes": {"codeUri": "https://elsewhere.example/container/src"},
    "environments": {"image": "acr.azurecr.io/serve:1"},
}


@pytest.fixture
async def cloud(tmp_path):
    return Cloud(tmp_path)


@pytest.mark.parametrize("collection", BODIES)
async def test_emulator_takes_the_names_that_clients_use_and_no_others(cloud, collection):
    body = {"properties": BODIES[collection]}
    for names, status in ((LEGAL, 201), (ILLEGAL, 400)):
        for name in (quote(name, safe="") for name in names):
            for path in (f"{name}", f"{name}/versions/1", f"ok/versions/{name}"):
                reply = await cloud.call("PUT", f"{collection}/{path}", body)
                assert reply.status == status or (reply.status == 200 and status == 201), (path, reply.text)
                assert status == 201 or reply.code == "UserError"


async def test_emulator_lays_nothing_out_outside_of_its_folder(cloud, tmp_path):
    """A store that was filled under older rules may hold any name."""
    await cloud.with_assets()
    await cloud.with_endpoint()
    store = cloud.service.site.store
    record = store.get(f"{cloud.workspace()}/models/model/versions/1")
    record.name = "../../../../evil"
    store.delete(record.id)
    store.put(record)
    before = sorted(tmp_path.parent.iterdir())
    await cloud.done("PUT", "onlineEndpoints/churn/deployments/blue", cloud.deployment())
    state = (await cloud.get("onlineEndpoints/churn/deployments/blue"))["properties"]["provisioningState"]
    assert state == "Failed"
    assert sorted(tmp_path.parent.iterdir()) == before
    assert not (tmp_path / "assets" / "evil").exists()


@pytest.mark.parametrize("variables", [{"A=B": "x"}, {"": "x"}, {"A\0": "x"}, {"A": "x\0y"}, {"A": "=", "=A": ""}])
async def test_emulator_refuses_variables_that_no_process_can_have(cloud, variables):
    await cloud.with_assets()
    await cloud.with_endpoint()
    path = "onlineEndpoints/churn/deployments/blue"
    reply = await cloud.call("PUT", path, cloud.deployment(environmentVariables=variables))
    assert reply.status == 400
    assert "EnvironmentVariables" in reply.text
    assert (await cloud.call("GET", path)).status == 404
    assert (await cloud.done("PUT", path, cloud.deployment(environmentVariables={"A": "b=c"}))).status == 201
