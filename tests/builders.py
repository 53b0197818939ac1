"""Manifests as text in, desired resources and live bodies out: what the unit tests of the core are built from."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from reconciler.compose.overlays import compose
from reconciler.desired import Desire, desired
from reconciler.domain import Intent, Live, LocalPath, Ref, Target
from reconciler.kinds import KINDS
from reconciler.kinds.kind import arm_path
from reconciler.load.yaml_reader import parse
from reconciler.manifest import Context
from reconciler.plan.decide import decide
from reconciler.plan.diff import merged
from reconciler.plan.ownership import TRAFFIC as TRAFFIC_MARK
from reconciler.plan.ownership import digest
from reconciler.plan.planning import plan
from reconciler.validate import validate

TARGET = Target("11111111-2222-3333-4444-555555555555", "rg", "ws", "westeurope")
INTENT = Intent("shop", "test", "abc123", "managed_vnet", prune=True)

WORKSPACE = {
    "name": "ws",
    "properties": {
        "publicNetworkAccess": "Disabled",
        "v1LegacyMode": False,
        "managedNetwork": {"isolationMode": "AllowOnlyApprovedOutbound", "status": {"status": "Active"}},
    },
}

SURVEY = {
    "model": LocalPath("model", "folder", ("m.pkl",), 3, digest="a" * 64),
    "src": LocalPath("src", "folder", ("score.py",), 3, digest="c" * 64),
    "conda.yml": LocalPath(
        "conda.yml",
        "file",
        ("conda.yml",),
        3,
        {"conda.yml": "dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n"},
        {"dependencies": ["python=3.12", {"pip": ["azureml-inference-server-http==1.5.1"]}]},
        digest="e" * 64,
    ),
}

ENDPOINT = """
kind: endpoint
name: churn
auth_mode: key
public_network_access: disabled
tags: {team: risk}
traffic: {blue: 100}
"""
DEPLOYMENT = """
kind: deployment
name: blue
endpoint_name: churn
model: azureml:churn:1
environment: azureml:sklearn:5
code_configuration: {code: src, scoring_script: score.py}
instance_type: Standard_DS3_v2
environment_variables: {MODE: fast}
"""
MODEL = """
kind: model
name: churn
version: 1
path: model
"""
ENVIRONMENT = """
kind: environment
name: sklearn
version: 5
image: mcr.microsoft.com/azureml/minimal-py312-inference:20260101.v1
conda_file: conda.yml
"""
ALL = (MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT)


def resources(*texts, network="managed_vnet", survey=SURVEY):
    """Desired resources of manifests given as YAML; fails when they have an error."""
    documents, findings = parse("---".join(texts).encode(), "manifest.yml")
    documents, fit = compose(documents, (), defaults={}, variables={})
    validated = validate(documents, Context("test", network), survey)
    errors = [f for f in (*findings, *fit, *validated.findings) if f.severity == "error"]
    assert not errors, errors
    return desired(validated.manifests, Desire("shop", TARGET, survey))


def live_of(wanted, intent=INTENT, *, state="Succeeded"):
    """The live state after ``wanted`` was applied: what was sent, and what Azure adds to it."""
    bodies = {}
    for resource in wanted:
        if resource.ref.kind != "traffic":
            action = decide(resource, None, intent, serving=False).action
            bodies[resource.ref] = answered(resource.ref, action.body, state)
    for resource in wanted:
        if resource.ref.kind == "traffic":
            endpoint = Ref("endpoint", resource.ref.name)
            bodies[endpoint] = merged(KINDS["traffic"], resource.body, bodies[endpoint])
            bodies[endpoint]["tags"][TRAFFIC_MARK] = digest(resource.body)
    return Live(deepcopy(WORKSPACE), bodies)


def answered(ref, sent, state="Succeeded"):
    """A sent body as Azure answers it, as far as recorded traffic shows: server fields, defaults, its own casing."""
    body = deepcopy(sent)
    body["id"] = TARGET.scope + arm_path(ref)
    body["name"] = ref.part or ref.name
    body["systemData"] = {"createdAt": "2026-01-01T00:00:00+00:00", "lastModifiedAt": "2026-01-01T00:00:00+00:00"}
    properties = body["properties"]
    properties["provisioningState"] = state
    if ref.kind == "endpoint":
        body["kind"] = "Managed"
        body["identity"] = {**body["identity"], "principalId": "p", "tenantId": "t"}
        properties.setdefault("traffic", {})
        properties.setdefault("mirrorTraffic", {})
        properties["scoringUri"] = f"https://{ref.name}.westeurope.inference.ml.azure.com/score"
        properties["properties"] = {**properties.get("properties", {}), "azureml.onlineendpointid": "x"}
    if ref.kind == "deployment":
        body["kind"] = "Managed"
        body["sku"] = {**body["sku"], "tier": "Standard"}
        properties["environmentVariables"] = {
            **properties.get("environmentVariables", {}),
            "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/churn/1",
            "AML_APP_ROOT": "/var/azureml-app/src",
        }
        properties["properties"] = {**properties.get("properties", {}), "AzureAsyncOperationUri": "https://x"}
        properties.setdefault("description", None)
        properties.setdefault("egressPublicNetworkAccess", "Enabled")
        properties["requestSettings"]["maxQueueWait"] = "PT0S"
    return body


def planned(wanted, live, intent=INTENT):
    """The plan of desired resources against a live state."""
    return plan(wanted, live, intent)


def changed(live, ref, **bodies):
    """``live`` with values put at dotted paths of one body: ``changed(live, ref, **{"properties.x": 1})``."""
    from reconciler.kinds.kind import put

    body = deepcopy(live.resources[ref])
    for path, value in bodies.items():
        put(body, path, value)
    return replace(live, resources={**live.resources, ref: body})


def without(live, *refs):
    """``live`` without some resources."""
    return replace(live, resources={ref: body for ref, body in live.resources.items() if ref not in refs})


EMPTY = Live(deepcopy(WORKSPACE), {})


ENDPOINT_REF = Ref("endpoint", "churn")
BLUE = Ref("deployment", "churn", "blue")
TRAFFIC = Ref("traffic", "churn")


def verbs(plan):
    """The actions of a plan, in its order, as verb and resource."""
    return [(str(action.verb), str(action.ref)) for action in plan.actions]


def only(plan):
    """The one action of a plan that has one."""
    assert len(plan.actions) == 1, verbs(plan)
    return plan.actions[0]
