"""The 2024-04-01 dialect as recorded in public SDK test traffic: statuses, headers, keys in order, null or absent."""

from __future__ import annotations

import json
import re

import pytest
from emulated import ABSENT, VERSION, Cloud, endpoint

EP, BLUE = "onlineEndpoints/churn", "onlineEndpoints/churn/deployments/blue"
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?\+00:00"
STATUS_KEYS = ["id", "name", "status", "startTime", "endTime", "percentComplete"]
ASSET_SYSTEM_DATA = [
    *("createdAt", "createdBy", "createdByType"),
    *("lastModifiedAt", "lastModifiedBy", "lastModifiedByType"),
]


@pytest.fixture
async def cloud(tmp_path):
    cloud = Cloud(tmp_path)
    await cloud.with_assets()
    return cloud


async def test_emulator_writes_json_indented_by_two_with_text_as_it_is(cloud):
    reply = await cloud.call("GET", "onlineEndpoints")
    assert reply.raw == b'{\n  "value": []\n}'
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    await cloud.with_endpoint(description="prévision")
    assert "prévision".encode() in (await cloud.call("GET", EP)).raw


async def test_emulator_answers_every_arm_call_with_the_standard_headers(cloud):
    ok, missing = await cloud.call("GET", "onlineEndpoints"), await cloud.call("GET", EP)
    for reply, kind in ((ok, "standard"), (missing, "error")):
        assert reply.headers["x-ms-response-type"] == kind
        assert reply.headers["Cache-Control"] == "no-cache"
        assert re.fullmatch(GUID, reply.headers["x-ms-request-id"])
        assert re.fullmatch(rf"WESTEUROPE:\d{{8}}T\d{{6}}Z:{GUID}", reply.headers["x-ms-routing-request-id"])
        assert reply.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
        assert not {"Retry-After", "x-ms-error-code", "ETag"} & reply.headers.keys()


async def test_emulator_answers_a_put_of_an_endpoint_thinly_with_201_each_time(cloud):
    for state in ("Creating", "Updating"):
        reply = await cloud.call("PUT", EP, endpoint(authMode="aadtoken"))
        assert reply.status == 201
        assert list(reply.body) == ["id", "name", "type", "properties", "systemData", "tags", "kind"]
        assert reply.body["systemData"] == {}
        properties = reply.body["properties"]
        assert list(properties) == [
            *("description", "properties", "scoringUri", "swaggerUri", "authMode", "provisioningState"),
            *("compute", "publicNetworkAccess", "traffic", "mirrorTraffic"),
        ]
        assert properties["provisioningState"] == "Creating"  # even over an existing endpoint
        assert list(properties["properties"]) == ["AzureAsyncOperationUri"]
        assert (properties["authMode"], properties["publicNetworkAccess"]) == ("AADToken", "Disabled")
        assert (properties["scoringUri"], properties["description"]) == (None, None)
        assert (await cloud.get(EP))["properties"]["provisioningState"] == state
        await cloud.service.settle()


async def test_emulator_still_shows_the_old_traffic_while_it_changes(cloud):
    await cloud.with_endpoint()
    await cloud.with_deployment()
    reply = await cloud.call("PUT", EP, endpoint(traffic={"blue": 100}))
    assert reply.body["properties"]["traffic"] == {}
    assert (await cloud.get(EP))["properties"]["traffic"] == {}
    await cloud.service.settle()
    assert (await cloud.get(EP))["properties"]["traffic"] == {"blue": 100}


