"""What failed for good is left alone until what was to be done is something else."""

from dataclasses import replace

import pytest
from builders import ALL, BLUE, DEPLOYMENT, EMPTY, INTENT, live_of, planned, resources

from reconciler.domain import Hold, Outcome, Ref, Report, Result, Verb
from reconciler.plan.hold import hold
from reconciler.sync import Wanted
from reconciler.watch.memory import Stall
from reconciler.watch.stalls import DELETION, attempts, narrowed, stalled_after, still_stalled

MODEL = Ref("model", "churn", "1")


def wanted_at(revision, *texts):
    return Wanted(replace(INTENT, revision=revision), resources(*(texts or ALL)), ())


def failed(ref, verb=Verb.UPDATE, **fields):
    return Outcome(ref, verb, Result.FAILED, "no role", "AuthorizationFailed", **fields)


def report_of(*outcomes):
    return Report(planned(resources(*ALL), EMPTY), outcomes)


def test_the_same_attempt_stays_stalled_and_another_does_not():
    at_r1 = attempts(wanted_at("r1"))
    stalled = stalled_after(report_of(failed(BLUE)), {}, at_r1)
    assert stalled == {str(BLUE): Stall("no role", "AuthorizationFailed", at_r1[str(BLUE)])}
    assert still_stalled(stalled, at_r1) == stalled
    assert still_stalled(stalled, attempts(wanted_at("r2"))) == {}
    edited = [one.replace("fast", "slow") if one == DEPLOYMENT else one for one in ALL]
    assert still_stalled(stalled, attempts(wanted_at("r1", *edited))) == {}


@pytest.mark.parametrize("revision", ["r1", "r2"])
def test_a_deletion_that_failed_for_good_is_tried_at_a_new_commit(revision):
    gone = Ref("model", "shared", "1")
    at_r1 = attempts(wanted_at("r1"))
    assert str(gone) not in at_r1
    stalled = stalled_after(report_of(failed(gone, Verb.DELETE)), {}, at_r1)
    assert stalled[str(gone)].desired == at_r1[DELETION]
    assert still_stalled(stalled, attempts(wanted_at(revision))) == (stalled if revision == "r1" else {})


def test_a_deletion_that_failed_says_nothing_of_creating_it_again():
    at_r1 = attempts(wanted_at("r1", *ALL[1:2]))
    stalled = stalled_after(report_of(failed(MODEL, Verb.DELETE)), {}, at_r1)
    assert still_stalled(stalled, attempts(wanted_at("r1"))) == {}


def test_what_may_pass_and_what_was_done_is_no_stall():
    outcomes = (failed(BLUE, transient=True), Outcome(MODEL, Verb.CREATE, Result.CREATED))
    assert stalled_after(report_of(*outcomes), {}, attempts(wanted_at("r1"))) == {}


def test_a_stall_is_remembered_while_it_holds_something_back_and_no_longer():
    wanted = wanted_at("r1", *(one.replace("fast", "slow") for one in ALL))
    desired = attempts(wanted)
    stalled = {str(BLUE): Stall("no image", "", desired[str(BLUE)]), str(MODEL): Stall("gone", "", desired[str(MODEL)])}
    narrow = narrowed(wanted, {}, stalled)
    live = live_of(resources(*ALL))
    plan = hold(planned(wanted.resources, live), wanted.resources, narrow.intent)
    assert plan.actions == ()
    assert stalled_after(Report(plan), stalled, desired) == {str(BLUE): stalled[str(BLUE)]}


def test_a_stall_holds_exactly_its_resource_beside_what_people_suspended():
    stalled = {"endpoint/churn": Stall("no quota", "QuotaExceeded", "d1")}
    orders = {"model/*": "incident", "*": "all", "!retry": "now"}
    assert narrowed(wanted_at("r1"), orders, stalled).intent.held == (
        Hold("model/*", "suspended: incident"),
        Hold("endpoint/churn", "failed at this commit: no quota", exact=True),
    )
