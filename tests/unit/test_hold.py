"""What a plan leaves alone: held back and selected; neither leaves half of something behind."""

from dataclasses import replace

import pytest
from builders import ALL, BLUE, DEPLOYMENT, EMPTY, ENDPOINT, INTENT, TRAFFIC, live_of, planned, resources, verbs

from reconciler.domain import Hold, Ref, Report, Verb
from reconciler.errors import UsageError
from reconciler.plan.guard import guard, moving
from reconciler.plan.hold import declined, hold, left_alone, matches, select
from reconciler.watch.verdict import of_report

CHURN = Ref("endpoint", "churn")
MODEL = Ref("model", "churn", "1")
ASSETS = ALL[:2]
GREEN = DEPLOYMENT.replace("name: blue", "name: green")


def edited(text, old, new):
    assert old in text
    return [one.replace(old, new) if one == text else one for one in ALL]


def held(wanted, live, *holds, **intent):
    return hold(planned(wanted, live), wanted, replace(INTENT, held=holds, **intent))


def reasons(plan):
    return {str(entry.ref): entry.reason for entry in plan.held}


@pytest.mark.parametrize(
    ("pattern", "ref", "yes"),
    [
        ("endpoint/churn", CHURN, True),
        ("endpoint/churn", BLUE, True),
        ("endpoint/churn", TRAFFIC, True),
        ("endpoint/churn", MODEL, False),
        ("endpoint/chur", BLUE, False),
        ("deployment/churn/*", BLUE, True),
        ("deployment/churn/blue", CHURN, False),
        ("deployment/churn/blue", TRAFFIC, False),
        ("model/*", MODEL, True),
        ("model/churn:1", MODEL, True),
        ("*", MODEL, True),
        ("Endpoint/churn", CHURN, False),
    ],
)
def test_a_pattern_means_a_name_and_an_endpoint_all_of_it(pattern, ref, yes):
    assert matches(pattern, ref) is yes


def test_nothing_held_leaves_the_plan_as_it_is():
    wanted = resources(*ALL)
    plan = planned(wanted, EMPTY)
    assert hold(plan, wanted, INTENT) is plan


def test_what_needs_something_held_is_held_with_the_reason():
    plan = held(resources(*ALL), EMPTY, Hold("model/churn:1", "suspended: incident 4711"))
    assert [str(action.ref) for action in plan.actions] == [
        "code/shop:cccccccccccccccc",
        "environment/sklearn:5",
        "endpoint/churn",
    ]
    assert reasons(plan) == {
        "model/churn:1": "suspended: incident 4711",
        "deployment/churn/blue": "needs model/churn:1, which is held back",
        "traffic/churn": "needs deployment/churn/blue, which is held back",
    }


def test_an_endpoint_that_is_held_holds_its_deployments_and_traffic():
    wanted = resources(*ALL)
    plan = held(resources(*edited(DEPLOYMENT, "fast", "slow")), live_of(wanted), Hold("endpoint/churn", "hands off"))
    assert plan.actions == ()
    assert reasons(plan) == {"deployment/churn/blue": "hands off"}
    exact = Hold("endpoint/churn", "failed", exact=True)
    plan = held(resources(*edited(DEPLOYMENT, "fast", "slow")), live_of(wanted), exact)
    assert verbs(plan) == [("update", "deployment/churn/blue")]


def test_a_manifest_can_suspend_its_resource_and_drift_is_shown_as_not_healed():
    wanted = resources(*edited(ENDPOINT, "tags: {team: risk}", "tags: {team: risk}\ngitops: {suspend: true}"))
    live = live_of(wanted)
    live.resources[CHURN]["properties"]["description"] = "by hand"
    plan = held(wanted, live)
    assert plan.actions == ()
    assert reasons(plan) == {"endpoint/churn": "suspended in its manifest"}
    assert [(str(drift.ref), drift.healed) for drift in plan.drift] == [("endpoint/churn", False)]