async def test_emulator_shows_an_endpoint_in_full_once_it_has_succeeded(cloud):
    await cloud.with_endpoint(tags={"a": "b"})
    body, workspace = await cloud.get(EP), cloud.workspace()
    assert list(body) == [*("id", "name", "type", "properties", "systemData", "tags", "location", "kind", "identity")]
    assert body["id"] == f"{workspace}/onlineEndpoints/churn"
    assert body["type"] == "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
    assert list(body["systemData"]) == ["createdAt", "createdBy", "lastModifiedAt"]
    assert list(body["identity"]) == ["type", "principalId", "tenantId"]
    properties = body["properties"]
    assert properties["properties"]["azureml.onlineendpointid"] == f"{workspace}/onlineendpoints/churn".lower()
    uri = properties["properties"]["AzureAsyncOperationUri"]
    assert re.fullmatch(rf"https://management.azure.com/.*/oeidp:{GUID}:{GUID}\?api-version={VERSION}", uri)
    assert properties["scoringUri"].endswith("/inference/westeurope/churn/score")
    assert properties["swaggerUri"].endswith("/inference/westeurope/churn/swagger.json")
    assert (properties["traffic"], properties["mirrorTraffic"], properties["compute"]) == ({}, {}, None)
    assert "keys" not in properties


async def test_emulator_shows_every_default_of_a_deployment_in_its_first_answer(cloud):
    await cloud.with_endpoint()
    reply = await cloud.call("PUT", BLUE, cloud.deployment(environmentVariables={"A": "1"}))
    assert reply.status == 201
    assert list(reply.body) == [*("id", "name", "type", "properties", "systemData", "tags", "location", "kind", "sku")]
    assert reply.body["sku"] == {"name": "Default", "tier": "Standard", "capacity": 1}
    properties = reply.body["properties"]
    probe = {
        "failureThreshold": 30,
        "successThreshold": 1,
        "timeout": "PT2S",
        "period": "PT10S",
        "initialDelay": "PT10S",
    }
    expected = {
        "description": None,
        "properties": properties["properties"],
        "codeConfiguration": {
            "codeId": f"{cloud.workspace()}/codes/code/versions/1",
            "scoringScript": "score.py",
        },
        "environmentId": f"{cloud.workspace()}/environments/env/versions/1",
        "environmentVariables": {"A": "1"},
        "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {
            "maxQueueWait": "PT0S",
            "requestTimeout": "PT5S",
            "maxConcurrentRequestsPerInstance": 1,
        },
        "modelMountPath": None,
        "appInsightsEnabled": False,
        "livenessProbe": probe,
        "readinessProbe": probe,
        "provisioningState": "Creating",
        "instanceType": "Standard_DS3_v2",
        "model": f"{cloud.workspace()}/models/model/versions/1",
        "egressPublicNetworkAccess": "Enabled",
        "dataCollector": None,
        "endpointComputeType": "Managed",
    }
    assert json.dumps(properties) == json.dumps(expected)
    assert "odidp:" in properties["properties"]["AzureAsyncOperationUri"]
    await cloud.service.settle()
    properties = (await cloud.get(BLUE))["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["environmentVariables"] == {
        "A": "1",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/model/1",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AML_APP_ROOT": "/var/azureml-app/src",
    }
    again = await cloud.call("PUT", BLUE, cloud.deployment())
    assert (again.status, again.body["properties"]["provisioningState"]) == (201, "Updating")
    assert again.body["systemData"]["createdAt"] == reply.body["systemData"]["createdAt"]
    assert again.body["systemData"]["lastModifiedAt"] > reply.body["systemData"]["lastModifiedAt"]


