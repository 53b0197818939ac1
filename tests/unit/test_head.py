"""The head of ``status``: conditions, last and next pass, holder; and an error as JSON."""

from __future__ import annotations

import pytest

from reconciler.cli.head import because, error_json, loop_json, loop_text
from reconciler.cli.remembered import Remembered
from reconciler.domain import Finding, Position, Severity
from reconciler.errors import EmulatorError, ManifestError
from reconciler.watch.memory import Memory
from reconciler.watch.verdict import Verdict, conditions

NOW_S = 1795253400.0  # 2026-11-21T09:30:00Z
SINCE = "2026-11-21T09:00:00+00:00"


def remembered(reason="Synced", message="live is what Git says", holder="", **memory):
    verdict = Verdict(reason, message, ready=reason == "Synced", stalled=reason == "PlanRefused")
    return Remembered(Memory(conditions=conditions((), verdict, SINCE), passed_at=NOW_S - 300, **memory), holder, {})


def head(loop, *, colour=False):
    return loop_text(loop, NOW_S, colour=colour)


def test_the_reason_is_said_once():
    text = head(remembered("PlanRefused", "endpoint/churn: public", revision="a" * 40))
    assert text.splitlines() == [
        f"Ready        False  PlanRefused: endpoint/churn: public  (since {SINCE})",
        f"Reconciling  False   (since {SINCE})",
        f"Stalled      True    (since {SINCE})",
        "Last pass 5 min ago at revision aaaaaaaaaaaa.",
        "",
    ]


@pytest.mark.parametrize(
    ("due_in_s", "holder", "said"),
    [
        (35, "", "ago; next pass in 35 s."),
        (150, "", "ago; next pass in 2 min."),
        (0, "", "ago; next pass now."),
        (-59, "", "ago; next pass now."),
        (-300, "", "ago; next pass now, due for 5 min (is a loop running?)."),
        (-300, "node-1", "ago; node-1 works on it now."),
        (35, "node-1", "ago; node-1 works on it now."),
    ],
)
def test_when_the_next_pass_is_due(due_in_s, holder, said):
    assert said in head(remembered(holder=holder, due_at=NOW_S + due_in_s))


def test_a_pass_of_which_nobody_knows_when_it_is_due_is_not_announced():
    assert "next pass" not in head(remembered())
    assert loop_json(remembered(), NOW_S)["next_pass_at"] is None


def test_json_has_instants():
    found = loop_json(remembered(due_at=NOW_S + 35, holder="node-1"), NOW_S)
    assert (found["passed_at"], found["passed_s_ago"]) == ("2026-11-21T09:25:00+00:00", 300.0)
    assert (found["next_pass_at"], found["holder"]) == ("2026-11-21T09:30:35+00:00", "node-1")
    assert {condition["reason"] for condition in found["conditions"]} == {"Synced"}


def test_nothing_is_said_of_a_loop_that_never_was():
    assert head(None) == head(Remembered(Memory(), "", {"*": "x"})) == ""
    assert loop_json(None, NOW_S) is None


def test_the_message_moves_no_cursor_and_colours_tell_good_from_bad():
    text = head(remembered("PlanRefused", "\x1b[2Jgone"), colour=True)
    assert "\x1b[2J" not in text
    assert "\x1b[31mReady" in text
    assert "\x1b[32mReady" in head(remembered(), colour=True)


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("Suspended", "suspended: ann@host: a night", "Suspended: ann@host: a night"),
        ("Suspended", "suspended in gitops.yaml", "Suspended: in gitops.yaml"),
        ("Suspended", "suspended", "Suspended"),
        ("HeldBack", "endpoint/a: suspended: x", "HeldBack: endpoint/a: suspended: x"),
        ("", "said", "said"),
        ("Synced", "", "Synced"),
    ],
)
def test_a_reason_is_not_repeated_by_its_message(reason, message, said):
    assert because(reason, message) == said


def test_an_error_as_json():
    finding = Finding(
        rule="unknown-field",
        severity=Severity.ERROR,
        position=Position("a.yml", 3, 1),
        message="x is unknown",
        resource="endpoint/a",
    )
    found = error_json(ManifestError((finding,)))
    assert (found["type"], found["exit_code"]) == ("ManifestError", 4)
    assert [(entry["rule"], entry["position"]) for entry in found["findings"]] == [("unknown-field", "a.yml:3:1")]
    plain = error_json(EmulatorError("no emulator runs"))
    assert plain == {"type": "EmulatorError", "message": "no emulator runs", "exit_code": 1, "findings": []}


@pytest.mark.parametrize(("count", "more"), [(1, ""), (3, ""), (4, "; and 1 more"), (401, "; and 398 more")])
def test_wrong_manifests_tell_how_many_findings_they_do_not_show(count, more):
    findings = tuple(
        Finding(rule="r", severity=Severity.ERROR, position=Position("a.yml", n + 1, 1), message="wrong")
        for n in range(count)
    )
    text = str(ManifestError(findings))
    assert text.startswith(f"{count} finding{'s' * (count > 1)} in the manifests: a.yml:1:1 [r] wrong")
    assert text.endswith(f"a.yml:{min(count, 3)}:1 [r] wrong{more}")
