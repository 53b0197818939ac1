"""What Azure refuses, as a table: the request, the status, the innermost code, and words of the message."""

from __future__ import annotations

import json

import pytest
from emulated import ABSENT, Cloud, endpoint

FAILED = "InferencingClientCallFailed"
CREATE_FAILED = "InferencingClientCreateDeploymentFailed"
UAI = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
ASSIGNED = {"type": "UserAssigned", "userAssignedIdentities": {UAI: {}}}
EP, BLUE = "onlineEndpoints/churn", "onlineEndpoints/churn/deployments/blue"


@pytest.fixture
async def cloud(tmp_path):
    """An endpoint with a user's property, deployments blue (all the traffic) and green, and a second workspace."""
    cloud = Cloud(tmp_path)
    await cloud.with_assets()
    await cloud.with_endpoint(properties={"owner": "risk"})
    await cloud.with_deployment("blue", properties={"build": "7"})
    await cloud.with_deployment("green")
    reply = await cloud.done("PUT", EP, endpoint(properties={"owner": "risk"}, traffic={"blue": 100}))
    assert reply.status == 201, reply.text
    assert (await cloud.call("PUT", cloud.workspace("other"), {})).status == 201
    return cloud


def same(**changes):
    return endpoint(**({"properties": {"owner": "risk"}, "traffic": {"blue": 100}} | changes))


ENDPOINT_CASES = {
    "name with a digit first": ("9lives", endpoint(), 400, FAILED, "begin with a letter"),
    "name of two letters": ("ab", endpoint(), 400, FAILED, "3-32"),
    "name of 33 letters": ("a" * 33, endpoint(), 400, FAILED, "3-32"),
    "name ending in a dash": ("churn-", endpoint(), 400, FAILED, "not end"),
    "name with an underscore": ("my_endpoint", endpoint(), 400, FAILED, "letters, numbers"),
    "no location": ("new", endpoint(location=None), 400, "LocationRequired", "location"),
    "no identity": ("new", endpoint(identity={}), 400, FAILED, "identity"),
    "identity of type None": ("new", endpoint(identity={"type": "None"}), 400, FAILED, "identity"),
    "no auth mode": ("new", endpoint(authMode=ABSENT), 400, FAILED, "AuthMode"),
    "unknown auth mode": ("new", endpoint(authMode="Password"), 400, FAILED, "AuthMode"),
    "unknown network access": ("new", endpoint(publicNetworkAccess="Maybe"), 400, FAILED, "Enabled or Disabled"),
    "a compute": ("new", endpoint(compute="k8s"), 400, FAILED, "managed"),
    "traffic at creation": ("new", endpoint(traffic={"blue": 100}), 400, FAILED, "creation"),
    "mirror at creation": ("new", endpoint(mirrorTraffic={"blue": 10}), 400, FAILED, "creation"),
    "traffic sum 90": ("churn", same(traffic={"blue": 90}), 400, FAILED, "sum to 100"),
    "traffic sum 110": ("churn", same(traffic={"blue": 60, "green": 50}), 400, FAILED, "sum to 100"),
    "negative traffic": ("churn", same(traffic={"blue": 110, "green": -10}), 400, FAILED, "from 0 to 100"),
    "traffic in text": ("churn", same(traffic={"blue": "100"}), 400, FAILED, "whole number"),
    "traffic to nobody": ("churn", same(traffic={"red": 100}), 400, FAILED, "red does not exist"),
    "mirror to nobody": ("churn", same(mirrorTraffic={"red": 10}), 400, FAILED, "red does not exist"),
    "mirror of 51": ("churn", same(mirrorTraffic={"green": 51}), 400, FAILED, "50 percent"),
    "two mirrors": ("churn", same(traffic={}, mirrorTraffic={"green": 9, "blue": 9}), 400, FAILED, "one"),
    "live and mirrored": ("churn", same(mirrorTraffic={"blue": 10}), 400, FAILED, "not both"),
    "identity change": ("churn", same(identity=ASSIGNED), 400, FAILED, "immutable"),
    "property altered": ("churn", same(properties={"owner": "me"}), 400, FAILED, "owner"),
    "property removed": ("churn", same(properties={}), 400, FAILED, "owner"),
    "sum 0 is fine": ("churn", same(traffic={"blue": 0}), 201, "", ""),
    "mirror of 50 is fine": ("churn", same(mirrorTraffic={"green": 50}), 201, "", ""),
    "property added is fine": ("churn", same(properties={"owner": "risk", "more": "1"}), 201, "", ""),
    "auth mode change is fine": ("churn", same(authMode="aadtoken"), 201, "", ""),
    "identity in another case is fine": ("churn", same(identity={"type": "systemassigned"}), 201, "", ""),
    "32 letters are fine": ("a" * 32, endpoint(), 201, "", ""),
}


