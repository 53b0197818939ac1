"""What a plan does about desired and live: one behaviour a test."""

import json
from dataclasses import replace

import pytest
from builders import (
    ALL,
    BLUE,
    DEPLOYMENT,
    EMPTY,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    INTENT,
    MODEL,
    SURVEY,
    TARGET,
    changed,
    live_of,
    only,
    planned,
    resources,
    verbs,
    without,
)

from reconciler.domain import Ref, Result, Verb


def test_everything_is_created_in_an_order_that_works():
    plan = planned(resources(*ALL), EMPTY)
    assert verbs(plan) == [
        ("create", "code/shop:cccccccccccccccc"),
        ("create", "model/churn:1"),
        ("create", "environment/sklearn:5"),
        ("create", "endpoint/churn"),
        ("create", "deployment/churn/blue"),
        ("update", "traffic/churn"),
    ]


def test_nothing_is_done_when_live_says_what_the_manifests_say():
    wanted = resources(*ALL)
    plan = planned(wanted, live_of(wanted))
    assert plan.actions == ()
    assert len(plan.unchanged) == 6
    assert plan.drift == plan.refusals == plan.warnings == ()


def test_the_new_endpoint_is_created_without_traffic_and_gets_it_last():
    plan = planned(resources(*ALL), EMPTY)
    bodies = {str(action.ref): action.body for action in plan.actions}
    assert "traffic" not in bodies["endpoint/churn"]["properties"]
    assert bodies["traffic/churn"]["properties"]["traffic"] == {"blue": 100}
    assert bodies["traffic/churn"]["properties"]["publicNetworkAccess"] == "Disabled"


@pytest.mark.parametrize(
    ("kind", "old", "new", "path", "before", "after"),
    [
        ("endpoint", "auth_mode: key", "auth_mode: aad_token", "properties.authMode", "Key", "AADToken"),
        ("endpoint", "team: risk", "team: sales", "tags.team", "risk", "sales"),
        ("deployment", "MODE: fast", "MODE: slow", "properties.environmentVariables.MODE", "fast", "slow"),
        ("deployment", "endpoint_name: churn", "endpoint_name: churn\ninstance_count: 3", "sku.capacity", 1, 3),
        (
            "deployment",
            "endpoint_name: churn",
            "endpoint_name: churn\nrequest_settings: {request_timeout_ms: 90000}",
            "properties.requestSettings.requestTimeout",
            "PT5S",
            "PT1M30S",
        ),
    ],
)
def test_an_edited_line_is_exactly_that_line_in_the_plan(kind, old, new, path, before, after):
    live = live_of(resources(*ALL))
    texts = [text.replace(old, new) for text in ALL]
    action = only(planned(resources(*texts), live))
    assert action.verb is Verb.UPDATE
    assert action.ref.kind == kind
    assert action.reason == "changed in Git"
    assert [(c.path, c.before, c.after) for c in action.changes] == [(path, before, after)]


def test_a_removed_line_goes_back_to_the_documented_default():
    patched = DEPLOYMENT + "liveness_probe: {period: 30}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, patched))
    action = only(planned(resources(*ALL), live))
    (change,) = action.changes
    assert (change.path, change.before, change.after) == ("properties.livenessProbe.period", "PT30S", "PT10S")
    assert change.reason == "documented default"


def test_an_endpoint_put_carries_live_traffic_and_unknown_fields():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{"properties.futureField": {"x": 1}})
    texts = [text.replace("auth_mode: key", "auth_mode: aad_token") for text in ALL]
    body = only(planned(resources(*texts), live)).body
    assert body["properties"]["traffic"] == {"blue": 100}
    assert body["properties"]["futureField"] == {"x": 1}
    assert body["properties"]["publicNetworkAccess"] == "Disabled"
    assert "principalId" not in body["identity"]
    assert "scoringUri" not in body["properties"]
    assert "azureml.onlineendpointid" not in body["properties"]["properties"]


