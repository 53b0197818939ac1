"""Plans in every form: what is held back and what was left out is told, secrets are not, nothing moves the cursor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    ALL,
    BLUE,
    DEPLOYMENT,
    ENDPOINT,
    ENDPOINT_REF,
    ENVIRONMENT,
    INTENT,
    MODEL,
    changed,
    live_of,
    planned,
)
from builders import resources as resources_of

from reconciler.domain import Change, Drift, Held, Hold, Outcome, Plan, Ref, Refusal, Report, Result, Verb, Warn
from reconciler.plan.hold import hold
from reconciler.render import plan_json, plan_markdown, plan_text, report_json, report_text, summary_line
from reconciler.render.html import plan_html

FORMS = (plan_text, plan_markdown, plan_html)
WANTED = resources_of(*ALL)
HELD = Held(BLUE, Verb.UPDATE, "suspended by ann: incident 4711")
OUTSIDE = (Ref("model", "other", "1"), Ref("model", "other", "2"))


def a_plan(**more):
    return replace(planned(WANTED, live_of(WANTED)), **more)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_held_back_is_told_with_its_reason(form):
    said = form(a_plan(held=(HELD,)))
    assert "deployment/churn/blue" in said
    assert "suspended by ann: incident 4711" in said
    assert "held back" in said.lower()
    assert "1 held back" in said


@pytest.mark.parametrize("form", FORMS)
def test_what_was_not_evaluated_is_counted_and_said_to_be_outside_of_the_selection(form):
    assert "2 not evaluated (--select)" in form(a_plan(not_evaluated=OUTSIDE))
    assert "not evaluated" not in form(a_plan()).lower()


@pytest.mark.parametrize("form", FORMS)
def test_a_refused_plan_still_says_what_was_not_evaluated(form):
    refusal = Refusal("confirm", "endpoint/churn", "would stop", hint="say so")
    assert "2 not evaluated (--select)" in form(a_plan(refusals=(refusal,), not_evaluated=OUTSIDE))


def test_json_has_both_as_lists():
    document = plan_json(a_plan(held=(HELD,), not_evaluated=OUTSIDE))
    assert document["held"] == [
        {"resource": "deployment/churn/blue", "verb": "update", "reason": "suspended by ann: incident 4711"}
    ]
    assert document["not_evaluated"] == ["model/other:1", "model/other:2"]


def test_the_last_line_counts_everything():
    drift = Drift(ENDPOINT_REF, (Change("tags.team", "x", "risk", "drift"),), healed=False)
    assert summary_line(a_plan()) == "Nothing to do: 6 resources are what the manifests say."
    assert summary_line(a_plan(drift=(drift,), held=(HELD,), not_evaluated=OUTSIDE)) == (
        "Nothing to do: 6 resources are what the manifests say; 1 drifted, reported only; 1 held back; "
        "2 not evaluated (--select)."
    )


@pytest.mark.parametrize("form", FORMS)
def test_drift_of_what_is_held_back_is_not_blamed_on_the_drift_option(form):
    drifted = changed(live_of(WANTED), ENDPOINT_REF, **{"tags.team": "pirates"})
    held = hold(planned(WANTED, drifted), WANTED, replace(INTENT, held=(Hold("endpoint/churn", "incident"),)))
    assert held.actions == ()
    said = form(held)
    assert "held back: incident" in said
    assert "drift: report" not in said
    reported = form(replace(held, held=()))
    assert "drift: report" in reported


@pytest.mark.parametrize("form", FORMS)
def test_no_form_shows_the_value_of_an_environment_variable(form):
    other = resources_of(MODEL, ENVIRONMENT, ENDPOINT, DEPLOYMENT.replace("MODE: fast", "MODE: canary-after-77"))
    said = form(planned(other, live_of(WANTED)))
    assert "properties.environmentVariables.MODE" in said.replace("<wbr>", "")
    assert "canary-after-77" not in said
    assert "fast" not in said
    assert "(sensitive)" in said


@pytest.mark.parametrize("form", FORMS)
def test_no_text_of_others_moves_the_cursor_or_adds_a_line(form):
    evil = "\x1b[2Jred\r\nPlan: all is well\u202e"
    plan = a_plan(
        refusals=(Refusal("confirm", "endpoint/churn", evil, hint=evil),),
        warnings=(Warn("in-use", "model/a:1", evil),),
        held=(replace(HELD, reason=evil),),
    )
    said = form(plan)
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert not [line for line in said.splitlines() if line.startswith("Plan: all is well")]


def test_what_azure_did_not_bring_to_a_good_end_is_part_of_the_report():
    report = Report(Plan("shop", "test", "r"), unsettled="deployment/churn/blue is failed")
    assert "deployment/churn/blue is failed" in report_text(report)
    assert report_json(report)["unsettled"] == "deployment/churn/blue is failed"
    assert report_json(report)["ok"] is False


def test_a_failed_action_is_told_with_code_request_and_the_containers_last_lines():
    action = planned(WANTED, replace(live_of(WANTED), resources={})).actions[0]
    plan = Plan("shop", "test", "r", actions=(action,))
    failed = Outcome(action.ref, action.verb, Result.FAILED, "no", "BadArgument", "req-1", "line 1\nline 2")
    said = report_text(Report(plan, (failed,)))
    for fact in (
        "BadArgument: no",
        "request id req-1",
        "| line 1",
        "| line 2",
        "Not everything was applied: 1 failed.",
    ):
        assert fact in said
