"""What an import leaves out, and what it tells: owners, secrets, privacy, what no manifest can say, defaults."""

from __future__ import annotations

import ast
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from round_trip import (
    BLUE,
    CODE,
    ENDPOINT,
    ENVIRONMENT,
    MODEL,
    OURS,
    asked,
    deployment,
    endpoint,
    environment,
    identity_of,
    model,
    owned,
    round_trip,
    scoped,
    workspace_of,
)

from reconciler.domain import Live, Ref
from reconciler.imported import imported, lists_assets
from reconciler.kinds import KINDS
from reconciler.load.yaml_reader import parse
from reconciler.plan.diff import merged

THEIRS = {"aml-gitops-owner": "another/prod"}
GREEN = Ref("deployment", "churn", "green")


def notes_of(trip, ref):
    return [(note.rule, note.message) for note in trip.imported.notes if note.resource == str(ref)]


def ignored(trip, path):
    return trip.data(path).get("gitops", {}).get("ignore", [])


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_what_is_ours_gets_no_adopt_and_keeps_its_protection():
    live = owned(workspace_of(endpoint=endpoint(tags={"aml-gitops-protect": "true", "team": "risk"})))
    trip = round_trip(live, adopt=True)
    assert trip.data("churn/endpoint.yml")["gitops"] == {"protect": True}
    assert trip.data("churn/endpoint.yml")["tags"] == {"team": "risk"}
    assert (trip.changes, trip.verbs) == ([], [])


def test_without_adopt_what_is_nobodys_is_told_and_refused_by_the_plan():
    trip = round_trip(workspace_of())
    assert trip.rules() == ["not-owned", "not-owned"]
    assert [f"{r.resource} {r.rule}" for r in trip.plan.refusals] == [
        "deployment/churn/blue not-owned",
        "endpoint/churn not-owned",
    ]


def test_what_belongs_to_another_project_is_skipped_with_its_deployments():
    trip = round_trip(workspace_of(endpoint=endpoint(tags=THEIRS)))
    assert trip.texts == {}
    assert notes_of(trip, ENDPOINT) == [("not-owned", "belongs to another/prod; not imported")]
    assert notes_of(trip, BLUE)[0][0] == "not-imported"
    assert trip.imported.missed == ()


def test_an_asset_of_another_project_is_named_and_gets_no_manifest():
    trip = round_trip(owned(workspace_of()), adopt=True)
    assert "models/churn-3.yml" in trip.texts
    live = owned(workspace_of())
    theirs = {**live.resources, MODEL: model(properties__tags=THEIRS)}
    trip = round_trip(Live(live.workspace, theirs))
    assert "models/churn-3.yml" not in trip.texts
    assert trip.data("churn/blue.yml")["model"] == "azureml:churn:3"
    assert notes_of(trip, MODEL)[0][0] == "referred"
    assert trip.changes == []


def test_a_kubernetes_endpoint_is_skipped():
    for body in (endpoint(kind="K8S"), endpoint(properties__compute="/subscriptions/x/computes/aks")):
        trip = round_trip(workspace_of(endpoint=body), adopt=True)
        assert trip.texts == {}
        assert notes_of(trip, ENDPOINT)[0][0] == "unsupported-kind"
    trip = round_trip(workspace_of(deployment=deployment(properties__endpointComputeType="Kubernetes")), adopt=True)
    assert "churn/blue.yml" not in trip.texts
    assert notes_of(trip, BLUE)[0][0] == "unsupported-kind"


def test_what_is_declared_is_not_imported_again():
    live = owned(workspace_of())
    first = round_trip(live)
    (document,) = parse(first.texts["churn/endpoint.yml"].encode(), "base/churn.yml")[0]
    found = imported(live, asked(declared=frozenset({ENDPOINT, MODEL}), documents=(document,)))
    assert [file.path for file in found.files] == [
        "churn/blue.yml",
        "environments/sklearn-5.conda.yml",
        "environments/sklearn-5.yml",
    ]
    assert found.declared == (ENDPOINT,)
    assert found.notes == ()


def test_another_version_of_a_declared_model_is_only_named():
    """A second manifest of that name would make the project's short references ambiguous."""
    trip = round_trip(owned(workspace_of()), declared=frozenset({Ref("model", "churn", "0123456789abcdef")}))
    assert not [path for path in trip.texts if path.startswith("models")]
    assert trip.data("churn/blue.yml")["model"] == "azureml:churn:3"
    assert notes_of(trip, MODEL)[0][0] == "referred"


