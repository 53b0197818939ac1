"""What leaves, what may not leave, and what is never done: prune, guard, posture."""

from dataclasses import replace

import pytest
from builders import (
    ALL,
    DEPLOYMENT,
    EMPTY,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    INTENT,
    MODEL,
    changed,
    live_of,
    planned,
    resources,
    verbs,
)

from reconciler.domain import Limits, Live, Ref
from reconciler.plan.guard import guard, posture
from reconciler.plan.ownership import OWNER

GREEN = DEPLOYMENT.replace("name: blue", "name: green")
SPLIT = ENDPOINT.replace("{blue: 100}", "{blue: 90, green: 10}")


def guarded(wanted, live, intent=INTENT):
    return guard(planned(wanted, live, intent), wanted, live, intent)


def rules(plan):
    return [(refusal.rule, refusal.resource) for refusal in plan.refusals]


def test_a_deployment_that_left_is_drained_first_and_then_deleted():
    live = live_of(resources(MODEL, ENVIRONMENT, SPLIT, DEPLOYMENT, GREEN))
    plan = guarded(resources(*ALL), live)
    assert verbs(plan) == [("update", "traffic/churn"), ("delete", "deployment/churn/green")]
    assert plan.actions[1].needs == (Ref("traffic", "churn"),)
    assert rules(plan) == []


def test_nothing_is_deleted_while_prune_is_off_but_it_is_said():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, GREEN))
    plan = guarded(resources(*ALL), live, replace(INTENT, prune=False))
    assert plan.actions == ()
    assert [(w.rule, w.resource) for w in plan.warnings] == [("unpruned", "deployment/churn/green")]


def test_what_is_not_ours_is_never_deleted():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, GREEN))
    for owner in ({}, {OWNER: "other/test"}, {OWNER: "shop/prod"}):
        foreign = changed(live, Ref("deployment", "churn", "green"), tags=owner)
        assert guarded(resources(*ALL), foreign).actions == ()


def test_protect_outlives_the_manifest():
    protected = GREEN + "gitops: {protect: true}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, protected))
    plan = guarded(resources(*ALL), live)
    assert plan.actions == ()
    assert [(w.rule, w.resource) for w in plan.warnings] == [("protected", "deployment/churn/green")]


def test_a_serving_deployment_is_not_deleted_when_nobody_moves_its_traffic():
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    live = live_of(resources(MODEL, ENVIRONMENT, SPLIT, DEPLOYMENT, GREEN))
    plan = guarded(resources(MODEL, ENVIRONMENT, silent, DEPLOYMENT), live)
    assert ("serving", "deployment/churn/green") in rules(plan)


def test_an_endpoint_takes_its_deployments_along_in_one_action_once_confirmed():
    other = ENDPOINT.replace("name: churn", "name: heart").replace("traffic: {blue: 100}", "")
    wanted = resources(MODEL, ENVIRONMENT, other)
    live = live_of(resources(*ALL, other))
    plan = guarded(wanted, live)
    assert verbs(plan) == [("delete", "endpoint/churn")]
    assert rules(plan) == [("confirm", "endpoint/churn")]
    assert "blue 100 %" in plan.refusals[0].message
    assert rules(guarded(wanted, live, replace(INTENT, confirmed=frozenset({"endpoint/churn"})))) == []


def test_an_endpoint_with_a_foreign_deployment_is_not_deleted():
    other = ENDPOINT.replace("name: churn", "name: heart").replace("traffic: {blue: 100}", "")
    live = changed(live_of(resources(*ALL, other)), Ref("deployment", "churn", "blue"), tags={})
    plan = guarded(resources(MODEL, ENVIRONMENT, other), live)
    assert ("not-owned", "endpoint/churn") in rules(plan)


def test_traffic_to_nobody_needs_a_confirmation():
    wanted = resources(MODEL, ENVIRONMENT, ENDPOINT.replace("{blue: 100}", "{}"), DEPLOYMENT)
    live = live_of(resources(*ALL))
    assert rules(guarded(wanted, live)) == [("confirm", "traffic/churn")]
    assert rules(guarded(wanted, live, replace(INTENT, confirmed=frozenset({"traffic/churn"})))) == []


def test_assets_go_only_when_nobody_uses_them():
    newer = MODEL.replace("version: 1", "version: 2")
    live = live_of(resources(*ALL))
    both = resources(newer, ENVIRONMENT, ENDPOINT, DEPLOYMENT)
    assert verbs(guarded(both, live)) == [("create", "model/churn:2")]  # blue still needs version 1
    moved = resources(newer, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("churn:1", "churn:2"))
    assert verbs(guarded(moved, live)) == [
        ("create", "model/churn:2"),
        ("update", "deployment/churn/blue"),
        ("delete", "model/churn:1"),
    ]