async def test_emulator_tells_operations_in_headers_by_verb(cloud):
    put = await cloud.done("PUT", EP, endpoint())
    patch = await cloud.done("PATCH", EP, {"tags": {"a": "1"}})
    delete = await cloud.done("DELETE", EP)
    signed = r"\?api-version=2024-04-01&t=\d+&c=\w+&s=[^&]+&h=[^&]+"
    status, result = (
        rf"https://management.azure.com/subscriptions/.*/locations/westeurope/{form}/oeidp:.*{signed}"
        for form in ("mfeOperationsStatus", "mfeOperationResults")
    )
    assert re.fullmatch(status, put.headers["Azure-AsyncOperation"])
    assert put.headers["Location"].endswith(f"/onlineEndpoints/churn?api-version={VERSION}")
    assert re.fullmatch(result, patch.headers["Location"])
    assert "Azure-AsyncOperation" not in patch.headers
    assert re.fullmatch(status, delete.headers["Azure-AsyncOperation"])
    assert re.fullmatch(result, delete.headers["Location"])
    for reply in (put, patch, delete):
        assert reply.headers["x-ms-async-operation-timeout"] == "PT30M"
        assert not {"Retry-After", "x-ms-retry-after-ms"} & reply.headers.keys()
    assert [(reply.status, reply.raw) for reply in (patch, delete)] == [(202, b""), (202, b"")]


async def test_emulator_tells_how_an_operation_stands(cloud):
    await cloud.with_endpoint()
    put = await cloud.call("PUT", BLUE, cloud.deployment(environmentVariables={"EMULATOR_FAIL_INIT": "x"}))
    status_url = put.headers["Azure-AsyncOperation"]
    result_url = status_url.replace("mfeOperationsStatus", "mfeOperationResults")
    running = {url: await poll(cloud, url) for url in (status_url, result_url)}
    assert [running[url].status for url in (status_url, result_url)] == [200, 202]
    for url, reply in running.items():
        assert list(reply.body) == STATUS_KEYS
        assert reply.body["id"] == url.partition("?")[0].removeprefix("https://management.azure.com")
        assert reply.body["name"] == reply.body["id"].rpartition("/")[2]
        assert reply.body["status"] == "Updating"
        assert reply.body["endTime"] == "0001-01-01T00:00:00+00:00"
        assert b'"percentComplete": 0.0' in reply.raw
        assert not {"Retry-After", "x-ms-retry-after-ms"} & reply.headers.keys()
    await cloud.service.settle()
    failed = await poll(cloud, status_url)
    assert list(failed.body) == [*STATUS_KEYS, "error"]
    assert (failed.status, failed.body["status"]) == (200, "Failed")
    assert failed.body["error"]["code"] == "ResourceNotReady"
    assert re.fullmatch(MOMENT, failed.body["endTime"])
    assert (await poll(cloud, result_url)).status == 200
    again = await cloud.done("PUT", BLUE, cloud.deployment())
    ended = await poll(cloud, again.headers["Azure-AsyncOperation"])
    assert (list(ended.body), ended.body["status"]) == (STATUS_KEYS, "Succeeded")
    assert b'"percentComplete": 0.0' in ended.raw


async def poll(cloud, url):
    return await cloud.send("GET", url, Authorization=f"Bearer {cloud.token}")


async def test_emulator_hurries_impatient_clients_only_when_told(tmp_path):
    cloud = Cloud(tmp_path, retry_after_ms=40)
    put = await cloud.call("PUT", EP, endpoint())
    running = await poll(cloud, put.headers["Azure-AsyncOperation"])
    await cloud.service.settle()
    ended = await poll(cloud, put.headers["Azure-AsyncOperation"])
    waits = [reply.headers.get("x-ms-retry-after-ms") for reply in (put, running, ended)]
    assert waits == ["40", "40", None]


async def test_emulator_refuses_in_the_recorded_envelope(cloud):
    reply = await cloud.call("GET", EP)
    error = reply.body["error"]
    assert reply.status == 404
    assert list(error) == ["code", "message", "details", "additionalInfo"]
    assert (error["code"], error["message"]) == ("NotFound", "The specified resource was not found.")
    assert error["details"] == [
        {
            "code": "NoSuchEndpoint",
            "message": "There is no endpoint with name: churn in ws-emulator",
            "details": [],
            "additionalInfo": [],
        }
    ]
    assert [item["type"] for item in error["additionalInfo"]] == [
        *("ComponentName", "Correlation", "Environment", "Location", "Time")
    ]
    values = [item["info"]["value"] for item in error["additionalInfo"]]
    assert values[0] == "managementfrontend"
    assert re.fullmatch(r"[0-9a-f]{32}", values[1]["operation"])
    assert re.fullmatch(r"[0-9a-f]{16}", values[1]["request"])
    assert values[2:4] == ["westeurope", "westeurope"]
    assert re.fullmatch(MOMENT, values[4])