@pytest.mark.parametrize("case", ENDPOINT_CASES)
async def test_emulator_judges_a_put_of_an_endpoint(cloud, case):
    name, body, status, code, words = ENDPOINT_CASES[case]
    reply = await cloud.done("PUT", f"onlineEndpoints/{name}", body)
    assert reply.status == status, reply.text
    if code:
        assert reply.code == code
        assert words.lower() in reply.text.lower()


def workspace_id(cloud, path):
    return f"{cloud.workspace()}/{path}"


DEPLOYMENT_CASES = {
    "name with an underscore": ("my_blue", {}, 400, CREATE_FAILED, "letters, numbers"),
    "kubernetes": ("red", {"endpointComputeType": "Kubernetes"}, 400, CREATE_FAILED, "managed"),
    "no code": ("red", {"codeConfiguration": ABSENT}, 400, "MissingDriverProgram", "driver program"),
    "code without script": (
        "red",
        {"codeConfiguration": {"codeId": "azureml:code:1"}},
        400,
        "MissingDriverProgram",
        "driver program",
    ),
    "no environment": ("red", {"environmentId": ABSENT}, 400, CREATE_FAILED, "environment"),
    "unknown model": ("red", {"model": "azureml:model:9"}, 400, CREATE_FAILED, "azureml:model:9"),
    "unknown environment": ("red", {"environmentId": "azureml:env:9"}, 400, CREATE_FAILED, "azureml:env:9"),
    "an environment as model": ("red", {"model": "azureml:env:1"}, 400, CREATE_FAILED, "not found"),
    "unknown code": (
        "red",
        {"codeConfiguration": {"codeId": "azureml:code:9", "scoringScript": "s.py"}},
        400,
        CREATE_FAILED,
        "azureml:code:9",
    ),
    "no instance": ("red", {"sku": {"name": "Default", "capacity": 0}}, 400, CREATE_FAILED, "1 to 50"),
    "51 instances": ("red", {"sku": {"name": "Default", "capacity": 51}}, 400, CREATE_FAILED, "1 to 50"),
    "autoscale": (
        "red",
        {"scaleSettings": {"scaleType": "TargetUtilization"}},
        400,
        CREATE_FAILED,
        "Default scaling",
    ),
    "timeout of 181 s": ("red", {"requestSettings": {"requestTimeout": "PT3M1S"}}, 400, CREATE_FAILED, "180 s"),
    "not a duration": ("red", {"livenessProbe": {"period": "10s"}}, 400, CREATE_FAILED, "ISO 8601"),
    "egress change": ("blue", {"egressPublicNetworkAccess": "disabled"}, 400, CREATE_FAILED, "cannot be changed"),
    "instance type change": ("blue", {"instanceType": "Standard_F2s_v2"}, 400, CREATE_FAILED, "cannot be changed"),
    "property removed": ("blue", {"properties": {}}, 400, CREATE_FAILED.replace("CreateDeployment", "Call"), "build"),
    "egress in another case is fine": ("blue", {"egressPublicNetworkAccess": "enabled"}, 201, "", ""),
    "instance type in another case is fine": ("blue", {"instanceType": "STANDARD_DS3_V2"}, 201, "", ""),
    "a registry's model is fine": ("red", {"model": "azureml://registries/r/models/m/versions/1"}, 201, "", ""),
    "short references are fine": ("red", {"model": "azureml:model:1", "environmentId": "azureml:env:1"}, 201, "", ""),
    "no model is fine": ("red", {"model": ABSENT}, 201, "", ""),
    "timeout of 180 s is fine": ("red", {"requestSettings": {"requestTimeout": "PT3M"}}, 201, "", ""),
}


@pytest.mark.parametrize("case", DEPLOYMENT_CASES)
async def test_emulator_judges_a_put_of_a_deployment(cloud, case):
    name, changes, status, code, words = DEPLOYMENT_CASES[case]
    kept = {"properties": {"build": "7"}} if name == "blue" else {}
    reply = await cloud.done("PUT", f"{EP}/deployments/{name}", cloud.deployment(**(kept | changes)))
    assert reply.status == status, reply.text
    if code:
        assert reply.code == code
        assert words.lower() in reply.text.lower()


async def test_emulator_wants_the_location_of_a_deployment(cloud):
    reply = await cloud.call("PUT", f"{EP}/deployments/red", cloud.deployment() | {"location": None})
    assert (reply.status, reply.code) == (400, "LocationRequired")


