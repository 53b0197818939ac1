"""Plans and reports as versioned JSON documents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.render.values import SENSITIVE, summary

if TYPE_CHECKING:
    from reconciler.domain import Body, Change, Plan, Report


def plan_json(plan: Plan) -> Body:
    """The plan as a versioned document."""
    return {
        "version": 1,
        "project": plan.project,
        "environment": plan.environment,
        "workspace": plan.workspace,
        "revision": plan.revision,
        "digest": plan.digest,
        "summary": summary(plan),
        "actions": [
            {
                "verb": str(action.verb),
                "resource": str(action.ref),
                "reason": action.reason,
                "needs": [str(need) for need in action.needs],
                "changes": [_change_json(change) for change in action.changes],
            }
            for action in plan.actions
        ],
        "drift": [
            {
                "resource": str(drift.ref),
                "healed": drift.healed,
                "changes": [_change_json(change) for change in drift.changes],
            }
            for drift in plan.drift
        ],
        "refusals": [
            {
                "rule": refusal.rule,
                "resource": refusal.resource,
                "message": refusal.message,
                "field": refusal.field,
                "hint": refusal.hint,
                "position": str(refusal.position) if refusal.position else None,
            }
            for refusal in plan.refusals
        ],
        "warnings": [{"rule": w.rule, "resource": w.resource, "message": w.message} for w in plan.warnings],
        "held": [{"resource": str(h.ref), "verb": str(h.verb), "reason": h.reason} for h in plan.held],
        "not_evaluated": [str(ref) for ref in plan.not_evaluated],
    }


def _change_json(change: Change) -> Body:
    def shown(value: Any) -> Any:
        return SENSITIVE if change.sensitive and value is not None else value

    return {
        "path": change.path,
        "before": shown(change.before),
        "after": shown(change.after),
        "reason": change.reason,
    }


def report_json(report: Report) -> Body:
    """What an apply did, as a versioned document."""
    return {
        "version": 1,
        "ok": report.ok,
        "unsettled": report.unsettled,
        "plan": plan_json(report.plan),
        "outcomes": [
            {
                "resource": str(outcome.ref),
                "verb": str(outcome.verb),
                "result": str(outcome.result),
                "code": outcome.code,
                "message": outcome.message,
                "request_id": outcome.request_id,
                "log_tail": outcome.log_tail,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in report.outcomes
        ],
    }
