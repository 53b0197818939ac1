"""What moved in Azure although Git did not: told apart, healed or reported."""

from builders import (
    ALL,
    BLUE,
    DEPLOYMENT,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    MODEL,
    TRAFFIC,
    changed,
    live_of,
    only,
    planned,
    resources,
)

from reconciler.plan.ownership import SPEC


def test_drift_is_told_apart_from_a_new_revision():
    live = changed(live_of(resources(*ALL)), BLUE, **{"properties.environmentVariables.MODE": "hacked"})
    plan = planned(resources(*ALL), live)
    assert only(plan).reason == "changed outside Git"
    assert [(d.ref, d.healed) for d in plan.drift] == [(BLUE, True)]
    assert [c.reason for c in plan.drift[0].changes] == ["drift"]


def test_drift_report_reports_and_does_not_touch():
    texts = (MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT + "gitops: {drift: report}\n")
    live = changed(live_of(resources(*texts)), BLUE, **{"properties.environmentVariables.MODE": "hacked"})
    plan = planned(resources(*texts), live)
    assert plan.actions == ()
    assert [(d.ref, d.healed) for d in plan.drift] == [(BLUE, False)]


def test_traffic_drift_is_healed():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, **{"properties.traffic": {}})
    action = only(planned(resources(*ALL), live))
    assert (action.ref, action.reason) == (TRAFFIC, "changed outside Git")


def test_reported_endpoint_drift_is_not_healed_by_a_traffic_write():
    reported = ENDPOINT + "gitops: {drift: report}\n"
    texts = (MODEL, ENVIRONMENT, reported, DEPLOYMENT)
    live = changed(live_of(resources(*texts)), ENDPOINT_REF, **{"properties.authMode": "AADToken"})
    moved = reported.replace("{blue: 100}", "{}")
    action = only(planned(resources(MODEL, ENVIRONMENT, moved, DEPLOYMENT), live))
    assert action.ref == TRAFFIC
    assert action.body["properties"]["authMode"] == "AADToken"


def test_the_traffic_mark_survives_an_endpoint_update():
    live = live_of(resources(*ALL))
    texts = [text.replace("auth_mode: key", "auth_mode: aad_token") for text in ALL]
    body = only(planned(resources(*texts), live)).body
    assert body["tags"]["aml-gitops-traffic"] == live.resources[ENDPOINT_REF]["tags"]["aml-gitops-traffic"]
    assert body["tags"][SPEC] != live.resources[ENDPOINT_REF]["tags"][SPEC]


def test_a_new_protect_is_a_change_in_git_and_reaches_azure_under_drift_report():
    reporting = ENDPOINT + "gitops: {drift: report}\n"
    live = live_of(resources(MODEL, ENVIRONMENT, reporting, DEPLOYMENT))
    guarded = ENDPOINT + "gitops: {drift: report, protect: true}\n"
    plan = planned(resources(MODEL, ENVIRONMENT, guarded, DEPLOYMENT), live)
    assert only(plan).reason == "changed in Git"
    assert plan.drift == ()


def test_an_opened_endpoint_is_closed_also_when_drift_is_only_reported():
    reporting = ENDPOINT + "gitops: {drift: report}\n"
    texts = (MODEL, ENVIRONMENT, reporting, DEPLOYMENT)
    live = changed(live_of(resources(*texts)), ENDPOINT_REF, **{"properties.publicNetworkAccess": "Enabled"})
    assert only(planned(resources(*texts), live)).body["properties"]["publicNetworkAccess"] == "Disabled"


def test_an_adopted_endpoint_knows_later_that_a_traffic_shift_is_drift():
    live = changed(live_of(resources(*ALL)), ENDPOINT_REF, tags={"team": "risk"})
    adopting = resources(MODEL, ENVIRONMENT, ENDPOINT + "gitops: {adopt: true}\n", DEPLOYMENT)
    assert "aml-gitops-traffic" in only(planned(adopting, live)).body["tags"]