def test_an_anonymous_environment_is_only_named():
    trip = round_trip(owned(workspace_of(environment=environment(properties__isAnonymous=True))))
    assert not [path for path in trip.texts if path.startswith("environments")]
    assert trip.changes == []


# -- selection -------------------------------------------------------------------------------------------------------


WHOLE = ["churn/blue.yml", "churn/endpoint.yml", "environments", "environments", "models"]


def other(name, **more):
    body = endpoint(**more)
    return {**body, **identity_of(Ref("endpoint", name)), "properties": {**body["properties"], "traffic": {}}}


@pytest.mark.parametrize(
    ("select", "paths"),
    [
        (("endpoint/churn",), WHOLE),
        (("deployment/churn/blue",), WHOLE),
        (("traffic/churn",), ["churn/endpoint.yml"]),
        (("endpoint/spare",), ["spare/endpoint.yml"]),
        (("model/*",), ["models", "models"]),
        (("model/spare:1", "endpoint/spare"), ["models", "spare/endpoint.yml"]),
    ],
)  # fmt: skip
def test_a_selection_takes_what_it_names_and_what_that_needs(select, paths):
    spare = {Ref("endpoint", "spare"): other("spare"), Ref("model", "spare", "1"): model()}
    trip = round_trip(owned(workspace_of(spare)), select=select)
    found = [path.partition("/")[0] if path.startswith(("model", "env")) else path for path in sorted(trip.texts)]
    assert found == paths
    assert (trip.findings, trip.changes) == ((), [])


def test_unused_assets_stay_out_unless_they_are_selected():
    spare = {Ref("model", "spare", "1"): model()}
    assert not [path for path in round_trip(owned(workspace_of(spare))).texts if "spare" in path]
    assert lists_assets(("model/*",))
    assert lists_assets(("*",))
    assert not lists_assets(("endpoint/*", "deployment/a/b"))


def test_a_selection_that_means_nothing_is_handed_back():
    assert imported(workspace_of(), asked(select=("endpoint/chrun", "endpoint/churn"))).unmatched == ("endpoint/chrun",)


def test_weights_of_a_deployment_that_is_not_imported_are_left_to_live():
    theirs = {**deployment(tags=THEIRS), **identity_of(GREEN)}
    live = owned(workspace_of(endpoint=endpoint(properties__traffic={"blue": 90, "green": 10})))
    trip = round_trip(Live(live.workspace, {**live.resources, GREEN: theirs}))
    assert "traffic" not in trip.data("churn/endpoint.yml")
    assert ignored(trip, "churn/endpoint.yml") == ["properties.traffic"]
    assert (trip.findings, trip.changes) == ((), [])


# -- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "Zm9vYmFy" * 4
CANARY = "canary-7f3a9e1c"


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        ("DB_PASSWORD", CANARY, "DB_PASSWORD"),
        ("CONNECTION", f"Server=x;Password={CANARY};", "CONNECTION"),
        ("KEYS.API_KEY", CANARY, "KEYS.API_KEY"),
        ("my secret", CANARY, "my?secret"),
        ("A[1]_TOKEN", CANARY, "A?1?_TOKEN"),
        ("token.", CANARY, "token?"),
        ("x..token", CANARY, "x?.token"),
        ("HOST", f"https://{CANARY}:{SECRET}@acme.example/x", "HOST"),
    ],
)  # fmt: skip
def test_a_secret_is_written_nowhere_and_stays_live(name, value, pattern):
    variables = {name: value, "MODE": "fast", "AML_APP_ROOT": "x"}
    live = owned(workspace_of(deployment=deployment(properties__environmentVariables=variables)))
    trip = round_trip(live)
    everything = str(trip.texts) + str(trip.imported)
    assert CANARY not in everything
    assert SECRET not in everything
    assert (trip.findings, trip.changes) == ((), [])
    assert trip.data("churn/blue.yml")["environment_variables"] == {"MODE": "fast"}
    (note,) = [message for rule, message in notes_of(trip, BLUE) if rule == "literal-secret"]
    assert "key vault" in note
    (found,) = [p for p in ignored(trip, "churn/blue.yml") if p.startswith("properties.environmentVariables")]
    assert found == f"properties.environmentVariables.{pattern}"
    assert fnmatchcase(f"properties.environmentVariables.{name}", found)