def test_an_asset_that_a_foreign_deployment_uses_stays():
    live = live_of(resources(*ALL))
    neighbour = live.resources[Ref("deployment", "churn", "blue")] | {"tags": {}}
    live = Live(live.workspace, {**live.resources, Ref("deployment", "theirs", "x"): neighbour})
    newer = resources(
        MODEL.replace("version: 1", "version: 2"), ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("churn:1", "churn:2")
    )
    plan = guarded(newer, live)
    assert not [a for a in plan.actions if a.verb == "delete"]
    assert ("in-use", "model/churn:1") in [(w.rule, w.resource) for w in plan.warnings]


def test_an_empty_source_prunes_nothing():
    live = live_of(resources(*ALL))
    assert "empty-source" in [rule for rule, _ in rules(guarded((), live))]


@pytest.mark.parametrize(("gone", "refused"), [(3, False), (4, True)])
def test_the_delete_limit_counts_from_ten_on(gone, refused):
    deployments = [DEPLOYMENT.replace("name: blue", f"name: old{number}") for number in range(9)]
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, *deployments))
    kept = deployments[gone:]
    plan = guarded(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, *kept), live)
    assert (("delete-limit", "deployment") in rules(plan)) is refused


def test_the_delete_limit_is_a_setting():
    deployments = [DEPLOYMENT.replace("name: blue", f"name: old{number}") for number in range(9)]
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, *deployments))
    intent = replace(INTENT, limits=Limits(max_delete_percent=100))
    assert rules(guarded(resources(*ALL), live, intent)) == []


@pytest.mark.parametrize(
    ("network", "properties", "rule", "field"),
    [
        ("managed_vnet", {"publicNetworkAccess": "Enabled"}, "workspace-public", "properties.publicNetworkAccess"),
        ("managed_vnet", {"publicNetworkAccess": None}, "workspace-public", "properties.publicNetworkAccess"),
        ("managed_vnet", {"v1LegacyMode": True}, "workspace-v1-legacy", "properties.v1LegacyMode"),
        ("managed_vnet", {"managedNetwork": None}, "workspace-network", "properties.managedNetwork.isolationMode"),
        (
            "managed_vnet",
            {"managedNetwork": {"isolationMode": "AllowInternetOutbound", "status": {"status": "Active"}}},
            "workspace-network",
            "properties.managedNetwork.isolationMode",
        ),
        (
            "managed_vnet",
            {"managedNetwork": {"isolationMode": "AllowOnlyApprovedOutbound", "status": {"status": "Inactive"}}},
            "workspace-network",
            "properties.managedNetwork.status.status",
        ),
        ("legacy_egress", {}, "workspace-network", "properties.managedNetwork.isolationMode"),
    ],
)
def test_a_workspace_that_is_not_as_private_as_declared_refuses_the_plan(network, properties, rule, field):
    workspace = {"name": "ws", "properties": {**EMPTY.workspace["properties"], **properties}}
    found = list(posture(workspace, network))
    assert [(r.rule, r.field) for r in found] == [(rule, field)]
    assert found[0].hint


@pytest.mark.parametrize(
    ("network", "managed"),
    [
        ("managed_vnet", EMPTY.workspace["properties"]["managedNetwork"]),
        ("legacy_egress", None),
        ("legacy_egress", {"isolationMode": "Disabled"}),
    ],
)
def test_a_workspace_that_fits_passes(network, managed):
    workspace = {"name": "ws", "properties": {**EMPTY.workspace["properties"], "managedNetwork": managed}}
    assert list(posture(workspace, network)) == []


def test_public_neighbours_are_in_every_plan():
    wanted = resources(*ALL)
    live = live_of(wanted)
    theirs = live.resources[ENDPOINT_REF] | {"tags": {}, "properties": {"publicNetworkAccess": "Enabled"}}
    live = Live(live.workspace, {**live.resources, Ref("endpoint", "theirs"): theirs})
    assert [(w.rule, w.resource) for w in guarded(wanted, live).warnings] == [("public-endpoint", "endpoint/theirs")]


def test_our_own_endpoint_that_was_opened_is_closed_again():
    wanted = resources(*ALL)
    live = changed(live_of(wanted), ENDPOINT_REF, **{"properties.publicNetworkAccess": "Enabled"})
    plan = guarded(wanted, live)
    assert [c.path for c in plan.actions[0].changes] == ["properties.publicNetworkAccess"]
    assert plan.actions[0].reason == "changed outside Git"


def test_a_public_body_in_a_plan_is_refused_whoever_made_it():
    wanted = resources(*ALL)
    plan = planned(wanted, EMPTY)
    actions = tuple(
        replace(a, body={**a.body, "properties": {**a.body["properties"], "publicNetworkAccess": "Enabled"}})
        if a.ref == ENDPOINT_REF
        else a
        for a in plan.actions
    )
    refused = guard(replace(plan, actions=actions), wanted, EMPTY, INTENT)
    assert rules(refused) == [("private", "endpoint/churn")]


