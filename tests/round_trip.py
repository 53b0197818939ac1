"""Live bodies to manifests and back to a plan, all in memory: what the tests of import stand on."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace

from builders import TARGET, WORKSPACE

from reconciler.compose.overlays import compose
from reconciler.desired import Desire, desired
from reconciler.domain import Document, Intent, Live, LocalPath, Position, Ref
from reconciler.imported import Ask, imported
from reconciler.kinds.kind import arm_path, put
from reconciler.load.yaml_reader import parse
from reconciler.load.yaml_writer import text_of
from reconciler.manifest import Context
from reconciler.plan.planning import plan
from reconciler.validate import validate

INTENT = Intent("shop", "test", "r1", "managed_vnet")
ENDPOINT, BLUE = Ref("endpoint", "churn"), Ref("deployment", "churn", "blue")
MODEL, ENVIRONMENT, CODE = Ref("model", "churn", "3"), Ref("environment", "sklearn", "5"), Ref("code", "shop", "abc")
OURS = {"aml-gitops-owner": "shop/test", "aml-gitops-spec": "0123456789abcdef", "aml-gitops-revision": "r0"}
STORE = (
    f"azureml://subscriptions/{TARGET.subscription_id}/resourceGroups/{TARGET.resource_group}"
    f"/workspaces/{TARGET.workspace}/datastores/workspaceblobstore/paths"
)
PROBE = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}
SYSTEM = {"createdAt": "2026-01-01T00:00:00Z", "lastModifiedAt": "2026-01-02T00:00:00Z"}


def identity_of(ref):
    """What ARM puts around every resource."""
    return {"id": TARGET.scope + arm_path(ref), "name": ref.part or ref.name, "systemData": SYSTEM}


def scoped(ref):
    """The ARM id of an asset."""
    return TARGET.scope + arm_path(ref)


def endpoint(**changes):
    """A private endpoint as Azure answers it; ``changes`` by ARM path with ``__`` for the dot."""
    return _with(
        {
            **identity_of(ENDPOINT),
            "kind": "Managed",
            "location": "westeurope",
            "tags": {},
            "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
            "properties": {
                "description": None,
                "authMode": "Key",
                "publicNetworkAccess": "Disabled",
                "traffic": {"blue": 100},
                "mirrorTraffic": {},
                "compute": None,
                "provisioningState": "Succeeded",
                "scoringUri": "https://churn.westeurope.inference.ml.azure.com/score",
                "properties": {"azureml.onlineendpointid": "x", "AzureAsyncOperationUri": "https://x"},
            },
        },
        changes,
    )


def deployment(**changes):
    """A deployment as Azure answers it."""
    return _with(
        {
            **identity_of(BLUE),
            "kind": "Managed",
            "location": "westeurope",
            "tags": {},
            "sku": {"name": "Default", "tier": "Standard", "capacity": 1},
            "properties": {
                "endpointComputeType": "Managed",
                "provisioningState": "Succeeded",
                "description": None,
                "properties": {"AzureAsyncOperationUri": "https://x"},
                "model": scoped(MODEL),
                "environmentId": scoped(ENVIRONMENT),
                "codeConfiguration": {"codeId": scoped(CODE), "scoringScript": "score.py"},
                "environmentVariables": {"AZUREML_MODEL_DIR": "/var/x", "AML_APP_ROOT": "/var/y"},
                "instanceType": "Standard_DS3_v2",
                "modelMountPath": None,
                "appInsightsEnabled": False,
                "scaleSettings": {"scaleType": "Default"},
                "requestSettings": {
                    "requestTimeout": "PT5S",
                    "maxConcurrentRequestsPerInstance": 1,
                    "maxQueueWait": "PT0S",
                },
                "livenessProbe": dict(PROBE),
                "readinessProbe": dict(PROBE),
                "dataCollector": None,
                "egressPublicNetworkAccess": "Enabled",
            },
        },
        changes,
    )


def model(**changes):
    """A model version as Azure answers it."""
    properties = {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": False,
        "isAnonymous": False,
        "flavors": {},
        "modelType": "custom_model",
        "modelUri": f"{STORE}/models/churn/3",
        "stage": "Development",
        "provisioningState": "Succeeded",
    }
    return _with({**identity_of(MODEL), "properties": properties}, changes)


def environment(**changes):
    """An environment version as Azure answers it."""
    properties = {
        "description": None,
        "tags": {},
        "properties": {"azureml.labels": "latest"},
        "isArchived": False,
        "isAnonymous": False,
        "environmentType": "UserCreated",
        "image": "mcr.microsoft.com/azureml/minimal-py312-inference:20260101.v1",
        "condaFile": json.dumps(
            {"dependencies": ["python=3.12", {"pip": ["azureml-inference-server-http==1.5.1"]}]}, indent=2
        ),
        "osType": "Linux",
        "autoRebuild": "Disabled",
        "provisioningState": "Succeeded",
        "stage": "Development",
    }
    return _with({**identity_of(ENVIRONMENT), "properties": properties}, changes)


def code():
    """A code version as Azure answers it."""
    return {**identity_of(CODE), "properties": {"codeUri": f"{STORE}/LocalUpload/abc/src"}}


def _with(body, changes):
    for path, value in changes.items():
        put(body, path.replace("__", "."), value)
    return body


def workspace_of(resources=None, **replaced):
    """Live: the five resources above, some replaced, others added; ``None`` takes one away."""
    found = {
        ENDPOINT: replaced.get("endpoint") or endpoint(),
        BLUE: replaced.get("deployment") or deployment(),
        MODEL: replaced.get("model") or model(),
        ENVIRONMENT: replaced.get("environment") or environment(),
        CODE: code(),
        **(resources or {}),
    }
    return Live(deepcopy(WORKSPACE), {ref: body for ref, body in found.items() if body is not None})


def owned(live):
    """The same with our mark on everything that can carry it."""
    marked = dict(live.resources)
    for ref, body in live.resources.items():
        if ref.kind != "code":
            marked[ref] = deepcopy(body)
            holder = marked[ref] if ref.kind in ("endpoint", "deployment") else marked[ref]["properties"]
            holder["tags"] = {**(holder.get("tags") or {}), **OURS}
    return replace(live, resources=marked)


@dataclass
class Trip:
    """An import and what became of it. ``texts`` are the files, ``plan`` is of all of them together."""

    imported: object
    texts: dict
    plan: object = None
    findings: tuple = ()

    @property
    def changes(self):
        """Every field that a plan would change, and every refusal, as text."""
        changed = [f"{action.verb} {action.ref} {c.path}" for action in self.plan.actions for c in action.changes]
        return changed + [f"refused {r.resource} {r.rule} {r.field}" for r in self.plan.refusals]

    @property
    def verbs(self):
        return sorted({str(action.verb) for action in self.plan.actions})

    def rules(self, resource=None):
        return [note.rule for note in self.imported.notes if resource in (None, note.resource)]

    def data(self, path):
        return parse(self.texts[path].encode(), path)[0][0].data


def asked(*, network="managed_vnet", **options):
    """A question about the environment ``test`` of the project ``shop``."""
    options.setdefault("context", Context("test", network))
    return Ask("shop/test", TARGET, **options)


def round_trip(live, *, defaults=None, network="managed_vnet", **options):
    """Import ``live`` and plan what was written against it."""
    found = imported(live, asked(network=network, defaults=defaults or {}, **options))
    texts = {file.path: text_of(file.content) for file in found.files}
    documents, survey = [], {}
    for path, text in texts.items():
        (document,), wrong = parse(text.encode(), path)
        assert not wrong
        if path.endswith(".conda.yml"):
            survey[path] = LocalPath(path, "file", (path.rpartition("/")[2],), 1, {path: text}, document.data)
        else:
            documents.append(document)
    offered = {kind: Document(data, {(): Position("gitops.yaml")}) for kind, data in (defaults or {}).items()}
    composed, fit = compose(documents, (), defaults=offered, variables={})
    validated = validate(composed, Context("test", network), survey)
    errors = tuple(f for f in (*fit, *validated.findings) if f.severity == "error")
    trip = Trip(found, texts, findings=errors)
    if not errors:
        wanted = desired(validated.manifests, Desire("shop", TARGET, survey))
        trip.plan = plan(wanted, live, replace(INTENT, network=network))
    return trip