def test_a_secret_survives_every_write_of_its_deployment():
    """The ignored variable is in the body that is sent, although the manifest does not have it."""
    variables = {"DB_PASSWORD": CANARY, "MODE": "fast"}
    live = owned(workspace_of(deployment=deployment(properties__environmentVariables=variables)))
    trip = round_trip(live)
    pattern = ignored(trip, "churn/blue.yml")
    kind = KINDS["deployment"]
    wanted = kind.body({"environment_variables": {"MODE": "slow"}, "instance_type": "Standard_DS3_v2"})
    sent = merged(kind, wanted, live.resources[BLUE], pattern)
    assert sent["properties"]["environmentVariables"] == {"DB_PASSWORD": CANARY, "MODE": "slow"}


def test_ignored_tags_and_properties_stay_in_the_body_that_is_sent():
    kind = KINDS["endpoint"]
    marks = {**OURS, "aml-gitops-tags": "team,cost"}
    body = endpoint(tags={**marks, "team": "theirs", "cost": "1"}, properties__properties={"a": "live"})
    wanted = kind.body({"tags": {"team": "ours"}, "properties": {"a": "ours"}, "auth_mode": "key"})
    sent = merged(kind, wanted, body, ("tags.team", "tags.cost", "properties.properties.*"))
    assert {key: value for key, value in sent["tags"].items() if key not in marks} == {"team": "theirs", "cost": "1"}
    assert sent["properties"]["properties"] == {"a": "live"}


def test_a_secret_in_a_tag_or_description_stays_out_too():
    live = owned(workspace_of(endpoint=endpoint(tags={"api_key": CANARY}, properties__description=f"pwd={CANARY}")))
    trip = round_trip(live)
    assert CANARY not in str(trip.texts) + str(trip.imported)
    assert ignored(trip, "churn/endpoint.yml") == ["properties.description", "tags.api_key"]
    assert (trip.findings, trip.changes) == ((), [])


def test_an_environment_with_a_secret_in_its_conda_file_is_only_named():
    conda = f'{{"dependencies": ["python=3.12", {{"pip": ["--index-url https://u:{SECRET}@feed.example/simple"]}}]}}'
    trip = round_trip(owned(workspace_of(environment=environment(properties__condaFile=conda))))
    assert SECRET not in str(trip.texts) + str(trip.imported)
    assert not [path for path in trip.texts if path.startswith("environments")]
    assert notes_of(trip, ENVIRONMENT)[0][0] == "referred"
    assert (trip.findings, trip.changes) == ((), [])


def test_a_template_marker_is_left_to_live():
    variables = {"HOME_DIR": "$HOME/x", "MODE": "fast"}
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__environmentVariables=variables))))
    assert trip.data("churn/blue.yml")["environment_variables"] == {"MODE": "fast"}
    assert (trip.findings, trip.changes) == ((), [])


def test_a_reference_to_a_key_vault_is_written():
    value = "${{keyvault:https://acme.vault.azure.net/secrets/db}}"
    variables = {"DB_PASSWORD": value}
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__environmentVariables=variables))))
    assert trip.data("churn/blue.yml")["environment_variables"] == variables
    assert (trip.findings, trip.changes) == ((), [])


# -- private ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["Enabled", None])
def test_an_open_endpoint_is_written_closed(access):
    trip = round_trip(owned(workspace_of(endpoint=endpoint(properties__publicNetworkAccess=access))))
    assert trip.data("churn/endpoint.yml")["public_network_access"] == "disabled"
    assert trip.changes == ["update endpoint/churn properties.publicNetworkAccess"]
    assert "the next apply closes it" in dict(notes_of(trip, ENDPOINT))["private"]


def test_an_open_endpoint_is_closed_by_the_default_that_the_project_has():
    defaults = {"endpoint": {"public_network_access": "disabled"}}
    trip = round_trip(
        owned(workspace_of(endpoint=endpoint(properties__publicNetworkAccess="Enabled"))), defaults=defaults
    )
    assert "public_network_access" not in trip.data("churn/endpoint.yml")
    assert trip.changes == ["update endpoint/churn properties.publicNetworkAccess"]