async def test_emulator_answers_what_it_does_not_have_with_an_envelope(cloud):
    for method, path, status in (
        ("GET", "nothing/here", 404),
        ("GET", f"{cloud.workspace()}s/x/y", 404),
        ("GET", "/unknown", 404),
        ("POST", "onlineEndpoints", 405),
        ("GET", "/", 404),
    ):
        reply = await cloud.call(method, path, None)
        assert (reply.status, list(reply.body)) == (status, ["error"])
    missing = await cloud.call("GET", f"{cloud.workspace('nowhere')}/onlineEndpoints")
    assert (missing.status, missing.code) == (404, "ResourceNotFound")
    broken = await cloud.send(
        "PUT", f"https://management.azure.com{cloud.workspace()}/{EP}", b"{", Authorization=f"Bearer {cloud.token}"
    )
    assert (broken.status, broken.code) == (400, "InvalidRequestContent")


async def test_emulator_reads_paths_without_case_and_with_doubled_slashes(cloud):
    await cloud.with_endpoint()
    path = f"{cloud.workspace()}/{EP}".upper().replace("/PROVIDERS", "//providers/")
    assert (await cloud.call("GET", path)).body["name"] == "churn"


async def test_emulator_answers_assets_as_recorded(cloud):
    body = {"properties": {"image": "mcr.microsoft.com/x:1", "condaFile": "name: a\ndependencies:\n- pip:\n  - b\n"}}
    first = await cloud.call("PUT", "environments/sk/versions/2", body)
    again = await cloud.call("PUT", "environments/sk/versions/2", body)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body  # lastModifiedAt too
    assert first.headers["Location"] == again.headers["Location"]
    assert list(first.body) == ["id", "name", "type", "properties", "systemData"]
    assert list(first.body["systemData"]) == ASSET_SYSTEM_DATA
    conda = '{\n  "name": "a",\n  "dependencies": [\n    {\n      "pip": [\n        "b"\n      ]\n    }\n  ]\n}'
    assert first.body["properties"] == {
        "description": None,
        "tags": {},
        "properties": {"azureml.labels": "latest"},
        "isArchived": False,
        "isAnonymous": False,
        "environmentType": "UserCreated",
        "image": "mcr.microsoft.com/x:1",
        "condaFile": conda,
        "osType": "Linux",
        "autoRebuild": "Disabled",
        "provisioningState": "Succeeded",
        "stage": "Development",
    }
    answered = {"properties": first.body["properties"] | {"isArchived": True}}
    archived = await cloud.call("PUT", "environments/sk/versions/2", answered)
    assert (archived.status, archived.body["properties"]["isArchived"]) == (201, True)
    changed = await cloud.call("PUT", "environments/sk/versions/2", {"properties": {"image": "other:1"}})
    assert (changed.status, changed.body["error"]["code"]) == (409, "UserError")


