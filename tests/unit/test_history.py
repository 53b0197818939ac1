"""The journal as a table: what each sync came to, in a word, in figures, and why."""

from __future__ import annotations

import json

import pytest

from reconciler.cli.history import _row
from reconciler.watch.verdict import REASONS

BLUE = "deployment/adder/blue"
SUMMARY = {"create": 0, "update": 1, "unchanged": 4}
FAILED = {"resource": BLUE, "result": "failed", "code": "ResourceNotReady", "message": "ended"}
REFUSALS = [
    {"rule": "confirm", "resource": "endpoint/adder", "message": "it serves"},
    {"rule": "private", "resource": "endpoint/b", "message": "public"},
]


def said(reason, **entry):
    """RESULT, SUMMARY and DETAIL."""
    given = {"version": 1, "ok": False, "reason": reason, "message": "why", "summary": SUMMARY} | entry
    return _row(json.dumps(given).encode())[3:]


def drift(*healed):
    return [{"resource": BLUE, "healed": one, "fields": []} for one in healed]


@pytest.mark.parametrize(
    ("reason", "entry", "row"),
    [
        ("Applied", {"ok": True}, ("ok", "1 update", "")),
        ("Applied", {"ok": True, "drift": drift(True)}, ("ok", "1 update, 1 drift healed", "")),
        ("Synced", {"ok": True, "summary": {"unchanged": 4}}, ("ok", "nothing to do", "")),
        (
            "DriftReported",
            {"ok": True, "summary": {"unchanged": 4}, "drift": drift(False, False)},
            ("ok", "2 drift reported", "why"),
        ),
        (
            "PlanRefused",
            {"refusals": REFUSALS, "drift": drift(True)},
            ("refused", "2 refused: confirm endpoint/adder", "endpoint/adder refused: it serves"),
        ),
        (
            "HeldBack",
            {"ok": True, "summary": {"unchanged": 4}, "held": [{"resource": BLUE, "reason": "x"}]},
            ("held back", "1 held back", "why"),
        ),
        (
            "Suspended",
            {"summary": {}, "held": [{"resource": BLUE}], "refusals": REFUSALS},
            ("suspended", "1 held back, 2 refused: confirm endpoint/adder", "endpoint/adder refused: it serves"),
        ),
        ("OutsideSyncWindow", {}, ("outside window", "1 update", "why")),
        (
            "ActionFailed",
            {"outcomes": [{"resource": "x", "result": "skipped"}, FAILED], "drift": drift(True)},
            ("failed", "1 update, 1 drift not healed", f"{BLUE} failed: ResourceNotReady: ended"),
        ),
        ("InvalidManifests", {"summary": None}, ("invalid", "", "why")),
        ("SourceUnavailable", {"ok": True, "summary": {}}, ("SourceUnavailable", "nothing to do", "why")),
        ("", {"ok": True}, ("ok", "1 update", "")),
        ("", {}, ("failed", "1 update", "why")),
    ],
)
def test_what_a_sync_came_to(reason, entry, row):
    assert said(reason, **entry) == row


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_only_what_is_as_git_says_is_ok(reason):
    """A report without failures can still be a sync that left something undone."""
    good = reason in ("Synced", "Applied", "DriftReported")
    assert (said(reason, ok=True)[0] == "ok") is good


@pytest.mark.parametrize("line", [b"", b"[]", b"\xff", b'{"version": 1, "drift": 3, "held": "x", "refusals": [4]}'])
def test_any_line_makes_a_row(line):
    assert len(_row(line)) == 6
