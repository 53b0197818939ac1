"""Every field of every kind goes backwards: live to manifest, and the manifest plans to nothing."""

from __future__ import annotations

import pytest
from round_trip import MODEL, deployment, endpoint, environment, model, owned, round_trip, scoped, workspace_of

from reconciler.imported.draft import _ORDER
from reconciler.kinds import KINDS
from reconciler.kinds.forms import Form
from reconciler.kinds.kind import get
from reconciler.plan.diff import _restricted
from schemas.kinds import MODELS

FILES = {
    "endpoint": ("churn/endpoint.yml", endpoint),
    "traffic": ("churn/endpoint.yml", endpoint),
    "deployment": ("churn/blue.yml", deployment),
    "model": ("models/churn-3.yml", model),
    "environment": ("environments/sklearn-5.yml", environment),
}
UAI = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
ELSEWHERE = "azureml://locations/westeurope/workspaces/0f0f0f0f-0000-0000-0000-000000000000"
COLLECTOR = {
    "collections": {
        "request": {"dataCollectionMode": "Enabled", "samplingRate": 0.5, "dataId": None, "clientId": "c"},
        "response": {"dataCollectionMode": "disabled", "samplingRate": 0.5},
    },
    "rollingRate": "Day",
    "requestLogging": {"captureHeaders": ["x-a", "x-b"]},
}
ABSENT = "not written"