async def test_emulator_answers_models_and_codes_as_recorded(cloud):
    short = {"modelUri": "azureml://datastores/workspaceblobstore/paths/LocalUpload/h/m.pkl"}
    first = await cloud.call("PUT", "models/m/versions/1", {"properties": short})
    again = await cloud.call("PUT", "models/m/versions/1", {"properties": short | {"tags": {"n": 1}}})
    assert (first.status, again.status) == (201, 200)
    assert "Location" in first.headers
    assert "Location" not in again.headers
    assert again.body["systemData"]["lastModifiedAt"] > first.body["systemData"]["lastModifiedAt"]
    s = cloud.settings
    scope = f"subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}/workspaces/{s.workspace}"
    uri = f"azureml://{scope}/datastores/workspaceblobstore/paths/LocalUpload/h/m.pkl"
    assert json.dumps(again.body["properties"]) == json.dumps(
        {
            "description": None,
            "tags": {"n": "1"},
            "properties": {},
            "isArchived": False,
            "isAnonymous": False,
            "flavors": {},
            "modelType": "custom_model",
            "modelUri": uri,
            "jobName": None,
            "provisioningState": "Succeeded",
            "stage": "Development",
        }
    )
    lower = {"modelUri": uri.replace("resourceGroups", "resourcegroups")}
    assert (await cloud.call("PUT", "models/m/versions/1", {"properties": lower})).status == 200
    moved = await cloud.call("PUT", "models/m/versions/1", {"properties": {"modelUri": f"{uri}.new"}})
    assert (moved.status, moved.body["error"]["code"]) == (400, "UserError")
    assert moved.body["error"]["message"] == "Asset paths cannot be updated."
    hashed = {"hash_sha256": "ab" * 32, "hash_version": 202208}
    code = {"properties": {"codeUri": "https://x/c/p", "isAnonymous": True, "properties": hashed}}
    made = await cloud.call("PUT", "codes/c/versions/1", code)
    assert (made.status, made.body["properties"]["isAnonymous"]) == (201, False)
    assert made.body["properties"]["properties"]["hash_version"] == "202208"
    assert (await cloud.call("PUT", "codes/c/versions/1", code)).status == 200
    query = f"&hash={'ab' * 32}&hashVersion="
    found = [await cloud.call("GET", "codes/any-name/versions", query=query + v) for v in ("202208", "1")]
    assert [[item["id"] for item in reply.body["value"]] for reply in found] == [[made.body["id"]], []]


async def test_emulator_lists_newest_first_in_pages_with_absolute_links(cloud):
    for version in ("1", "2", "10"):
        body = {"properties": {"modelUri": f"azureml://datastores/workspaceblobstore/paths/{version}"}}
        await cloud.call("PUT", f"models/many/versions/{version}", body)
    query = "&$orderBy=createdtime%20desc&$top=1"
    page = await cloud.call("GET", "models/many/versions", query=query)
    names, links = [], []
    while True:
        names += [item["name"] for item in page.body["value"]]
        if "nextLink" not in page.body:
            break
        links.append(page.body["nextLink"])
        page = await poll(cloud, links[-1])
    assert names == ["10", "2", "1"]
    assert len(links) == 2
    start = f"https://management.azure.com{cloud.workspace()}/models/many/versions?api-version=2024-04-01"
    assert links[0].startswith(f"{start}&$orderBy=createdtime+desc&$top=1&$skipToken=")
    container = await cloud.get("models/many")
    assert [container["properties"][key] for key in ("latestVersion", "nextVersion")] == ["10", "11"]
    assert (await cloud.call("GET", "models/none/versions")).body == {"value": []}
    only = await cloud.call("GET", "models/many/versions", query="&version=2")
    assert [item["name"] for item in only.body["value"]] == ["2"]


async def test_emulator_hides_archived_versions_from_the_usual_list(cloud):
    uri = "azureml://datastores/workspaceblobstore/paths/a"
    for archived in (False, True):
        body = {"properties": {"modelUri": uri, "isArchived": archived}}
        await cloud.call("PUT", "models/old/versions/1", body)
    listed = {}
    for view in ("ActiveOnly", "ArchivedOnly", "All"):
        reply = await cloud.call("GET", "models/old/versions", query=f"&listViewType={view}")
        listed[view] = len(reply.body["value"])
    assert listed == {"ActiveOnly": 0, "ArchivedOnly": 1, "All": 1}
    assert (await cloud.call("GET", "models/old/versions/1")).status == 200


