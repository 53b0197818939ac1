"""What is ours, what is not, what may be taken over, what stays whatever happens."""

from builders import (
    ALL,
    BLUE,
    DEPLOYMENT,
    EMPTY,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    MODEL,
    changed,
    live_of,
    only,
    planned,
    resources,
)

from reconciler.domain import Ref, Verb
from reconciler.plan.ownership import OWNER, REVISION, TAGS


def test_ownership_travels_in_the_create_body():
    tags = planned(resources(*ALL), EMPTY).actions[3].body["tags"]
    assert tags[OWNER] == "shop/test"
    assert tags[REVISION] == "abc123"
    assert tags[TAGS] == "team"
    assert tags["team"] == "risk"


def test_a_removed_tag_is_removed_and_a_foreign_tag_stays():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{"tags.costCentre": "42"})
    bare = ENDPOINT.replace("tags: {team: risk}", "")
    action = only(planned(resources(MODEL, ENVIRONMENT, bare, DEPLOYMENT), live))
    assert [(c.path, c.after) for c in action.changes] == [("tags.team", None)]
    assert action.method == "PUT"
    assert action.body["tags"]["costCentre"] == "42"
    assert "team" not in action.body["tags"]


def test_tags_and_instance_count_go_by_patch_which_redeploys_nothing():
    live = live_of(resources(*ALL))
    scaled = DEPLOYMENT + "instance_count: 4\n"
    action = only(planned(resources(MODEL, ENVIRONMENT, ENDPOINT, scaled), live))
    assert action.method == "PATCH"
    assert set(action.body) == {"tags", "sku"}
    assert action.body["sku"]["capacity"] == 4


def test_what_nobody_owns_is_refused_and_adopted_on_request():
    live = live_of(resources(*ALL))
    live = changed(live, ENDPOINT_REF, tags={"team": "risk"})
    plan = planned(resources(*ALL), live)
    assert [(r.rule, r.resource) for r in plan.refusals] == [("not-owned", "endpoint/churn")]
    adopting = ENDPOINT + "gitops: {adopt: true}\n"
    action = only(planned(resources(MODEL, ENVIRONMENT, adopting, DEPLOYMENT), live))
    assert (action.verb, action.method, action.changes) == (Verb.ADOPT, "PATCH", ())
    assert action.body["tags"][OWNER] == "shop/test"


def test_what_another_project_owns_is_never_taken():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{f"tags.{OWNER}": "other/prod"})
    adopting = ENDPOINT + "gitops: {adopt: true}\n"
    plan = planned(resources(MODEL, ENVIRONMENT, adopting, DEPLOYMENT), live)
    assert "other/prod" in plan.refusals[0].message
    assert plan.actions == ()


def test_a_foreign_model_version_with_the_same_content_is_used_as_it_is():
    live = changed(live_of(resources(*ALL)), Ref("model", "churn", "1"), **{"properties.tags": {}})
    assert planned(resources(*ALL), live).actions == ()


def test_a_foreign_model_version_with_other_content_is_refused():
    foreign = {"properties.tags": {}, "properties.modelUri": "azureml://datastores/x/paths/theirs"}
    plan = planned(resources(*ALL), changed(live_of(resources(*ALL)), Ref("model", "churn", "1"), **foreign))
    assert [(r.rule, r.resource) for r in plan.refusals] == [("not-owned", "model/churn:1")]


def test_protect_reaches_the_live_tags():
    live = live_of(resources(*ALL))
    guarded = ENDPOINT + "gitops: {protect: true}\n"
    action = only(planned(resources(MODEL, ENVIRONMENT, guarded, DEPLOYMENT), live))
    assert action.body["tags"]["aml-gitops-protect"] == "true"
    again = live_of(resources(MODEL, ENVIRONMENT, guarded, DEPLOYMENT))
    assert planned(resources(MODEL, ENVIRONMENT, guarded, DEPLOYMENT), again).actions == ()
    assert only(planned(resources(*ALL), again)).method == "PUT"


def test_a_structure_that_left_the_manifest_is_taken_away():
    collecting = DEPLOYMENT + "data_collector: {collections: {request: {enabled: 'true'}}}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT, collecting))
    action = only(planned(resources(*ALL), live))
    assert action.body["properties"]["dataCollector"] is None


def test_a_tag_key_with_a_comma_does_not_take_a_foreign_tag_along():
    odd = ENDPOINT.replace("{team: risk}", "{'a,cost': x}")
    live = changed(live_of(resources(MODEL, ENVIRONMENT, odd, DEPLOYMENT)), ENDPOINT_REF, **{"tags.cost": "42"})
    assert planned(resources(MODEL, ENVIRONMENT, odd, DEPLOYMENT), live).actions == ()


def test_a_protected_deployment_is_never_replaced():
    protected = [text + "gitops: {protect: true}\n" if "name: blue" in text else text for text in ALL]
    live = live_of(resources(*protected))
    live = changed(live, BLUE, **{"properties.provisioningState": "Failed"})
    live = changed(live, ENDPOINT_REF, **{"properties.traffic": {}})
    bigger = [text.replace("Standard_DS3_v2", "Standard_F4s_v2") for text in protected]
    assert ("immutable", "deployment/churn/blue") in [
        (r.rule, r.resource) for r in planned(resources(*bigger), live).refusals
    ]