def test_deleting_an_endpoint_waits_for_a_deployment_that_is_held():
    wanted = resources(*ALL)
    plan = held(resources(*ASSETS), live_of(wanted), Hold("deployment/churn/blue", "hands off"))
    assert "endpoint/churn" in reasons(plan)
    assert reasons(plan)["endpoint/churn"] == "would take deployment/churn/blue along: hands off"
    assert not [action for action in plan.actions if action.ref == CHURN]


def test_a_refusal_of_what_is_held_is_a_warning_and_stops_nothing():
    wanted = resources(*ALL)
    files = edited(DEPLOYMENT, "Standard_DS3_v2", "Standard_F4s_v2")
    plan = held(resources(*files), live_of(wanted), Hold("deployment/churn/blue", "hands off"))
    assert plan.refusals == ()
    assert [(w.rule, w.resource) for w in plan.warnings] == [("held", "deployment/churn/blue")]
    assert "cannot change" in plan.warnings[0].message


def test_the_guard_judges_what_is_left():
    wanted = resources(*ALL)
    gone = resources(*ASSETS)
    live = live_of(wanted)
    assert guard(planned(gone, live), gone, live, INTENT).refusals
    plan = held(gone, live, Hold("endpoint/churn", "hands off"))
    assert guard(plan, gone, live, INTENT).refusals == ()


def test_a_selection_takes_what_it_needs_along_and_counts_the_rest():
    wanted = resources(*ALL)
    intent = replace(INTENT, selected=("deployment/churn/blue",))
    plan = select(planned(wanted, EMPTY), wanted, EMPTY, intent)
    assert [str(action.ref) for action in plan.actions] == [
        "code/shop:cccccccccccccccc",
        "model/churn:1",
        "environment/sklearn:5",
        "endpoint/churn",
        "deployment/churn/blue",
    ]
    assert plan.not_evaluated == (TRAFFIC,)


def test_a_selection_leaves_out_refusals_and_drift_of_others():
    wanted = resources(*ALL)
    files = edited(DEPLOYMENT, "Standard_DS3_v2", "Standard_F4s_v2")
    now = resources(*files)
    intent = replace(INTENT, selected=("model/*",))
    plan = select(planned(now, live_of(wanted)), now, live_of(wanted), intent)
    assert plan.refusals == ()
    assert plan.unchanged == (MODEL,)


def test_a_selection_may_name_what_is_only_live():
    wanted = resources(*ALL)
    left = resources(*ASSETS)
    intent = replace(INTENT, selected=("endpoint/churn",))
    plan = select(planned(left, live_of(wanted)), left, live_of(wanted), intent)
    assert verbs(plan) == [("delete", "endpoint/churn")]


def test_a_selection_that_means_nothing_is_a_mistake_with_a_hint():
    wanted = resources(*ALL)
    intent = replace(INTENT, selected=("endpoint/chrun",))
    with pytest.raises(UsageError, match=r"--select endpoint/chrun: .* did you mean endpoint/churn\?"):
        select(planned(wanted, EMPTY), wanted, EMPTY, intent)


def test_holds_and_selection_are_part_of_what_a_saved_plan_is_bound_to():
    wanted = resources(*ALL)
    digests = {
        planned(wanted, EMPTY, intent).digest
        for intent in (INTENT, replace(INTENT, selected=("model/*",)), replace(INTENT, held=(Hold("model/*", "x"),)))
    }
    assert len(digests) == 3


def test_a_declined_plan_takes_nothing_and_says_why():
    wanted = resources(*ALL)
    plan = declined(planned(wanted, EMPTY), "no allow window is open")
    assert plan.actions == ()
    assert {entry.reason for entry in plan.held} == {"no allow window is open"}
    assert {entry.verb for entry in plan.held} == {Verb.CREATE, Verb.UPDATE}


def guarded(wanted, live, intent):
    """The whole gate, as the line runs it."""
    narrowed = hold(select(planned(wanted, live, intent), wanted, live, intent), wanted, intent)
    return guard(narrowed, wanted, live, intent)