async def test_emulator_lists_endpoints_in_pages_by_name_and_by_tag(tmp_path):
    cloud = Cloud(tmp_path, page_size=2)
    for number in range(5):
        await cloud.with_endpoint(f"ep-{number}", tags={"n": str(number), "team": "a"})
    names, link = [], f"https://management.azure.com{cloud.workspace()}/onlineEndpoints?api-version={VERSION}"
    pages = 0
    while link:
        page = await poll(cloud, link)
        names += [item["name"] for item in page.body["value"]]
        link, pages = page.body.get("nextLink"), pages + 1
    assert (names, pages) == ([f"ep-{number}" for number in (4, 3, 2, 1, 0)], 3)
    for query, expected in (("&name=EP-3", ["ep-3"]), ("&tags=team=a,n=1", ["ep-1"]), ("&tags=team=b", [])):
        reply = await cloud.call("GET", "onlineEndpoints", query=query)
        assert [item["name"] for item in reply.body["value"]] == expected
    for number in (4, 2):
        await cloud.done("DELETE", f"onlineEndpoints/ep-{number}")
    await cloud.with_endpoint("ep-4", tags={"team": "b"})  # now 4, 3, 1, 0: the second page fills up before it ends
    full = await cloud.call("GET", "onlineEndpoints", query="&tags=team=a")
    rest = await poll(cloud, full.body["nextLink"])
    assert [[item["name"] for item in page.body["value"]] for page in (full, rest)] == [["ep-3", "ep-1"], ["ep-0"]]
    bad = await cloud.call("GET", "onlineEndpoints", query="&$skipToken=nonsense")
    assert bad.status == 400


async def test_emulator_deletes_assets_at_once(cloud):
    assert (await cloud.call("DELETE", "models/model/versions/1")).status == 200
    assert (await cloud.call("DELETE", "models/model/versions/1")).status == 204
    assert (await cloud.call("GET", "models/model/versions/1")).status == 404
    assert (await cloud.get("models/model"))["properties"]["latestVersion"] is None
    assert (await cloud.call("DELETE", "environments/env")).status == 200
    assert (await cloud.call("GET", "environments/env/versions/1")).status == 404


async def test_emulator_workspace_is_private_and_can_be_opened(cloud):
    body = await cloud.get(cloud.workspace())
    assert list(body) == [
        *("id", "name", "type", "location", "tags", "etag", "properties", "identity", "sku", "kind"),
        "systemData",
    ]
    properties = body["properties"]
    assert (properties["publicNetworkAccess"], properties["v1LegacyMode"]) == ("Disabled", False)
    assert properties["managedNetwork"]["isolationMode"] == "AllowOnlyApprovedOutbound"
    assert properties["managedNetwork"]["status"]["status"] == "Active"
    change = {"publicNetworkAccess": "Enabled", "v1LegacyMode": True, "imageBuildCompute": "cpu"}
    reply = await cloud.call("PATCH", cloud.workspace(), {"properties": change, "tags": {"a": "1"}})
    after = await cloud.get(cloud.workspace())
    assert reply.status == 200
    assert {key: after["properties"][key] for key in change} == change
    assert after["tags"] == {"a": "1"}
    assert after["properties"]["managedNetwork"] == properties["managedNetwork"]
    made = await cloud.call("PUT", cloud.workspace("second"), {"location": "westeurope"})
    assert (made.status, made.body["properties"]["publicNetworkAccess"]) == (201, "Enabled")
    assert (await cloud.call("PUT", cloud.workspace("far"), {"location": "eastus"})).status == 400
    listed = await cloud.call("GET", cloud.workspace().rpartition("/")[0])
    assert [item["name"] for item in listed.body["value"]] == ["ws-emulator", "second"]