def test_a_manifest_without_traffic_leaves_live_traffic_alone():
    live = live_of(resources(*ALL))
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    assert planned(resources(MODEL, ENVIRONMENT, silent, DEPLOYMENT), live).actions == ()


def test_zero_weights_and_letter_case_are_no_difference():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{"properties.traffic": {"Blue": 100, "green": 0}})
    assert planned(resources(*ALL), live).actions == ()


def test_azures_spelling_is_no_difference():
    live = live_of(resources(*ALL))
    live = changed(
        live,
        BLUE,
        **{
            "properties.instanceType": "STANDARD_DS3_V2",
            "properties.livenessProbe.period": "PT0M10S",
            "properties.model": "azureml://locations/westeurope/workspaces/abc/models/churn/versions/1",
            "location": "West Europe",
        },
    )
    assert planned(resources(*ALL), live).actions == ()


def test_without_a_version_new_bytes_are_a_new_version():
    unversioned = MODEL.replace("version: 1", "")
    deployment = DEPLOYMENT.replace("azureml:churn:1", "azureml:churn")
    live = live_of(resources(unversioned, ENVIRONMENT, ENDPOINT, deployment))
    other = {**SURVEY, "model": replace(SURVEY["model"], digest="b" * 64)}
    plan = planned(resources(unversioned, ENVIRONMENT, ENDPOINT, deployment, survey=other), live)
    assert verbs(plan) == [
        ("create", "model/churn:bbbbbbbbbbbbbbbb"),
        ("update", "deployment/churn/blue"),
        ("delete", "model/churn:aaaaaaaaaaaaaaaa"),
    ]


def test_changed_code_is_a_new_code_version_and_a_change_of_the_deployment():
    live = live_of(resources(*ALL))
    other = {**SURVEY, "src": replace(SURVEY["src"], digest="d" * 64)}
    plan = planned(resources(*ALL, survey=other), live)
    assert verbs(plan) == [("create", "code/shop:dddddddddddddddd"), ("update", "deployment/churn/blue")]
    assert [c.path for c in plan.actions[1].changes] == ["properties.codeConfiguration.codeId"]


def test_an_ignored_path_is_neither_compared_nor_sent():
    texts = (MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT + "gitops: {ignore: [sku.capacity]}\n")
    live = changed(live_of(resources(*texts)), BLUE, **{"sku.capacity": 9})
    assert planned(resources(*texts), live).actions == ()
    slower = [text.replace("MODE: fast", "MODE: slow") for text in texts]
    assert only(planned(resources(*slower), live)).body["sku"]["capacity"] == 9


def test_what_is_being_deleted_is_created_anew():
    live = changed(live_of(resources(*ALL)), BLUE, **{"properties.provisioningState": "Deleting"})
    action = next(a for a in planned(resources(*ALL), live).actions if a.ref == BLUE)
    assert action.verb is Verb.CREATE
    assert "being deleted" in action.reason


def test_a_reference_that_nobody_has_is_refused():
    plan = planned(resources(ENVIRONMENT, ENDPOINT, DEPLOYMENT), EMPTY)
    assert [(r.rule, r.resource) for r in plan.refusals] == [("unresolved-reference", "deployment/churn/blue")]
    live = live_of(resources(*ALL))
    assert planned(resources(ENVIRONMENT, ENDPOINT, DEPLOYMENT), live).refusals == ()


def test_plans_do_not_depend_on_the_order_of_input():
    wanted = resources(*ALL)
    live = without(live_of(wanted), BLUE)
    shuffled = replace(live, resources=dict(reversed(live.resources.items())))
    first, second = planned(wanted, live), planned(tuple(reversed(wanted)), shuffled)
    assert first == second
    assert json.dumps(first.digest) == json.dumps(second.digest)