@pytest.mark.parametrize("egress", ["Enabled", "disabled"])
def test_egress_with_the_older_isolation(egress):
    image = environment(properties__image="acme.azurecr.io/x/y:1", properties__condaFile=None)
    body = deployment(properties__egressPublicNetworkAccess=egress)
    trip = round_trip(owned(workspace_of(deployment=body, environment=image)), network="legacy_egress")
    assert trip.findings == ()
    assert trip.data("churn/blue.yml")["egress_public_network_access"] == "disabled"
    refused = ["refused deployment/churn/blue immutable properties.egressPublicNetworkAccess"]
    assert trip.changes == (refused if egress == "Enabled" else [])
    assert ("private" in dict(notes_of(trip, BLUE))) is (egress == "Enabled")


# -- what no manifest can say ----------------------------------------------------------------------------------------

TIMEOUT, SCALE = "properties.requestSettings.requestTimeout", "properties.scaleSettings.scaleType"


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("deployment", {"location": "East US 2"}, "location"),
        ("deployment", {"sku__name": "Premium"}, "sku.name"),
        ("deployment", {"sku__capacity": 60}, "sku.capacity"),
        ("deployment", {"properties__requestSettings__requestTimeout": "PT4M"}, TIMEOUT),
        ("deployment", {"properties__requestSettings": None}, TIMEOUT),
        ("deployment", {"properties__requestSettings__requestTimeout": "soon"}, TIMEOUT),
        ("deployment", {"properties__livenessProbe__period": "PT0.5S"}, "properties.livenessProbe.period"),
        ("deployment", {"properties__livenessProbe": None}, "properties.livenessProbe.failureThreshold"),
        ("deployment", {"properties__appInsightsEnabled": None}, "properties.appInsightsEnabled"),
        ("deployment", {"properties__scaleSettings__scaleType": "TargetUtilization"}, SCALE),
        ("deployment", {"properties__dataCollector": {"collections": {
            "a": {"dataCollectionMode": "Enabled", "samplingRate": 0.1}, "b": {"samplingRate": 0.2}}}},
         "properties.dataCollector"),
        ("deployment", {"properties__dataCollector": {"collections": {}}}, "properties.dataCollector"),
        ("deployment", {"properties__model": scoped(Ref("model", "gone", "1"))}, "properties.model"),
        ("endpoint", {"identity__type": "SystemAssigned,UserAssigned",
                      "identity__userAssignedIdentities": {"/x/a": {}, "/x/b": {}}}, "identity.type"),
        ("endpoint", {"identity__type": "SystemAssigned,UserAssigned",
                      "identity__userAssignedIdentities": {"/x/a": {}}}, "identity.userAssignedIdentities"),
        ("endpoint", {"identity": None}, "identity.type"),
        ("endpoint", {"properties__traffic": {"blue": 60}}, "properties.traffic"),
        ("endpoint", {"properties__mirrorTraffic": {"blue": 10}}, "properties.mirrorTraffic"),
        ("model", {"properties__description": "${UNFILLED} pwd=0123456789abcdef"}, "properties.description"),
        ("model", {"properties__tags": {"x": "<fill-me>"}}, "properties.tags.x"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
@pytest.mark.parametrize("adopt", [False, True], ids=["ours", "nobody's"])
def test_what_no_manifest_can_say_is_left_to_live(kind, changes, path, adopt):
    make = {"deployment": deployment, "endpoint": endpoint, "model": model}[kind]
    live = workspace_of(**{kind: make(**changes)})
    trip = round_trip(live if adopt else owned(live), adopt=adopt)
    file = {"deployment": "churn/blue.yml", "endpoint": "churn/endpoint.yml", "model": "models/churn-3.yml"}[kind]
    assert trip.findings == ()
    assert path in ignored(trip, file)
    assert (trip.changes, trip.verbs) == ([], ["adopt"] if adopt else [])
    assert trip.imported.notes
    assert trip.imported.missed == ()


def test_a_deployment_that_no_manifest_can_be_is_missed_and_told():
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__instanceType=None))))
    assert trip.imported.missed == (BLUE,)
    assert "instance_type" in dict(notes_of(trip, BLUE))["not-imported"]
    assert sorted(trip.texts) == ["churn/endpoint.yml"]  # Assets that only it used stay out.
    assert (trip.findings, trip.changes) == ((), [])