async def test_emulator_keys_and_tokens_have_the_recorded_shapes(cloud):
    await cloud.with_endpoint("keyed")
    await cloud.with_endpoint("tokened", authMode="AMLToken")
    keys = (await cloud.call("POST", "onlineEndpoints/keyed/listKeys")).body
    assert list(keys) == ["primaryKey", "secondaryKey"]
    none = await cloud.call("POST", "onlineEndpoints/tokened/listKeys")
    assert none.raw == b'{\n  "primaryKey": null,\n  "secondaryKey": null\n}'
    token = (await cloud.call("POST", "onlineEndpoints/tokened/token")).body
    assert list(token) == ["accessToken", "tokenType", "expiryTimeUtc", "refreshAfterTimeUtc"]
    assert token["expiryTimeUtc"] - token["refreshAfterTimeUtc"] == 43170
    assert (await cloud.call("POST", "onlineEndpoints/keyed/token")).status == 400
    url = "onlineEndpoints/keyed/regenerateKeys"
    fixed = await cloud.done("POST", url, {"keyType": "Secondary", "keyValue": "my-own-key"})
    current = await cloud.done("POST", url, {"keyType": "Primary", "keyValue": keys["primaryKey"]})
    assert (fixed.status, current.status) == (202, 202)
    assert {"Azure-AsyncOperation", "Location"} <= fixed.headers.keys()
    after = (await cloud.call("POST", "onlineEndpoints/keyed/listKeys")).body
    assert after["secondaryKey"] == "my-own-key"
    assert after["primaryKey"] != keys["primaryKey"]
    assert (await cloud.call("POST", url, {"keyType": "Third"})).status == 400


async def test_emulator_datastore_gives_a_key_or_a_signature(cloud):
    store = await cloud.get("datastores/workspaceblobstore")
    assert (store["properties"]["tags"], store["properties"]["properties"]) == (None, None)
    default = await cloud.call("GET", "datastores", query="&isDefault=true&count=30")
    assert default.body["value"] == [store]
    secrets = "datastores/workspaceblobstore/listSecrets"
    plain, expiring = await cloud.call("POST", secrets), await cloud.call("POST", secrets, {"expirableSecret": True})
    assert list(plain.body) == ["secretsType", "key"]
    assert (plain.body["secretsType"], expiring.body["secretsType"]) == ("AccountKey", "Sas")


async def test_emulator_reads_the_flavors_of_an_mlflow_model(cloud):
    store = (await cloud.get("datastores/workspaceblobstore"))["properties"]
    url = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}/LocalUpload/h/m/MLmodel"
    text = (
        b"flavors:\n  sklearn:\n    version: 1.7\n    none: null\n"
        b"  python_function:\n    env: {conda: c.yaml}\n    model: m\n"
    )
    put = await cloud.send("PUT", url, text, Authorization=f"Bearer {cloud.token}")
    assert put.status == 201
    body = {"modelUri": "azureml://datastores/workspaceblobstore/paths/LocalUpload/h/m", "modelType": "mlflow_model"}
    reply = await cloud.call("PUT", "models/ml/versions/1", {"properties": body})
    assert json.dumps(reply.body["properties"]["flavors"]) == json.dumps(
        {
            "python_function": {"data": {"env": '{"conda": "c.yaml"}', "model": "m"}},
            "sklearn": {"data": {"version": "1.7"}},
        }
    )
    own = body | {"flavors": {"mine": {"data": {}}}}
    kept = await cloud.call("PUT", "models/ml/versions/2", {"properties": own})
    assert kept.body["properties"]["flavors"] == {"mine": {"data": {}}}


async def test_emulator_leaves_out_what_was_never_sent(cloud):
    await cloud.with_endpoint()
    await cloud.with_deployment()
    body = await cloud.get(BLUE)
    assert "identity" not in body
    assert not {"startupProbe", "privateNetworkConnection"} & body["properties"].keys()
    await cloud.with_deployment(startupProbe={"period": "PT3S"}, unheard="of", model=ABSENT)
    properties = (await cloud.get(BLUE))["properties"]
    assert properties["startupProbe"]["period"] == "PT3S"
    assert "unheard" not in properties
    assert properties["model"] is None