def test_the_digest_moves_with_live_desired_and_revision():
    wanted = resources(*ALL)
    live = live_of(wanted)
    digests = {
        planned(wanted, live).digest,
        planned(wanted, changed(live, ENDPOINT_REF, **{"tags.x": "y"})).digest,
        planned(wanted, live, replace(INTENT, revision="other")).digest,
        planned(resources(MODEL, ENVIRONMENT, ENDPOINT.replace("risk", "sales"), DEPLOYMENT), live).digest,
    }
    assert len(digests) == 4


def test_results_are_past_tense():
    assert {result.value for result in Result} >= {"created", "updated", "replaced", "deleted", "adopted"}


def test_azures_spelling_stays_when_another_field_is_written():
    live = changed(live_of(resources(*ALL)), BLUE, **{"properties.instanceType": "STANDARD_DS3_V2"})
    slower = [text.replace("MODE: fast", "MODE: slow") for text in ALL]
    assert only(planned(resources(*slower), live)).body["properties"]["instanceType"] == "STANDARD_DS3_V2"


def test_a_model_that_azure_moved_is_the_same_model():
    ref = Ref("model", "churn", "1")
    live = live_of(resources(*ALL))
    moved = live.resources[ref]["properties"]["modelUri"].replace("/paths/", "/paths/ServiceReplicated/ab-12/")
    live = changed(live, ref, **{"properties.modelUri": moved})
    assert planned(resources(*ALL), live).actions == ()
    described = resources(MODEL + "description: new\n", ENVIRONMENT, ENDPOINT, DEPLOYMENT)
    assert only(planned(described, live)).body["properties"]["modelUri"] == moved


@pytest.mark.parametrize("prefix", ["azureml:", ""])
def test_an_arm_id_of_the_own_workspace_is_a_reference_like_any_other(prefix):
    long = DEPLOYMENT.replace("azureml:churn:1", f"{prefix}{TARGET.scope}/models/churn/versions/1")
    wanted = resources(MODEL, ENVIRONMENT, ENDPOINT, long)
    deployment = next(r for r in wanted if r.ref == BLUE)
    assert Ref("model", "churn", "1") in deployment.needs
    assert deployment.body["properties"]["model"] == f"{TARGET.scope}/models/churn/versions/1"


def test_nulls_and_additions_of_azure_inside_a_structure_are_no_difference():
    collecting = DEPLOYMENT + "data_collector: {collections: {request: {enabled: 'true'}}}\n"
    texts = (MODEL, ENVIRONMENT, ENDPOINT, collecting)
    live = live_of(resources(*texts))
    collector = "properties.dataCollector"
    live = changed(
        live,
        BLUE,
        **{
            f"{collector}.requestLogging": None,
            f"{collector}.collections.request.dataId": "/subscriptions/x/data/filled-in/versions/1",
            f"{collector}.collections.request.clientId": None,
            "properties.codeConfiguration.newField": None,
        },
    )
    assert planned(resources(*texts), live).actions == ()


def test_a_variable_that_azure_also_injects_converges_when_the_manifest_names_it():
    own = DEPLOYMENT.replace("{MODE: fast}", "{AML_APP_ROOT: /var/azureml-app/src}")
    texts = (MODEL, ENVIRONMENT, ENDPOINT, own)
    assert planned(resources(*texts), live_of(resources(*texts))).actions == ()


def test_plans_of_two_workspaces_are_two_plans():
    wanted = resources(*ALL)
    here = replace(EMPTY, workspace={**EMPTY.workspace, "id": "/a"})
    there = replace(EMPTY, workspace={**EMPTY.workspace, "id": "/b"})
    assert planned(wanted, here).digest != planned(wanted, there).digest


def test_endpoint_properties_of_another_hand_are_carried_through_a_put():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{"properties.properties.theirs": "kept"})
    texts = [text.replace("auth_mode: key", "auth_mode: aad_token") for text in ALL]
    assert only(planned(resources(*texts), live)).body["properties"]["properties"] == {"theirs": "kept"}