async def test_emulator_lets_one_put_work_on_a_deployment_and_joins_the_same_one(cloud):
    path = f"{EP}/deployments/red"
    first = await cloud.call("PUT", path, cloud.deployment())
    again = await cloud.call("PUT", path, cloud.deployment())
    other = await cloud.call("PUT", path, cloud.deployment(environmentVariables={"A": "1"}))
    asked = [reply.body["properties"]["properties"]["AzureAsyncOperationUri"] for reply in (first, again)]
    assert asked[0] == asked[1]
    assert (other.status, other.code) == (409, "Conflict")


async def test_emulator_needs_no_code_for_a_model_or_an_image_that_brings_its_server(cloud):
    mlflow = {"modelUri": "azureml://datastores/workspaceblobstore/paths/ml", "modelType": "mlflow_model"}
    await cloud.call("PUT", "models/ml/versions/1", {"properties": mlflow})
    route = {"path": "/", "port": 80}
    routes = {"livenessRoute": route, "readinessRoute": route, "scoringRoute": route}
    own = {"image": "acr.azurecr.io/own:1", "inferenceConfig": routes}
    await cloud.call("PUT", "environments/own/versions/1", {"properties": own})
    none = {"codeConfiguration": ABSENT}
    for changes in ({"model": "azureml:ml:1", "environmentId": ABSENT}, {"environmentId": "azureml:own:1"}):
        reply = await cloud.done("PUT", f"{EP}/deployments/red", cloud.deployment(**none, **changes))
        assert reply.status == 201, reply.text


async def test_emulator_knows_a_name_only_once_in_the_region(cloud):
    elsewhere = f"{cloud.workspace('other')}/onlineEndpoints"
    reply = await cloud.call("PUT", f"{elsewhere}/Churn", endpoint())
    assert (reply.status, reply.code) == (400, FAILED)
    inner = json.loads(reply.body["error"]["details"][0]["message"])
    assert "unique within a region" in inner["errors"][""][0]
    await cloud.done("DELETE", EP)
    assert (await cloud.call("PUT", f"{elsewhere}/churn", endpoint())).status == 201


async def test_emulator_clears_what_a_put_leaves_out(cloud):
    await cloud.done("PUT", EP, same(tags={"a": "1"}, description="text"))
    await cloud.done("PUT", EP, endpoint(properties={"owner": "risk"}, publicNetworkAccess=ABSENT))
    body = await cloud.get(EP)
    properties = body["properties"]
    assert (properties["traffic"], properties["description"], body["tags"]) == ({}, None, {})
    assert properties["publicNetworkAccess"] == "Enabled"


async def test_emulator_takes_twenty_deployments_and_no_more(cloud):
    for number in range(18):
        await cloud.with_deployment(f"extra-{number}")
    reply = await cloud.done("PUT", f"{EP}/deployments/one-more", cloud.deployment())
    assert (reply.status, reply.code) == (400, CREATE_FAILED)
    assert "20" in reply.text
    assert (await cloud.done("PUT", BLUE, cloud.deployment(properties={"build": "7"}))).status == 201


@pytest.mark.parametrize("weights", [{"traffic": {"blue": 100}}, {"traffic": {}, "mirrorTraffic": {"blue": 10}}])
async def test_emulator_keeps_a_deployment_that_has_weight(cloud, weights):
    await cloud.done("PUT", EP, same(**weights))
    assert (await cloud.done("DELETE", BLUE)).status == 400
    await cloud.done("PUT", EP, same(traffic={}))
    assert (await cloud.done("DELETE", BLUE)).status == 202
    assert (await cloud.call("GET", BLUE)).status == 404


async def test_emulator_keeps_a_deployment_that_is_about_to_get_weight(cloud):
    await cloud.call("PUT", EP, same(traffic={"green": 100}))
    assert (await cloud.call("DELETE", f"{EP}/deployments/green")).status == 400


async def test_emulator_deletes_an_endpoint_with_all_that_is_below(cloud):
    assert (await cloud.done("DELETE", EP)).status == 202
    assert (await cloud.call("GET", EP)).status == 404
    assert (await cloud.call("GET", BLUE)).status == 404
    assert cloud.dataplane.running == {}
    assert (await cloud.done("DELETE", EP)).status == 204


async def test_emulator_holds_a_name_until_its_deletion_has_ended(cloud):
    assert (await cloud.call("DELETE", EP)).status == 202
    assert (await cloud.get(EP))["properties"]["provisioningState"] == "Deleting"
    for method, path, body in (
        ("PUT", EP, endpoint()),
        ("PATCH", EP, {"tags": {}}),
        ("PUT", BLUE, cloud.deployment()),
    ):
        reply = await cloud.call(method, path, body)
        assert (reply.status, reply.code) == (404, FAILED)
    assert (await cloud.call("DELETE", EP)).status == 202
    await cloud.service.settle()
    assert (await cloud.done("PUT", EP, endpoint())).status == 201


