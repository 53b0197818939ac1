"""Why a resource is in or out of sync: each class of field, each verdict, and what must never be shown."""

from __future__ import annotations

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
    TRAFFIC,
    changed,
    live_of,
    planned,
    without,
)
from builders import resources as resources_of

from reconciler.domain import Hold, Position, Ref, Refusal
from reconciler.explain import explain, names
from reconciler.kinds.kind import get
from reconciler.naming import nearest
from reconciler.plan.hold import hold, select
from reconciler.plan.ownership import OWNER

WANTED = resources_of(*ALL)
LIVE = live_of(WANTED)
OFF = replace(INTENT, prune=False)


def explained(ref, wanted=WANTED, live=LIVE, intent=INTENT, plan=None, **more):
    return explain(ref, wanted, live, plan or planned(wanted, live, intent), **more)


def row(found, path):
    (state,) = [state for state in found.fields if state.path == path]
    return state


def paths(states):
    return [state.path for state in states]


# -- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", [resource.ref for resource in WANTED], ids=str)
def test_after_an_apply_everything_is_in_sync_and_no_field_differs(ref):
    found = explained(ref)
    assert (found.sync, found.health, found.differing, found.causes) == ("InSync", "Ready", (), ())
    assert found.verdict.startswith(f"{ref} is in sync")


@pytest.mark.parametrize("ref", [resource.ref for resource in WANTED], ids=str)
def test_in_an_empty_workspace_everything_is_missing(ref):
    found = explained(ref, live=EMPTY)
    assert (found.sync, found.health) == ("OutOfSync", "Missing")
    assert "not in the workspace yet" in found.verdict
    assert found.differing
    assert all(state.live is None for state in found.differing)


def test_a_changed_manifest_names_the_field_both_sides_and_what_the_plan_does():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT + "request_settings: {request_timeout_ms: 15000}\n")
    found = explained(BLUE, wanted)
    assert found.sync == "OutOfSync"
    assert paths(found.differing) == ["properties.requestSettings.requestTimeout"]
    assert (found.differing[0].live, found.differing[0].desired) == ("PT5S", "PT15S")
    assert (
        found.verdict == "deployment/churn/blue is out of sync: 1 field differs, changed in Git. The plan updates it."
    )


def test_drift_is_called_so_and_says_whether_it_is_set_back():
    drifted = changed(LIVE, ENDPOINT_REF, **{"properties.authMode": "AADToken"})
    healed = explained(ENDPOINT_REF, live=drifted)
    assert healed.sync == "Drift"
    assert healed.verdict == "endpoint/churn drifted: 1 field was changed outside Git. The plan updates it."
    assert healed.differing[0].note == "changed outside Git"
    reporting = resources_of(MODEL, ENVIRONMENT, ENDPOINT + "gitops: {drift: report}\n", DEPLOYMENT)
    reported = explained(ENDPOINT_REF, reporting, changed(live_of(reporting), ENDPOINT_REF, **{"tags.team": "x"}))
    assert reported.verdict.endswith("It is reported only, as `drift: report` says.")
    assert paths(reported.differing) == ["tags.team"]


def test_a_refused_change_tells_the_refusal_and_the_field_the_way_round():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("DS3_v2", "F4s_v2"))
    found = explained(BLUE, wanted)
    assert found.sync == "Refused"
    assert "cannot change from 'Standard_DS3_v2' to 'Standard_F4s_v2'" in found.verdict
    state = row(found, "properties.instanceType")
    assert state.differs
    assert state.classes == ("manifest", "immutable")
    assert "Declare a deployment under a new name" in state.note
    assert "Azure/AML-Kubernetes#247" in state.source


def test_a_failed_deployment_without_a_differing_field_still_has_a_cause():
    found = explained(BLUE, live=changed(LIVE, BLUE, **{"properties.provisioningState": "Failed"}))
    assert (found.sync, found.health, found.differing) == ("OutOfSync", "Failed", ())
    assert found.causes == ("update: is Failed: put again",)
    assert "is Failed: put again" in found.verdict


def test_a_protection_that_is_not_live_yet_is_a_difference():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT + "gitops: {protect: true}\n", DEPLOYMENT)
    found = explained(ENDPOINT_REF, wanted)
    state = row(found, "tags.aml-gitops-protect")
    assert (state.differs, state.live, state.desired) == (True, None, "true")
    assert state.classes == ("bookkeeping",)


