"""How a document says what it is."""

from __future__ import annotations

import pytest

from schemas.kinds import MODELS, UNSUPPORTED, kind_of

LATEST = "https://azuremlschemas.azureedge.net/latest/"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"$schema": f"{LATEST}managedOnlineEndpoint.schema.json"}, "endpoint"),
        ({"$schema": "http://mirror.internal/x/MANAGEDONLINEENDPOINT.SCHEMA.JSON"}, "endpoint"),
        ({"$schema": "managedOnlineDeployment.schema.json"}, "deployment"),
        ({"$schema": "..\\schemas\\model.schema.json"}, "model"),
        ({"$schema": f"{LATEST}environment.schema.json"}, "environment"),
        ({"$schema": "../schemas/json/deployment.schema.json"}, "deployment"),
        ({"$schema": "../schemas/json/model.patch.schema.json"}, "model"),
        ({"kind": "managed_online_endpoint"}, "endpoint"),
        ({"kind": "endpoint"}, "endpoint"),
        ({"kind": "managed_online_deployment"}, "deployment"),
        ({"kind": "deployment"}, "deployment"),
        ({"kind": "model"}, "model"),
        ({"kind": "environment"}, "environment"),
        ({"$schema": f"{LATEST}managedOnlineEndpoint.schema.json", "kind": "Managed"}, "endpoint"),
        ({"$schema": f"{LATEST}kubernetesOnlineEndpoint.schema.json"}, "kubernetes_online_endpoint"),
        ({"$schema": f"{LATEST}managedOnlineEndpoint.schema.json", "compute": "aks"}, "kubernetes_online_endpoint"),
        ({"kind": "deployment", "type": "Kubernetes"}, "kubernetes_online_deployment"),
        ({"kind": "deployment", "type": "managed"}, "deployment"),
        ({"$schema": f"{LATEST}batchEndpoint.schema.json"}, "batch_endpoint"),
        ({"$schema": f"{LATEST}modelBatchDeployment.schema.json"}, "batch_deployment"),
        ({"$schema": f"{LATEST}commandJob.schema.json"}, "job"),
        ({"$schema": f"{LATEST}pipelineComponent.schema.json"}, "component"),
        ({"$schema": f"{LATEST}azureBlob.schema.json"}, "datastore"),
        ({"$schema": f"{LATEST}amlCompute.schema.json"}, "compute"),
        ({"kind": "registry"}, "registry"),
    ],
)
def test_recognised(data, kind):
    assert kind_of(data) == kind
    assert kind in MODELS or kind in UNSUPPORTED


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "churn"},
        {"kind": "Deployment", "apiVersion": "apps/v1"},
        {"kind": 3},
        {"kind": ["endpoint"]},
        {"$schema": None},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"$schema": f"{LATEST}unheardOf.schema.json"},
        {"type": "kubernetes"},
    ],
)
def test_what_does_not_say_its_kind_has_none(data):
    assert kind_of(data) is None


def test_the_two_vocabularies_do_not_overlap():
    assert not set(MODELS) & set(UNSUPPORTED)
