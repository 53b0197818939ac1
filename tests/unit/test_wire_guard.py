"""No public body leaves the process, whatever builds the request."""

import json

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest as LegacyRequest
from azure.core.rest import HttpRequest

from reconciler.arm.wire_guard import WireGuard
from reconciler.errors import PlanRefused

SCOPE = "https://x/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
ENDPOINT = SCOPE + "/onlineEndpoints/e?api-version=2024-04-01"
DEPLOYMENT = SCOPE + "/onlineEndpoints/e/deployments/d?api-version=2024-04-01"


def send(method, url, body, network="managed_vnet"):
    request = HttpRequest(method, url, json=body) if body is not None else HttpRequest(method, url)
    WireGuard(network).on_request(PipelineRequest(request, PipelineContext(None)))


@pytest.mark.parametrize(
    ("method", "url", "properties"),
    [
        ("PUT", ENDPOINT, {}),
        ("PUT", ENDPOINT, {"publicNetworkAccess": None}),
        ("PUT", ENDPOINT, {"publicNetworkAccess": "Enabled"}),
        ("PUT", ENDPOINT, {"publicNetworkAccess": ["Disabled"]}),
        ("PATCH", ENDPOINT, {"publicNetworkAccess": "Enabled"}),
        ("PATCH", ENDPOINT, {"publicNetworkAccess": None}),
        ("PUT", ENDPOINT.replace("onlineEndpoints", "ONLINEENDPOINTS"), {}),
        ("PUT", ENDPOINT.replace("/onlineEndpoints", "//onlineEndpoints"), {}),
        ("PUT", ENDPOINT.replace("onlineEndpoints", "online%45ndpoints"), {}),
        ("PUT", ENDPOINT.replace("/e?", "/e/?"), {}),
        ("PUT", DEPLOYMENT, {"egressPublicNetworkAccess": "Enabled"}),
        ("PUT", DEPLOYMENT, {"egressPublicNetworkAccess": "Disabled"}),
    ],
)
def test_a_body_that_is_not_private_is_refused(method, url, properties):
    with pytest.raises(PlanRefused):
        send(method, url, {"properties": properties})


@pytest.mark.parametrize("properties", [{}, {"egressPublicNetworkAccess": "Enabled"}])
def test_legacy_egress_wants_the_flag(properties):
    with pytest.raises(PlanRefused):
        send("PUT", DEPLOYMENT, {"properties": properties}, "legacy_egress")
    send("PUT", DEPLOYMENT, {"properties": {"egressPublicNetworkAccess": "disabled"}}, "legacy_egress")


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("PUT", ENDPOINT, {"properties": {"publicNetworkAccess": "disabled"}}),
        ("PATCH", ENDPOINT, {"tags": {"a": "b"}}),
        ("PUT", DEPLOYMENT, {"properties": {}}),
        ("PATCH", DEPLOYMENT, {"sku": {"capacity": 2}}),
        ("GET", ENDPOINT, None),
        ("DELETE", ENDPOINT, None),
        ("POST", ENDPOINT.replace("/e?", "/e/listKeys?"), {}),
        ("PUT", SCOPE + "/models/m/versions/1", {"properties": {}}),
    ],
)
def test_private_bodies_and_everything_else_pass(method, url, body):
    send(method, url, body)


def test_a_body_that_cannot_be_read_counts_as_public():
    for request in (HttpRequest("PUT", ENDPOINT, content=iter([b"{}"])), HttpRequest("PUT", ENDPOINT, content=b"x")):
        with pytest.raises(PlanRefused):
            WireGuard("managed_vnet").on_request(PipelineRequest(request, PipelineContext(None)))


def test_it_also_reads_the_old_requests_of_older_clients():
    request = LegacyRequest("PUT", ENDPOINT)
    request.set_text_body(json.dumps({"properties": {"publicNetworkAccess": "Enabled"}}))
    with pytest.raises(PlanRefused, match="Enabled"):
        WireGuard("managed_vnet").on_request(PipelineRequest(request, PipelineContext(None)))