def test_what_is_held_back_says_why_and_what_would_be_done():
    drifted = changed(LIVE, BLUE, **{"sku.capacity": 3})
    intent = replace(INTENT, held=(Hold("endpoint/churn", "suspended by ann: incident 4711"),))
    found = explained(BLUE, live=drifted, plan=hold(planned(WANTED, drifted), WANTED, intent))
    assert found.sync == "Drift"
    assert found.verdict.endswith("The update is held back: suspended by ann: incident 4711.")
    assert paths(found.differing) == ["sku.capacity"]


def test_a_refusal_of_something_held_back_is_still_a_cause():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("DS3_v2", "F4s_v2"))
    intent = replace(INTENT, held=(Hold("deployment/churn/blue", "incident"),))
    found = explained(BLUE, wanted, plan=hold(planned(wanted, LIVE), wanted, intent))
    assert found.sync == "OutOfSync"
    assert any("would be refused" in cause for cause in found.causes)


def test_outside_of_the_selection_nothing_is_claimed():
    intent = replace(INTENT, selected=("model/*",))
    found = explained(BLUE, plan=select(planned(WANTED, LIVE), WANTED, LIVE, intent))
    assert found.sync == "NotEvaluated"
    assert "outside of --select" in found.verdict


def test_a_plan_that_another_resource_blocks_is_told():
    plan = replace(planned(WANTED, LIVE), refusals=(Refusal("workspace-public", "workspace/ws", "is public"),))
    found = explained(BLUE, plan=plan)
    assert found.sync == "InSync"
    assert [refusal.resource for refusal in found.blocked] == ["workspace/ws"]


def test_a_shift_of_traffic_by_hand_is_drift_of_traffic_alone():
    shifted = changed(LIVE, ENDPOINT_REF, **{"properties.traffic": {"blue": 40}})
    found = explained(TRAFFIC, live=shifted)
    assert found.sync == "Drift"
    assert [(s.path, s.live, s.desired) for s in found.differing] == [("properties.traffic.blue", 40, 100)]
    assert explained(ENDPOINT_REF, live=shifted).sync == "InSync"


def test_an_asset_that_somebody_else_registered_with_the_same_content_is_in_sync_and_said_to_be_theirs():
    model = Ref("model", "churn", "1")
    foreign = changed(LIVE, model, **{"properties.tags": {}})
    found = explained(model, live=foreign)
    assert found.sync == "InSync"
    assert "somebody else registered this very content" in found.verdict


def test_a_code_version_that_exists_is_in_sync_whatever_azure_tells_of_its_hash():
    code = next(resource.ref for resource in WANTED if resource.ref.kind == "code")
    found = explained(code, live=changed(LIVE, code, **{"properties.properties": {}}))
    assert (found.sync, found.differing) == ("InSync", ())
    assert "a code version is its content" in found.verdict


# -- classes of fields -----------------------------------------------------------------------------------------------


def test_every_class_of_field():
    other_spelling = "azureml://locations/westeurope/workspaces/11111111-2222/models/churn/versions/1"
    added = {"tags.somebody": "else", "properties.brandNew": "hidden-canary", "properties.model": other_spelling}
    live = changed(LIVE, BLUE, **added)
    found = explained(BLUE, live=live)
    classes = {state.path: state.classes for state in found.fields}
    assert found.sync == "InSync"
    assert classes["properties.requestSettings.requestTimeout"] == ("documented default",)
    assert classes["properties.instanceType"] == ("manifest", "immutable")
    assert classes["properties.environmentVariables.MODE"] == ("manifest", "secret")
    assert classes["properties.environmentVariables.AML_APP_ROOT"] == ("server-owned", "secret")
    assert classes["properties.model"] == ("manifest", "alias")
    assert classes["location"] == ("derived", "immutable")
    assert classes["properties.requestSettings.maxQueueWait"] == ("left to Azure",)
    assert classes["properties.provisioningState"] == ("server-owned",)
    assert classes["tags.somebody"] == ("left to Azure",)
    assert classes["tags.aml-gitops-owner"] == ("bookkeeping",)
    assert classes["properties.brandNew"] == ("left to Azure",)
    assert "hidden-canary" not in repr(found.fields)