@pytest.mark.parametrize(
    "conda", ["name: x\ndependencies: [python]", "[1, 2]", "{not json"], ids=["yaml", "list", "broken"]
)
def test_a_conda_file_that_is_no_json_mapping_cannot_be_compared(conda):
    trip = round_trip(owned(workspace_of(environment=environment(properties__condaFile=conda))))
    assert not [path for path in trip.texts if path.startswith("environments")]
    assert notes_of(trip, ENVIRONMENT)[0][0] == "referred"
    assert (trip.findings, trip.changes) == ((), [])


@pytest.mark.parametrize(
    "changes",
    [{"properties__image": "docker.io/library/python:3.12"}, {"properties__image": "mcr.microsoft.com/x:latest"},
     {"properties__image": None},
     {"properties__inferenceConfig": {"livenessRoute": {"path": "/", "port": 5001}}}],
)  # fmt: skip
def test_an_environment_that_the_rules_refuse_is_only_named(changes):
    trip = round_trip(owned(workspace_of(environment=environment(**changes))))
    assert not [path for path in trip.texts if path.startswith("environments")]
    assert trip.data("churn/blue.yml")["environment"] == "azureml:sklearn:5"
    assert (trip.findings, trip.changes) == ((), [])
    assert trip.imported.missed == ()


def test_a_model_whose_address_reads_like_a_local_path_is_only_named():
    trip = round_trip(owned(workspace_of(model=model(properties__modelUri="models/churn"))))
    assert not [path for path in trip.texts if path.startswith("models")]
    assert (trip.findings, trip.changes) == ((), [])


def test_what_lies_in_another_workspace_is_spelled_out():
    uri = model()["properties"]["modelUri"].replace("/workspaces/ws/", "/workspaces/another/")
    there = scoped(MODEL).replace("/workspaces/ws/", "/workspaces/another/")
    live = workspace_of(model=model(properties__modelUri=uri), deployment=deployment(properties__model=there))
    trip = round_trip(owned(live), select=("endpoint/churn", "model/churn:3"))
    assert trip.data("models/churn-3.yml")["path"] == uri
    assert trip.data("churn/blue.yml")["model"] == there
    assert (trip.findings, trip.changes) == ((), [])


def test_the_flavors_of_an_mlflow_model_are_azures_to_read():
    flavors = {"python_function": {"data": {"loader_module": "mlflow.sklearn"}}}
    body = model(properties__modelType="mlflow_model", properties__flavors=flavors)
    trip = round_trip(owned(workspace_of(model=body)))
    assert "flavors" not in trip.data("models/churn-3.yml")
    assert trip.changes == []


@pytest.mark.parametrize("state", ["Failed", "Canceled", "Creating", "Updating"])
def test_a_state_that_may_not_be_the_last_is_told(state):
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__provisioningState=state))))
    assert "churn/blue.yml" in trip.texts
    assert state in dict(notes_of(trip, BLUE))["state"]


def test_what_is_being_deleted_is_imported_and_comes_again():
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__provisioningState="Deleting"))))
    assert "create it again" in dict(notes_of(trip, BLUE))["state"]
    assert trip.verbs == ["create"]


def test_a_reference_that_moves_leaves_nothing_that_could_be_declared():
    label = "azureml://registries/azureml/environments/x/labels/latest"
    trip = round_trip(owned(workspace_of(deployment=deployment(properties__environmentId=label))))
    assert trip.imported.missed == (BLUE,)
    assert "mutable-reference" in trip.rules(str(BLUE))
    assert (trip.findings, trip.changes) == ((), [])


# -- the project's own defaults --------------------------------------------------------------------------------------


def test_a_default_that_live_agrees_with_is_not_written_again():
    defaults = {
        "endpoint": {"public_network_access": "disabled", "tags": {"team": "risk"}},
        "deployment": {"instance_count": 3, "environment_variables": {"MODE": "fast"}},
    }
    live = owned(
        workspace_of(
            endpoint=endpoint(tags={"team": "risk"}),
            deployment=deployment(sku__capacity=3, properties__environmentVariables={"MODE": "fast"}),
        )
    )
    trip = round_trip(live, defaults=defaults)
    assert "tags" not in trip.texts["churn/endpoint.yml"]
    assert "public_network_access" not in trip.texts["churn/endpoint.yml"]
    assert "instance_count" not in trip.texts["churn/blue.yml"]
    assert (trip.findings, trip.changes) == ((), [])