# Kind, ARM path, what Azure answers, what the manifest says at the field's key.
SAMPLES = [
    ("endpoint", "location", "West US", "westus"),
    ("endpoint", "location", "WestEurope", ABSENT),
    ("endpoint", "identity.type", "systemassigned", ABSENT),
    ("endpoint", "identity.type", "UserAssigned", "user_assigned"),
    ("endpoint", "identity.userAssignedIdentities", {UAI: {"clientId": "c"}}, [{"resource_id": UAI}]),
    ("endpoint", "properties.description", "about churn", "about churn"),
    ("endpoint", "properties.description", "", ""),
    ("endpoint", "properties.authMode", "aadtoken", "aad_token"),
    ("endpoint", "properties.authMode", "KEY", ABSENT),
    ("endpoint", "properties.publicNetworkAccess", "disabled", "disabled"),
    ("endpoint", "properties.properties", {"azureml.onlineendpointid": "x", "cost": "12"}, {"cost": "12"}),
    ("endpoint", "tags", {"a.b": "1e3", "none": None, "empty": ""}, {"a.b": "1e3", "empty": ""}),
    ("traffic", "properties.traffic", {"BLUE": 100, "green": 0}, {"blue": 100}),
    ("traffic", "properties.traffic", {"blue": 0}, ABSENT),
    ("traffic", "properties.traffic", None, ABSENT),
    ("traffic", "properties.mirrorTraffic", {"blue": 0}, ABSENT),
    ("deployment", "location", "westeurope", ABSENT),
    ("deployment", "properties.description", "x: y # z", "x: y # z"),
    ("deployment", "properties.properties", {"k": "0o17", "AzureAsyncOperationUri": "u"}, {"k": "0o17"}),
    ("deployment", "properties.model", f"{ELSEWHERE}/models/churn/versions/3", "azureml:churn:3"),
    ("deployment", "properties.model", None, ABSENT),
    ("deployment", "properties.model", "azureml://registries/R/models/m/versions/1",
     "azureml://registries/R/models/m/versions/1"),
    ("deployment", "properties.modelMountPath", "/var/m", "/var/m"),
    ("deployment", "properties.codeConfiguration", {"codeId": f"{ELSEWHERE}/codes/shop/versions/abc",
     "scoringScript": "a/score.py", "extra": 1}, {"code": "azureml:shop:abc", "scoring_script": "a/score.py"}),
    ("deployment", "properties.environmentId", f"{ELSEWHERE}/environments/sklearn/versions/5", "azureml:sklearn:5"),
    ("deployment", "properties.environmentVariables", {"MODE": "fast", "N": "1", "AML_APP_ROOT": "x"},
     {"MODE": "fast", "N": "1"}),
    ("deployment", "properties.appInsightsEnabled", True, True),
    ("deployment", "properties.instanceType", "standard_ds3_V2", "standard_ds3_V2"),
    ("deployment", "sku.capacity", 3, 3),
    ("deployment", "properties.scaleSettings.scaleType", "default", ABSENT),
    ("deployment", "properties.requestSettings.requestTimeout", "PT1M30S", 90000),
    ("deployment", "properties.requestSettings.requestTimeout", "PT0.0833333M", ABSENT),
    ("deployment", "properties.requestSettings.requestTimeout", "PT5.0S", ABSENT),
    ("deployment", "properties.requestSettings.maxConcurrentRequestsPerInstance", 4, 4),
    ("deployment", "properties.requestSettings.maxQueueWait", "PT0.7S", 700),
    ("deployment", "properties.requestSettings.maxQueueWait", "PT0.5S", ABSENT),
    *(
        sample
        for probe in ("livenessProbe", "readinessProbe")
        for sample in (
            ("deployment", f"properties.{probe}.initialDelay", "PT1M", 60),
            ("deployment", f"properties.{probe}.initialDelay", "P0DT0H0M10S", ABSENT),
            ("deployment", f"properties.{probe}.period", "PT15S", 15),
            ("deployment", f"properties.{probe}.timeout", "PT3S", 3),
            ("deployment", f"properties.{probe}.successThreshold", 2, 2),
            ("deployment", f"properties.{probe}.failureThreshold", 5, 5),
        )
    ),
    ("deployment", "properties.dataCollector", COLLECTOR, {
        "collections": {"request": {"enabled": True, "client_id": "c"}, "response": {"enabled": False}},
        "rolling_rate": "day", "sampling_rate": 0.5, "request_logging": {"capture_headers": ["x-a", "x-b"]}}),
    ("deployment", "properties.dataCollector", {"collections": {"request": {
        "dataCollectionMode": "Enabled", "dataId": scoped(MODEL).replace("/models/", "/data/")}}},
     {"collections": {"request": {"enabled": True, "data": "azureml:churn:3"}}}),
    ("deployment", "properties.egressPublicNetworkAccess", "Enabled", ABSENT),
    ("deployment", "tags", {"on": "yes"}, {"on": "yes"}),
    ("model", "properties.modelType", "Custom_Model", ABSENT),
    ("model", "properties.modelType", "TRITON_model", "TRITON_model"),
    ("model", "properties.modelUri", None, ABSENT),
    ("model", "properties.description", "a model", "a model"),
    ("model", "properties.stage", "Production", "Production"),
    ("model", "properties.stage", "Development", ABSENT),
    ("model", "properties.flavors", {"sklearn": {"data": {"python_version": "3.11", "code": None}}},
     {"sklearn": {"python_version": "3.11"}}),
    ("model", "properties.properties", {"azureml.labels": "x", "auc": "0.9"}, {"auc": "0.9"}),
    ("model", "properties.tags", {"team": "risk"}, {"team": "risk"}),
    ("environment", "properties.image", "acme.azurecr.io/x/y@sha256:" + "0" * 64,
     "acme.azurecr.io/x/y@sha256:" + "0" * 64),
    ("environment", "properties.condaFile", None, ABSENT),
    ("environment", "properties.condaFile", "", ABSENT),
    ("environment", "properties.inferenceConfig",
     {"livenessRoute": {"path": "/l", "port": 5001}, "readinessRoute": {"path": "/r", "port": 5001},
      "scoringRoute": {"path": "/s", "port": 5001, "extra": None}},
     {"liveness_route": {"path": "/l", "port": 5001}, "readiness_route": {"path": "/r", "port": 5001},
      "scoring_route": {"path": "/s", "port": 5001}}),
    ("environment", "properties.osType", "linux", ABSENT),
    ("environment", "properties.osType", "WINDOWS", "windows"),
    ("environment", "properties.description", "an environment", "an environment"),
    ("environment", "properties.tags", {"v": "1.10"}, {"v": "1.10"}),
]  # fmt: skip

TOLD_ELSEWHERE = {
    ("deployment", "properties.endpointComputeType"),  # constant, no manifest key: test_import_notes
    ("deployment", "sku.name"),
    ("environment", "properties.build"),  # needs an environment without image: below
}


def test_every_field_of_every_kind_has_a_sample():
    fields = {(kind.name, entry.arm) for kind in KINDS.values() if kind.name != "code" for entry in kind.fields}
    assert fields == {(kind, arm) for kind, arm, *_ in SAMPLES} | TOLD_ELSEWHERE


def test_a_form_that_changes_a_value_says_how_to_change_it_back():
    plain = Form()
    for kind in KINDS.values():
        for entry in kind.fields:
            if entry.form.to_arm is not plain.to_arm:
                assert entry.form.from_arm is not plain.from_arm, f"{kind.name}.{entry.manifest}"


