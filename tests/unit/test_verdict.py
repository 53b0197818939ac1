"""What a pass came to: one verdict, and the three conditions that follow from it."""

from dataclasses import replace

import pytest

from reconciler.domain import Action, Drift, Finding, Held, Outcome, Plan, Position, Ref, Refusal, Report, Result, Verb
from reconciler.errors import (
    ArmError,
    EmulatorError,
    LeaseLost,
    ManifestError,
    PlanRefused,
    SignatureRefused,
    SourceError,
    SourceUnavailable,
    StateError,
    Superseded,
    Unavailable,
)
from reconciler.watch.memory import CONDITIONS, Stall
from reconciler.watch.verdict import LONGEST, REASONS, SYNCED, Verdict, conditions, of_error, of_report, overlaid

ENDPOINT = Ref("endpoint", "alpha")
BLUE = Ref("deployment", "alpha", "blue")
STALL = Stall("no such image", "BadArgument", "d1")


def plan(*refs, **fields):
    actions = tuple(Action(Verb.UPDATE, ref, "changed") for ref in refs)
    return Plan("shop", "test", "r1", actions=actions, **fields)


def outcome(ref, result=Result.UPDATED, message="", **fields):
    return Outcome(ref, Verb.UPDATE, result, message, **fields)


def standing(verdict):
    return (verdict.ready, verdict.reconciling, verdict.stalled)


def finding():
    position = Position("base/all.yml", 3, 1)
    return Finding("unknown-field", position, "unknown field kolor", "endpoint/alpha")


@pytest.mark.parametrize(
    ("error", "reason", "passes"),
    [
        (PlanRefused((Refusal("workspace-public", "workspace/ws", "it is public"),)), "PlanRefused", False),
        (SignatureRefused("r2 is not signed"), "SignatureRefused", False),
        (SourceUnavailable("no answer"), "SourceUnavailable", True),
        (SourceError("no gitops.yaml"), "SourceFailed", False),
        (LeaseLost("gone"), "LeaseLost", True),
        (StateError("no answer"), "StateUnavailable", True),
        (EmulatorError("not running"), "AzureUnavailable", True),
        (Superseded("left", code="Superseded"), "NewCommit", True),
        (Unavailable("busy"), "AzureUnavailable", True),
        (ArmError("no role", code="AuthorizationFailed"), "AzureRefused", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_either_passes_or_needs_a_person(error, reason, passes):
    verdict = of_error(error)
    assert verdict.reason == reason
    assert verdict.reason in REASONS
    assert standing(verdict) == (False, passes, not passes)
    assert verdict.again is passes


def test_a_refused_plan_names_what_is_refused():
    refused = PlanRefused(tuple(Refusal("private", name, "no") for name in ("endpoint/b", "endpoint/a")))
    assert of_error(refused).failing == ("endpoint/a", "endpoint/b")


def test_what_nobody_foresaw_is_tried_again_and_its_text_is_bounded():
    verdict = of_error(ValueError("x" * 5000))
    assert (verdict.reason, verdict.again, verdict.stalled) == ("Unexpected", True, False)
    assert verdict.message.startswith("ValueError: xxx")
    assert len(verdict.message) == LONGEST


def test_a_transient_failure_is_tried_again_beside_any_number_of_old_stalls():
    stalled = {f"model/m:{number}": STALL for number in range(3)}
    report = Report(plan(ENDPOINT), (outcome(ENDPOINT, Result.FAILED, "busy", transient=True),))
    verdict = of_report(report, stalled)
    assert (verdict.reason, verdict.stalled, verdict.again) == ("ActionFailed", True, True)
    assert verdict.failing == ("model/m:0", "model/m:1", "model/m:2")


def test_a_failure_for_good_alone_is_not_tried_sooner():
    report = Report(plan(BLUE), (outcome(BLUE, Result.FAILED, "no such image", code="BadArgument"),))
    verdict = of_report(report, {str(BLUE): STALL, "model/m:1": STALL})
    assert (standing(verdict), verdict.again) == ((False, False, True), False)
    assert verdict.message == "deployment/alpha/blue: BadArgument: no such image; and 1 more"


def test_a_transient_failure_alone_is_no_stall():
    verdict = of_report(Report(plan(BLUE), (outcome(BLUE, Result.FAILED, "busy", transient=True),)), {})
    assert (verdict.reason, standing(verdict), verdict.again) == ("Retrying", (False, True, False), True)


@pytest.mark.parametrize("result", [Result.INTERRUPTED, Result.SKIPPED])
def test_a_pass_that_was_ended_goes_on_soon(result):
    verdict = of_report(Report(plan(BLUE), (outcome(BLUE, result),)), {})
    assert (verdict.reason, verdict.ready, verdict.again) == ("Interrupted", False, True)


def test_what_others_left_unsettled_is_not_ready():
    verdict = of_report(Report(plan(), unsettled="deployment/alpha/blue is failed"), {})
    assert (verdict.reason, verdict.message, verdict.ready) == ("Retrying", "deployment/alpha/blue is failed", False)


def test_what_is_held_is_not_ready_also_when_the_rest_was_done():
    held = (Held(BLUE, Verb.UPDATE, "suspended: incident"),)
    verdict = of_report(Report(plan(ENDPOINT, held=held), (outcome(ENDPOINT),)), {})
    assert (verdict.reason, standing(verdict)) == ("HeldBack", (False, False, False))
    assert verdict.failing == ("deployment/alpha/blue",)


def test_done_reported_and_nothing_to_do_are_ready():
    done = of_report(Report(plan(ENDPOINT, BLUE), (outcome(ENDPOINT), outcome(BLUE))), {})
    assert (done.reason, done.ready, done.message) == ("Applied", True, "2 actions; live is what Git says")
    drifted = of_report(Report(plan(drift=(Drift(BLUE, (), healed=False),))), {})
    assert (drifted.reason, drifted.ready) == ("DriftReported", True)
    assert of_report(Report(plan(drift=(Drift(BLUE, (), healed=True),))), {}) is SYNCED


def test_a_broken_source_speaks_louder_than_a_good_pass_but_not_than_a_worse_one():
    unavailable, unsigned = SourceUnavailable("no answer"), SignatureRefused("r2 is not signed")
    stalled = Verdict("ActionFailed", "no such image", stalled=True)
    assert overlaid(SYNCED, None) is SYNCED
    assert overlaid(SYNCED, unavailable).reason == "SourceUnavailable"
    assert overlaid(stalled, unavailable) is stalled
    assert overlaid(stalled, unsigned).reason == "SignatureRefused"


def test_a_condition_keeps_its_since_while_its_status_stays():
    first = conditions((), SYNCED, "t1")
    assert [condition.type for condition in first] == list(CONDITIONS)
    failed = Verdict("ActionFailed", "no such image", stalled=True)
    second = {c.type: c for c in conditions(first, failed, "t2")}
    assert {name: c.since for name, c in second.items()} == {"Ready": "t2", "Reconciling": "t1", "Stalled": "t2"}
    assert {c.reason for c in second.values()} == {"ActionFailed"}
    third = conditions(tuple(second.values()), replace(failed, message="another"), "t3")
    assert {c.since for c in third} == {"t1", "t2"}
    assert {c.message for c in third} == {"another"}


def test_invalid_manifests_name_the_resources():
    verdict = of_error(ManifestError((finding(), finding())))
    assert (verdict.reason, verdict.stalled, verdict.failing) == ("InvalidManifests", True, ("endpoint/alpha",))