def test_a_documented_default_is_written_where_the_project_has_another():
    defaults = {
        "endpoint": {"auth_mode": "aad_token", "tags": {"team": "risk"}, "location": "westus"},
        "deployment": {
            "instance_count": 3,
            "app_insights_enabled": True,
            "request_settings": {"request_timeout_ms": 90000},
            "liveness_probe": {"period": 30, "timeout": 9},
        },
    }
    trip = round_trip(owned(workspace_of(endpoint=endpoint(tags={"team": "fraud"}))), defaults=defaults)
    assert trip.data("churn/endpoint.yml")["auth_mode"] == "key"
    assert trip.data("churn/endpoint.yml")["tags"] == {"team": "fraud"}
    assert trip.data("churn/endpoint.yml")["location"] == "westeurope"
    blue = trip.data("churn/blue.yml")
    assert (blue["instance_count"], blue["app_insights_enabled"]) == (1, False)
    assert blue["request_settings"] == {"request_timeout_ms": 5000}
    assert blue["liveness_probe"] == {"period": 10, "timeout": 2}
    assert (trip.findings, trip.changes) == ((), [])


def test_a_default_that_live_does_not_have_is_told():
    defaults = {"endpoint": {"tags": {"team": "risk"}, "description": "ours"}}
    trip = round_trip(owned(workspace_of()), defaults=defaults)
    told = [message for rule, message in notes_of(trip, ENDPOINT) if rule == "default"]
    assert ["properties.description" in told[0], "tags.team" in told[1]] == [True, True]
    assert trip.changes == ["update endpoint/churn properties.description", "update endpoint/churn tags.team"]


# -- files -----------------------------------------------------------------------------------------------------------


def test_names_that_are_one_on_disk_get_files_of_their_own():
    refs = [Ref("model", "Churn", "1"), Ref("model", "churn", "1"), Ref("model", "a-b", "c"), Ref("model", "a", "b-c")]
    refs += [Ref("model", "Xy", "1"), Ref("model", "xY", "1")]
    found = {ref: {**model(), "name": ref.part} for ref in refs}
    trip = round_trip(owned(workspace_of(found)), select=("model/*",))
    assert sorted(trip.texts) == [
        "models/Churn-1.yml", "models/Xy-1.yml", "models/a-b-c-2.yml", "models/a-b-c.yml", "models/churn-1-2.yml",
        "models/churn-3.yml", "models/xY-1-2.yml",
    ]  # fmt: skip
    assert len([note for note in trip.imported.notes if note.rule == "name"]) == 3
    assert (trip.findings, trip.changes) == ((), [])


def test_a_deployment_called_endpoint_does_not_overwrite_its_endpoint():
    ref = Ref("deployment", "churn", "endpoint")
    trip = round_trip(owned(workspace_of({ref: {**deployment(), **identity_of(ref)}})))
    assert {"churn/endpoint.yml", "churn/endpoint.deployment.yml"} <= set(trip.texts)
    assert (trip.findings, trip.changes) == ((), [])


def test_a_name_longer_than_a_file_name_may_be():
    ref = Ref("model", "m" * 200, "v" * 200)
    trip = round_trip(owned(workspace_of({ref: model()})), select=("model/*",))
    assert max(len(path.rpartition("/")[2]) for path in trip.texts) < 200
    assert trip.changes == []


def test_an_import_is_the_same_whatever_the_order_of_live():
    live = owned(workspace_of())
    turned = replace(live, resources=dict(reversed(live.resources.items())))
    assert imported(live, asked()) == imported(turned, asked())


def test_a_code_version_that_is_gone_is_left_to_live():
    trip = round_trip(owned(workspace_of({CODE: None})))
    assert "unresolved-reference" in trip.rules(str(BLUE))
    assert trip.imported.missed == (BLUE,)  # A custom model without a script: nothing that validation would let pass.
    assert (trip.findings, trip.changes) == ((), [])


# -- the page --------------------------------------------------------------------------------------------------------


def test_every_sort_of_note_is_explained():
    root = Path(__file__).parents[2]
    calls = {
        node.args[0].value
        for file in (root / "reconciler" / "imported").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Note" and node.args
        if isinstance(node.args[0], ast.Constant)
    }
    text = (root / "docs" / "import.md").read_text()
    assert len(calls) >= 8
    assert {rule for rule in calls if f"| `{rule}`" not in text} == {"name"}  # told under "What is written"
