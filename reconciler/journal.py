"""One line of the journal: what one sync found, did and came to. Pure; the time comes from the caller.

A line holds names, verbs, results and messages of Azure, never a body or a value of a field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.domain import Result
from reconciler.render.values import summary

if TYPE_CHECKING:
    from reconciler.domain import Outcome, Plan, Report

VERSION = 1
MOST_OUTCOMES = 500
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who worked, and when. ``time`` is RFC 3339, UTC; ``actor`` a person, a pipeline or the loop."""

    time: str
    environment: str
    actor: str
    holder: str
    epoch: int
    author: str = ""


def entry(
    when: Circumstances,
    revision: str,
    reason: str,
    message: str,
    plan: Plan | None = None,
    report: Report | None = None,
) -> bytes:
    """The line, without its end. Of very many outcomes those that failed come first and the rest is counted."""
    document: dict[str, Any] = {
        "version": VERSION,
        "time": when.time,
        "environment": when.environment,
        "revision": revision,
        "author": when.author,
        "actor": when.actor,
        "holder": when.holder,
        "epoch": when.epoch,
        "ok": report.ok if report is not None else False,
        "reason": reason,
        "message": _short(message),
    }
    if plan is not None:
        document |= {
            "digest": plan.digest,
            "summary": summary(plan),
            "refusals": [
                {"rule": refusal.rule, "resource": refusal.resource, "message": _short(refusal.message)}
                for refusal in plan.refusals[:MOST_OUTCOMES]
            ],
            "held": [{"resource": str(held.ref), "reason": _short(held.reason)} for held in plan.held[:MOST_OUTCOMES]],
            "warnings": [
                {"rule": warning.rule, "resource": warning.resource, "message": _short(warning.message)}
                for warning in plan.warnings[:MOST_OUTCOMES]
            ],
            "drift": [
                {
                    "resource": str(drift.ref),
                    "healed": drift.healed,
                    "fields": [change.path for change in drift.changes][:MOST_OUTCOMES],
                }
                for drift in plan.drift[:MOST_OUTCOMES]
            ],
        }
    if report is not None:
        first = sorted(report.outcomes, key=lambda outcome: outcome.result is not Result.FAILED)
        document["outcomes"] = [_outcome(outcome) for outcome in first[:MOST_OUTCOMES]]
        document["more_outcomes"] = max(0, len(first) - MOST_OUTCOMES)
    return json.dumps(document, ensure_ascii=False).encode()


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "resource": str(outcome.ref),
        "verb": str(outcome.verb),
        "result": str(outcome.result),
        "code": outcome.code,
        "message": _short(outcome.message),
        "request_id": outcome.request_id,
        "seconds": round(outcome.seconds, 3),
    }


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
