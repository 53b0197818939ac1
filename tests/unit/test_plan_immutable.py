"""What Azure does not change in place, and the one case in which a resource is replaced."""

from dataclasses import replace

import pytest
from builders import (
    ALL,
    BLUE,
    DEPLOYMENT,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    MODEL,
    SURVEY,
    changed,
    live_of,
    only,
    planned,
    resources,
    verbs,
)

from reconciler.domain import Verb


@pytest.mark.parametrize(
    ("kind", "old", "new", "field"),
    [
        ("endpoint", "auth_mode: key", "identity: {type: user_assigned, user_assigned_identities: [{resource_id: /a}]}",
         "identity.type"),
        ("deployment", "Standard_DS3_v2", "Standard_F4s_v2", "properties.instanceType"),
    ],
)  # fmt: skip
def test_an_immutable_change_is_refused_with_the_fix(kind, old, new, field):
    live = live_of(resources(*ALL))
    plan = planned(resources(*[text.replace(old, new) for text in ALL]), live)
    refusal = next(r for r in plan.refusals if r.field == field)
    assert refusal.rule == "immutable"
    assert refusal.position.line > 1
    assert "new name" in refusal.hint
    assert not [a for a in plan.actions if a.ref.kind == kind]


def test_an_endpoint_property_may_be_added_but_not_altered():
    live = live_of(resources(MODEL, ENVIRONMENT, ENDPOINT + "properties: {a: x}\n", DEPLOYMENT))
    added = resources(MODEL, ENVIRONMENT, ENDPOINT + "properties: {a: x, b: y}\n", DEPLOYMENT)
    assert [c.path for c in only(planned(added, live)).changes] == ["properties.properties.b"]
    altered = resources(MODEL, ENVIRONMENT, ENDPOINT + "properties: {a: z}\n", DEPLOYMENT)
    assert [r.field for r in planned(altered, live).refusals] == ["properties.properties.a"]


def test_other_bytes_under_an_existing_version_are_refused():
    live = live_of(resources(*ALL))
    other = {**SURVEY, "model": replace(SURVEY["model"], digest="b" * 64)}
    plan = planned(resources(*ALL, survey=other), live)
    assert [(r.rule, r.resource) for r in plan.refusals] == [("immutable", "model/churn:1")]
    assert "version" in plan.refusals[0].hint


def test_a_failed_deployment_is_put_again():
    live = changed(live_of(resources(*ALL)), BLUE, **{"properties.provisioningState": "Failed"})
    action = only(planned(resources(*ALL), live))
    assert (action.verb, action.method) == (Verb.UPDATE, "PUT")
    assert "Failed" in action.reason


def test_a_failed_deployment_without_traffic_is_replaced_for_an_immutable_change():
    live = live_of(resources(*ALL))
    live = changed(live, BLUE, **{"properties.provisioningState": "Failed"})
    bigger = [text.replace("Standard_DS3_v2", "Standard_F4s_v2") for text in ALL]
    assert planned(resources(*bigger), live).refusals  # It has 100 % of the traffic.
    live = changed(live, ENDPOINT_REF, **{"properties.traffic": {}})
    plan = planned(resources(*bigger), live)
    assert verbs(plan) == [("replace", "deployment/churn/blue"), ("update", "traffic/churn")]


def test_a_live_endpoint_of_another_kind_is_refused():
    live = live_of(resources(*ALL))
    for path, value in (("kind", "Kubernetes"), ("properties.compute", "/subscriptions/x/computes/k8s")):
        plan = planned(resources(*ALL), changed(live, ENDPOINT_REF, **{path: value}))
        assert ("unsupported-kind", "endpoint/churn") in [(r.rule, r.resource) for r in plan.refusals]
        assert not [a for a in plan.actions if a.ref == ENDPOINT_REF]


def test_a_mirrored_deployment_is_not_replaced_either():
    live = changed(live_of(resources(*ALL)), BLUE, **{"properties.provisioningState": "Failed"})
    mirrored = {"properties.traffic": {"blue": 0}, "properties.mirrorTraffic": {"blue": 10}}
    live = changed(live, ENDPOINT_REF, **mirrored)
    bigger = [text.replace("Standard_DS3_v2", "Standard_F4s_v2") for text in ALL]
    assert [r.rule for r in planned(resources(*bigger), live).refusals] == ["immutable"]
