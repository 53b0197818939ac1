"""Signing in: tokens for the one service principal there is, and none for anybody else."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from emulated import HOST, Cloud

LOGIN = "https://login.microsoftonline.com"
LOCAL = "https://127.0.0.1:8443"


@pytest.fixture
async def cloud(tmp_path):
    return Cloud(tmp_path)


async def ask(cloud, tenant=None, **changes):
    identity = cloud.service.site.identity
    form = {
        "grant_type": "client_credentials",
        "client_id": identity.client_id,
        "client_secret": identity.client_secret,
        "scope": f"{HOST}/.default",
    }
    url = f"{LOGIN}/{tenant or identity.tenant_id}/oauth2/v2.0/token"
    return await cloud.send("POST", url, urlencode(form | changes).encode())


async def test_emulator_gives_the_service_principal_a_token_for_arm(cloud):
    reply = await ask(cloud)
    assert (reply.status, reply.body["token_type"], reply.body["expires_in"]) == (200, "Bearer", 3599)
    url = f"{HOST}{cloud.workspace()}?api-version=2024-04-01"
    got = await cloud.send("GET", url, Authorization=f"Bearer {reply.body['access_token']}")
    assert got.status == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "guess"}, 401, "invalid_client"),
        ({"client_id": "someone"}, 400, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"tenant": "another-tenant"}, 400, "invalid_request"),
    ],
)
async def test_emulator_gives_nobody_else_a_token(cloud, changes, status, error):
    reply = await ask(cloud, **changes)
    assert (reply.status, reply.body["error"]) == (status, error)
    assert reply.body["error_description"].startswith(f"AADSTS{reply.body['error_codes'][0]}: ")


async def test_emulator_asks_for_a_token_on_every_arm_call(cloud):
    identity = cloud.service.site.identity
    url = f"{HOST}{cloud.workspace()}/onlineEndpoints/x?api-version=2024-04-01"
    head, body, seal = cloud.token.split(".")
    bad = {
        "": "AuthenticationFailed",
        "Bearer nonsense": "InvalidAuthenticationToken",
        f"Bearer {head}.{body}x.{seal}": "InvalidAuthenticationToken",
        f"Bearer {identity.token(HOST, -1)}": "InvalidAuthenticationToken",
        f"Bearer {identity.token('https://ml.azure.com', 60)}": "InvalidAuthenticationTokenAudience",
        f"Basic {cloud.token}": "InvalidAuthenticationToken",
    }
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
        for authorization, code in bad.items():
            headers = {"Authorization": authorization} if authorization else {}
            reply = await cloud.send(method, url, b"{}", **headers)
            assert (reply.status, reply.code) == (401, code)
            assert "authorization_uri" in reply.headers["WWW-Authenticate"]


async def test_emulator_describes_its_cloud_to_who_asks_it_directly_or_through_the_proxy(cloud):
    direct, azure = [
        (await cloud.send("GET", f"{host}/metadata/endpoints?api-version=2022-09-01")).body for host in (LOCAL, HOST)
    ]
    assert direct["resourceManager"] == f"{LOCAL}/"
    assert direct["authentication"]["loginEndpoint"] == f"{LOCAL}/"
    assert direct["suffixes"]["storage"] == "core.emulator@127.0.0.1:8443"
    assert azure["resourceManager"] == f"{HOST}/"
    assert azure["authentication"]["loginEndpoint"] == f"{LOGIN}/"
    assert azure["suffixes"]["storage"] == "core.windows.net"
    old = await cloud.send("GET", f"{LOCAL}//metadata/endpoints?api-version=2019-05-01")
    assert [item["resourceManager"] for item in old.body] == [f"{LOCAL}/"]


async def test_emulator_urls_follow_the_name_that_the_client_used(cloud):
    tenant = cloud.service.site.identity.tenant_id
    for host in (LOGIN, LOCAL):
        reply = await cloud.send("GET", f"{host}/{tenant}/v2.0/.well-known/openid-configuration")
        assert reply.body["token_endpoint"] == f"{host}/{tenant}/oauth2/v2.0/token"
    found = await cloud.send("GET", f"{LOGIN}/common/discovery/instance?api-version=1.1")
    assert found.body["metadata"][0]["aliases"] == ["login.microsoftonline.com"]
    urls = {}
    for host in (HOST, LOCAL):
        reply = await cloud.call("POST", "codes/c/versions/1/startPendingUpload", {}, host=host)
        urls[host] = reply.body["blobReferenceForConsumption"]["blobUri"]
    account = (await cloud.get("datastores/workspaceblobstore"))["properties"]["accountName"]
    assert urls[HOST].startswith(f"https://{account}.blob.core.windows.net/")
    assert urls[LOCAL].startswith(f"{LOCAL}/{account}/")


async def test_emulator_finds_a_container_in_all_its_forms_of_url(cloud):
    store = (await cloud.get("datastores/workspaceblobstore"))["properties"]
    account, container = store["accountName"], store["containerName"]
    token = {"Authorization": f"Bearer {cloud.token}"}
    forms = (
        f"https://{account}.blob.core.windows.net/{container}/x",
        f"{LOCAL}/{account}/{container}/x",
        f"{LOCAL}/{container}/x",
    )
    for number, url in enumerate(forms):
        assert (await cloud.send("PUT", url, f"{number}".encode(), **token)).status == 201
        assert [(await cloud.send("GET", form, **token)).text for form in forms] == [f"{number}"] * 3