async def test_emulator_makes_no_deployment_while_the_endpoint_changes(cloud):
    await cloud.call("PUT", EP, same(tags={"a": "1"}))
    reply = await cloud.call("PUT", BLUE, cloud.deployment(properties={"build": "7"}))
    assert (reply.status, reply.code) == (400, CREATE_FAILED)
    assert "Cannot create a deployment in endpoint churn because it is in Updating" in reply.text


async def test_emulator_lets_one_operation_work_on_a_resource_and_joins_the_same_put(cloud):
    first = await cloud.call("PUT", EP, same(tags={"a": "1"}))
    again = await cloud.call("PUT", EP, same(tags={"a": "1"}))
    asked = [reply.body["properties"]["properties"]["AzureAsyncOperationUri"] for reply in (first, again)]
    assert again.status == 201
    assert asked[0] == asked[1]
    for method, body in (("PUT", same(tags={"a": "2"})), ("PATCH", {"tags": {}}), ("DELETE", None)):
        reply = await cloud.call(method, EP, body)
        assert (reply.status, reply.code) == (409, "Conflict")


async def test_emulator_repairs_a_failed_deployment_by_a_further_put(cloud):
    broken = cloud.deployment(properties={"build": "7"}, environmentVariables={"EMULATOR_FAIL_INIT": "no weights"})
    reply = await cloud.done("PUT", BLUE, broken)
    assert reply.status == 201
    assert (await cloud.get(BLUE))["properties"]["provisioningState"] == "Failed"
    assert "no weights" in (await cloud.call("POST", f"{BLUE}/getLogs", {})).body["content"]
    await cloud.done("PUT", BLUE, cloud.deployment(properties={"build": "7"}))
    assert (await cloud.get(BLUE))["properties"]["provisioningState"] == "Succeeded"


async def test_emulator_refuses_a_deployment_until_the_managed_network_is_active(cloud):
    inactive = {"properties": {"managedNetwork": {"status": {"status": "Inactive"}}}}
    assert (await cloud.call("PATCH", cloud.workspace(), inactive)).status == 200
    reply = await cloud.call("PUT", f"{EP}/deployments/red", cloud.deployment())
    assert (reply.status, reply.code) == (400, "WorkspaceManagedNetworkNotReady")
    network = (await cloud.get(cloud.workspace()))["properties"]["managedNetwork"]
    assert network["isolationMode"] == "AllowOnlyApprovedOutbound"
    off = {"properties": {"managedNetwork": {"isolationMode": "Disabled"}}}
    await cloud.call("PATCH", cloud.workspace(), off)
    assert (await cloud.call("PUT", f"{EP}/deployments/red", cloud.deployment())).status == 201


async def test_emulator_patches_only_what_patch_may(cloud):
    for path, body, status in (
        (EP, {"tags": {"a": "1"}}, 202),
        (EP, {"identity": {"type": "SystemAssigned"}}, 202),
        (EP, {"identity": ASSIGNED}, 400),
        (EP, {"properties": {"traffic": {"green": 100}}}, 400),
        (BLUE, {"tags": {"a": "1"}, "sku": {"capacity": 3}}, 202),
        (BLUE, {"sku": {"capacity": 0}}, 400),
        (BLUE, {"properties": {"description": "x"}}, 400),
        (f"{EP}/deployments/red", {"tags": {}}, 404),
    ):
        reply = await cloud.done("PATCH", path, body)
        assert reply.status == status, (path, body, reply.text)
    endpoint_body, blue = await cloud.get(EP), await cloud.get(BLUE)
    assert (endpoint_body["tags"], endpoint_body["properties"]["traffic"]) == ({"a": "1"}, {"blue": 100})
    assert (blue["tags"], blue["sku"]["capacity"]) == ({"a": "1"}, 3)
    assert blue["properties"]["provisioningState"] == "Succeeded"


async def test_emulator_can_ignore_an_instance_type_change_as_users_report(tmp_path):
    cloud = Cloud(tmp_path, instance_type_change="ignore")
    await cloud.with_assets()
    await cloud.with_endpoint()
    await cloud.with_deployment()
    await cloud.with_deployment(instanceType="Standard_F2s_v2")
    assert (await cloud.get(BLUE))["properties"]["instanceType"] == "Standard_DS3_v2"