def test_an_update_does_not_send_back_the_egress_flag_that_azure_answers():
    wanted = resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("MODE: fast", "MODE: slow"))
    plan = guarded(wanted, live_of(resources(*ALL)))
    assert verbs(plan) == [("update", "deployment/churn/blue")]
    assert rules(plan) == []
    assert "egressPublicNetworkAccess" not in plan.actions[0].body["properties"]


MIRROR = "mirror_traffic: {green: 10}\n"


def test_traffic_to_nobody_needs_a_confirmation_also_when_a_mirror_stays():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT + MIRROR, DEPLOYMENT, GREEN))
    nobody = ENDPOINT.replace("{blue: 100}", "{}") + MIRROR
    assert rules(guarded(resources(MODEL, ENVIRONMENT, nobody, DEPLOYMENT, GREEN), live)) == [
        ("confirm", "traffic/churn")
    ]


def test_a_deployment_that_this_plans_own_traffic_still_reaches_is_not_deleted():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT, GREEN))
    mirror_only = ENDPOINT.replace("traffic: {blue: 100}", MIRROR)
    plan = guarded(resources(MODEL, ENVIRONMENT, mirror_only, GREEN), live)
    assert ("serving", "deployment/churn/blue") in rules(plan)


def test_a_mirrored_deployment_that_left_is_told_about_its_mirror():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT + MIRROR, DEPLOYMENT, GREEN))
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    plan = guarded(resources(MODEL, ENVIRONMENT, silent, DEPLOYMENT), live)
    refusal = next(r for r in plan.refusals if r.rule == "serving")
    assert "mirror_traffic: {}" in refusal.hint


def test_a_model_that_a_planned_write_still_names_is_not_pruned():
    ignoring = DEPLOYMENT + "gitops: {ignore: [properties.model]}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, ignoring))
    newer = MODEL.replace("version: 1", "version: 2")
    moved = ignoring.replace("churn:1", "churn:2").replace("MODE: fast", "MODE: slow")
    plan = guarded(resources(newer, ENVIRONMENT, ENDPOINT, moved), live)
    assert ("update", "deployment/churn/blue") in verbs(plan)
    assert ("delete", "model/churn:1") not in verbs(plan)


def test_the_delete_limit_counts_what_an_endpoint_takes_along():
    other = ENDPOINT.replace("name: churn", "name: heart").replace("traffic: {blue: 100}", "")
    many = [DEPLOYMENT.replace("name: blue", f"name: old{number}") for number in range(10)]
    silent = ENDPOINT.replace("traffic: {blue: 100}", "")
    live = live_of(resources(MODEL, ENVIRONMENT, silent, other, *many))
    plan = guarded(resources(MODEL, ENVIRONMENT, other), live)
    assert verbs(plan)[0] == ("delete", "endpoint/churn")
    assert ("delete-limit", "deployment") in rules(plan)


def test_a_protected_child_is_said_to_be_protected():
    other = ENDPOINT.replace("name: churn", "name: heart").replace("traffic: {blue: 100}", "")
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT + "gitops: {protect: true}\n", other))
    assert ("protected", "endpoint/churn") in rules(guarded(resources(MODEL, ENVIRONMENT, other), live))


def test_what_azure_still_works_on_is_said():
    wanted = resources(*ALL)
    live = changed(live_of(wanted), Ref("deployment", "churn", "blue"), **{"properties.provisioningState": "Updating"})
    plan = guarded(wanted, live)
    assert plan.actions == ()
    assert [(w.rule, w.resource) for w in plan.warnings] == [("in-progress", "deployment/churn/blue")]


def test_an_asset_that_a_manifest_names_stays_though_live_drifted_away_from_it():
    reporting = DEPLOYMENT + "gitops: {drift: report}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, reporting))
    elsewhere = {"properties.model": "azureml://registries/acme/models/churn/versions/9"}
    live = changed(live, Ref("deployment", "churn", "blue"), **elsewhere)
    plan = guarded(resources(ENVIRONMENT, ENDPOINT, reporting), live)
    assert ("delete", "model/churn:1") not in verbs(plan)
    assert [w.rule for w in plan.warnings] == ["in-use"]


def test_deletions_go_backwards_and_wait_for_their_users():
    other = ENDPOINT.replace("name: churn", "name: heart").replace("traffic: {blue: 100}", "")
    live = live_of(resources(*ALL, other))
    plan = guarded(resources(other), live, replace(INTENT, confirmed=frozenset({"endpoint/churn"})))
    assert verbs(plan) == [
        ("delete", "endpoint/churn"),
        ("delete", "environment/sklearn:5"),
        ("delete", "model/churn:1"),
    ]
    assert plan.actions[1].needs == plan.actions[2].needs == (ENDPOINT_REF,)