def test_an_ignored_difference_is_shown_as_ignored_and_is_none():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT + "gitops: {ignore: [tags.team]}\n", DEPLOYMENT)
    found = explained(ENDPOINT_REF, wanted, changed(live_of(wanted), ENDPOINT_REF, **{"tags.team": "pirates"}))
    assert found.sync == "InSync"
    state = row(found, "tags.team")
    assert (state.classes, state.differs, state.live, state.desired) == (("ignored",), False, "pirates", "risk")
    assert "`ignore: tags.team`" in state.note


def test_a_tag_that_left_the_manifest_is_to_go():
    wanted = resources_of(MODEL, ENVIRONMENT, ENDPOINT.replace("{team: risk}", "{}"), DEPLOYMENT)
    state = row(explained(ENDPOINT_REF, wanted), "tags.team")
    assert (state.differs, state.live, state.desired) == (True, "risk", None)
    assert "it is to go" in state.note


def test_places_in_the_manifest_are_found_by_key():
    asked = []

    def written(key):
        asked.append(key)
        return Position("base/churn.yml", 7, 3) if key in ("environment_variables.MODE", "instance_type") else None

    found = explained(BLUE, written=written)
    assert row(found, "properties.environmentVariables.MODE").position == Position("base/churn.yml", 7, 3)
    assert row(found, "properties.instanceType").position == Position("base/churn.yml", 7, 3)
    assert row(found, "sku.capacity").position is None
    assert "request_settings.request_timeout_ms" in asked
    assert found.position == next(resource.position for resource in WANTED if resource.ref == BLUE)


def test_secrets_are_marked_so_that_nobody_shows_them():
    found = explained(BLUE)
    for state in found.fields:
        assert state.sensitive is ("environmentVariables" in state.path), state.path


# -- who and whose ---------------------------------------------------------------------------------------------------


def test_who_wrote_last_is_what_azure_tells():
    told = {
        "systemData.lastModifiedBy": "ann@acme.example",
        "systemData.lastModifiedByType": "User",
        "systemData.createdBy": "pipeline",
    }
    found = explained(BLUE, live=changed(LIVE, BLUE, **told))
    assert (found.last_write.by, found.last_write.by_type) == ("ann@acme.example", "User")
    assert (found.last_write.at, found.last_write.created_by) == ("2026-01-01T00:00:00+00:00", "pipeline")
    assert (found.owner, found.ours, found.revision) == ("shop/test", True, "abc123")


def test_traffic_and_mirror_of_a_deployment():
    live = changed(LIVE, ENDPOINT_REF, **{"properties.traffic": {"Blue": 90}, "properties.mirrorTraffic": {"blue": 5}})
    found = explained(BLUE, live=live)
    assert (found.traffic, found.mirror) == (90, 5)
    assert explained(ENDPOINT_REF).traffic is None


# -- what is only live -----------------------------------------------------------------------------------------------

REST = resources_of(MODEL, ENVIRONMENT)


def marked(owner):
    tags = {key: value for key, value in get(LIVE.resources[BLUE], "tags").items() if key != OWNER}
    return changed(LIVE, BLUE, tags=tags | ({OWNER: owner} if owner else {}))


@pytest.mark.parametrize(
    ("owner", "intent", "sync", "said"),
    [
        ("shop/test", INTENT, "OutOfSync", "The plan deletes endpoint/churn, and it goes along"),
        ("shop/test", OFF, "NotDeclared", "It is ours: it left the manifests; it stays because prune is off"),
        ("other/prod", OFF, "NotDeclared", "It belongs to other/prod: nothing is done to it"),
        ("", OFF, "NotDeclared", "Nobody marked it as managed: nothing is done to it"),
    ],
)
def test_what_is_only_live_says_whose_it_is_and_what_becomes_of_it(owner, intent, sync, said):
    found = explained(BLUE, REST, marked(owner), intent)
    assert found.sync == sync
    assert said in found.verdict
    assert found.fields == ()


def test_what_is_nowhere_is_not_explained_but_what_was_meant_is_known():
    assert explained(Ref("deployment", "churn", "green")) is None
    known = names(WANTED, without(LIVE, BLUE))
    assert "deployment/churn/blue" in known
    assert nearest("deployment/churn/bleu", known) == "; did you mean 'deployment/churn/blue'?"
    assert nearest("churn/blue", known) == "; did you mean 'deployment/churn/blue'?"
    assert nearest("model/churn", known) == "; did you mean 'model/churn:1'?"
    assert nearest("zebra", known) == ""