@pytest.mark.parametrize(("kind", "arm", "raw", "written"), SAMPLES, ids=lambda value: str(value)[:40])
def test_backwards_and_forwards_again_means_the_same(kind, arm, raw, written):
    entry = KINDS[kind].by_arm[arm]
    if raw is not None:
        form = entry.form
        there, back = form.canonical(raw), form.canonical(form.to_arm(form.from_arm(raw)))
        assert (_restricted(there, back) if entry.structure else there) == back


@pytest.mark.parametrize("adopt", [False, True], ids=["ours", "nobody's"])
@pytest.mark.parametrize(("kind", "arm", "raw", "written"), SAMPLES, ids=lambda value: str(value)[:40])
def test_what_is_live_plans_to_nothing(kind, arm, raw, written, adopt):
    file, make = FILES[kind]
    changes = {arm.replace(".", "__"): raw}
    if arm == "identity.userAssignedIdentities":
        changes["identity__type"] = "UserAssigned"
    if (arm, raw) == ("identity.type", "UserAssigned"):
        changes["identity__userAssignedIdentities"] = {UAI: {}}
    body = make(**changes)
    live = workspace_of(**{"endpoint" if kind == "traffic" else kind: body})
    trip = round_trip(live if adopt else owned(live), adopt=adopt)
    assert trip.findings == ()
    assert trip.changes == []
    assert trip.verbs == (["adopt"] if adopt else [])
    if arm == "properties.modelUri":
        assert file not in trip.texts  # A model without an address is only named.
        return
    assert get(trip.data(file), KINDS[kind].by_arm[arm].manifest, ABSENT) == written
    assert "ignore" not in str(trip.texts), trip.imported.notes


@pytest.mark.parametrize("raw", ["PT1.5S", "PT0.001S", "PT1H", "P1DT1S", "PT0S", "never"])
@pytest.mark.parametrize("kind", ["initialDelay", "timeout"])
def test_a_duration_that_no_manifest_can_say_goes_backwards_unrounded(kind, raw):
    form = KINDS["deployment"].by_arm[f"properties.livenessProbe.{kind}"].form
    if raw == "never":
        assert form.from_arm(raw) == raw
    else:
        assert form.canonical(form.to_arm(form.from_arm(raw))) == form.canonical(raw)


def test_build_context():
    at = "https://acme.blob.core.windows.net/store/LocalUpload/0123/context/"
    for dockerfile, more in (("Dockerfile", {}), (None, {}), ("d/File", {"dockerfile_path": "d/File"})):
        body = environment(properties__image=None, properties__condaFile=None)
        body["properties"]["build"] = {"contextUri": at, "dockerfilePath": dockerfile}
        trip = round_trip(owned(workspace_of(environment=body)))
        assert (trip.findings, trip.changes) == ((), [])
        assert trip.data("environments/sklearn-5.yml")["build"] == {"path": at, **more}


def test_the_conda_file_is_a_file_beside_the_environment():
    conda = '{"name": "x", "dependencies": ["python=3.12", {"pip": ["azureml-inference-server-http==1.5.1"]}]}'
    trip = round_trip(owned(workspace_of(environment=environment(properties__condaFile=conda))))
    assert trip.changes == []
    assert trip.data("environments/sklearn-5.yml")["conda_file"] == "sklearn-5.conda.yml"
    assert trip.texts["environments/sklearn-5.conda.yml"] == (
        "name: x\ndependencies:\n  - python=3.12\n  - pip:\n      - azureml-inference-server-http==1.5.1\n"
    )


def test_keys_stand_in_the_order_in_which_a_person_writes_them():
    trip = round_trip(
        owned(workspace_of(deployment=deployment(sku__capacity=2, tags={"a": "b"}, properties__description="d")))
    )
    assert list(trip.data("churn/blue.yml")) == [
        "$schema", "name", "endpoint_name", "description", "model", "environment", "code_configuration",
        "instance_type", "instance_count", "tags",
    ]  # fmt: skip


def test_every_key_that_a_table_can_write_has_a_place_in_that_order():
    for kind in KINDS.values():
        if kind.name != "code":
            assert {entry.manifest.partition(".")[0] for entry in kind.fields} - {""} <= set(_ORDER)
    assert set(_ORDER) - {"$schema", "gitops"} <= {name for schema in MODELS.values() for name in schema.model_fields}