def gate(wanted, live, *holds):
    return guarded(wanted, live, replace(INTENT, held=holds))


def test_traffic_never_moves_onto_a_deployment_that_is_held_and_refused():
    live = live_of(resources(*ALL, GREEN))
    moved = edited(ENDPOINT, "traffic: {blue: 100}", "traffic: {green: 100}")
    wanted = resources(*moved, GREEN.replace("Standard_DS3_v2", "Standard_F4s_v2"))
    assert [refusal.resource for refusal in gate(wanted, live).refusals] == ["deployment/churn/green"]
    plan = gate(wanted, live, Hold("deployment/churn/green", "suspended: incident"))
    assert verbs(plan) == []
    assert reasons(plan) == {
        "deployment/churn/green": "suspended: incident",
        "traffic/churn": "needs deployment/churn/green, which is held back",
    }


def test_what_is_held_and_refused_is_not_ready():
    live = live_of(resources(*ALL))
    wanted = resources(*edited(DEPLOYMENT, "Standard_DS3_v2", "Standard_F4s_v2"))
    plan = gate(wanted, live, Hold("deployment/churn/blue", "suspended: incident"))
    assert (plan.refusals, plan.actions) == ((), ())
    verdict = of_report(Report(plan), {})
    assert (verdict.reason, verdict.ready, verdict.failing) == ("HeldBack", False, ("deployment/churn/blue",))


def test_a_suspended_endpoint_may_have_a_serving_deployment_that_would_be_pruned():
    both = edited(ENDPOINT, "traffic: {blue: 100}", "traffic: {blue: 50, green: 50}")
    live = live_of(resources(*both, GREEN))
    wanted = resources(*edited(ENDPOINT, "traffic: {blue: 100}", ""))
    assert [refusal.resource for refusal in gate(wanted, live).refusals] == ["deployment/churn/green"]
    plan = gate(wanted, live, Hold("endpoint/churn", "suspended: incident"))
    assert (plan.refusals, plan.actions) == ((), ())
    assert "deployment/churn/green" in reasons(plan)


def test_a_refusal_of_the_workspace_is_never_held_away():
    live = live_of(resources(*ALL))
    live.workspace["properties"]["publicNetworkAccess"] = "Enabled"
    plan = gate(resources(*ALL), live, Hold("*", "suspended: all"))
    assert [refusal.rule for refusal in plan.refusals] == ["workspace-public"]


def others_at_work():
    """Everything is live, and somebody else's operation is going on for the deployment."""
    live = live_of(resources(*ALL))
    live.resources[BLUE]["properties"]["provisioningState"] = "Updating"
    return resources(*ALL), live


def waited_for(wanted, live, intent):
    plan = guarded(wanted, live, intent)
    return set(moving(plan, wanted, live)) - left_alone(wanted, plan, intent)


@pytest.mark.parametrize(
    "narrowing",
    [
        {"selected": ("model/*",)},
        {"held": (Hold("deployment/churn/blue", "incident"),)},
        {"held": (Hold("endpoint/churn", "incident"),)},
    ],
    ids=["not selected", "suspended", "of a suspended endpoint"],
)
def test_what_is_left_alone_is_not_waited_for(narrowing):
    wanted, live = others_at_work()
    assert waited_for(wanted, live, INTENT) == {BLUE}
    assert waited_for(wanted, live, replace(INTENT, **narrowing)) == set()


def test_what_its_manifest_suspends_is_not_waited_for():
    _, live = others_at_work()
    wanted = resources(*edited(DEPLOYMENT, "MODE: fast}", "MODE: fast}\ngitops: {suspend: true}"))
    assert waited_for(wanted, live, INTENT) == set()


def test_what_failed_for_good_before_is_waited_for_all_the_same():
    wanted, live = others_at_work()
    stalled = replace(INTENT, held=(Hold("deployment/churn/blue", "failed at this commit", exact=True),))
    assert waited_for(wanted, live, stalled) == {BLUE}
