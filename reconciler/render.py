"""Plans and reports as text, Markdown and JSON. Pure: what is shown depends on the value alone.

Secrets never get here as anything but ``(sensitive)``, and text that came from Azure or a file cannot move the cursor.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from reconciler.domain import Result, Verb
from reconciler.kinds.forms import asset_id, storage_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.domain import Action, Body, Change, Drift, Plan, Refusal, Report

SENSITIVE = "(sensitive)"
WIDEST_VALUE = 100
_SIGN = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.REPLACE: "-/+", Verb.DELETE: "-", Verb.ADOPT: "@"}
_COLOUR = {"+": "32", "~": "33", "-/+": "35", "-": "31", "@": "36", "!": "31;1", "ok": "32", "dim": "2"}


def paint(text: str, colour: str, *, on: bool) -> str:
    """``text`` in the colour of a sign, when colours are on."""
    return f"\x1b[{_COLOUR[colour]}m{text}\x1b[0m" if on and colour in _COLOUR else text


def value_text(value: Any) -> str:
    """One value on one line: strings bare when that is unambiguous, asset ids and storage short, the rest as JSON."""
    if isinstance(value, str):
        short = _unpacked(storage_uri(asset_id(value)))
        plain = short.isprintable() and short == short.strip() and short not in ("", "null", "true", "false")
        text = short if plain else json.dumps(value)
    else:
        text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return text if len(text) <= WIDEST_VALUE else text[: WIDEST_VALUE - 1] + "…"


def _unpacked(text: str) -> str:
    """JSON that travels as indented text, such as a conda file, on one line."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _before_after(change: Change) -> tuple[str, str]:
    def shown(value: Any) -> str:
        return "(none)" if value is None else SENSITIVE if change.sensitive else value_text(value)

    return shown(change.before), shown(change.after)


def summary(plan: Plan) -> dict[str, int]:
    """How many resources meet each verb, and how many stay as they are."""
    counts = {verb.value: sum(action.verb is verb for action in plan.actions) for verb in Verb}
    return {**counts, "unchanged": len(plan.unchanged)}


def summary_line(plan: Plan) -> str:
    """The last line of a plan."""
    counts = summary(plan)
    if not plan.actions:
        return f"Nothing to do: {counts['unchanged']} resources are what the manifests say."
    wanted = ", ".join(f"{counts[verb.value]} to {verb.value}" for verb in Verb if counts[verb.value])
    return f"Plan: {wanted}; {counts['unchanged']} unchanged."


# -- text ----------------------------------------------------------------------------------------------------------


def plan_text(plan: Plan, *, colour: bool = False) -> str:
    """The plan for a terminal."""
    lines = [f"{plan.project}/{plan.environment} in workspace {plan.workspace} at revision {plan.revision}", ""]
    for action in plan.actions:
        lines += [*_action_text(action, colour=colour), ""]
    lines += _drift_text([drift for drift in plan.drift if not drift.healed], colour=colour)
    lines += [paint(f"  warning  {w.resource}: {printable(w.message)}", "~", on=colour) for w in plan.warnings]
    lines += [""] * bool(plan.warnings)
    for refusal in plan.refusals:
        lines += [*_refusal_text(refusal, colour=colour), ""]
    if plan.refusals:
        count = len(plan.refusals)
        lines.append(f"Refused: {count} reason{'s' * (count != 1)} above; nothing of this plan will be applied.")
    else:
        lines.append(summary_line(plan))
    return "\n".join(lines) + "\n"


def _action_text(action: Action, *, colour: bool) -> Iterator[str]:
    sign = _SIGN[action.verb]
    yield paint(f"{sign:>3} {action.ref}", sign, on=colour) + f"  {action.verb}: {action.reason}"
    shown = [c for c in action.changes if action.verb is not Verb.CREATE or c.reason != "documented default"]
    width = max((len(change.path) for change in shown), default=0)
    for change in shown:
        before, after = _before_after(change)
        if action.verb is Verb.CREATE:
            yield f"        {change.path:<{width}}  {after}"
        else:
            note = "" if change.reason == "manifest" else f"  ({change.reason})"
            yield f"        {change.path:<{width}}  {before} -> {after}{note}"
    if hidden := len(action.changes) - len(shown):
        yield paint(f"        and {hidden} documented default{'s' * (hidden != 1)}", "dim", on=colour)


def _drift_text(drifts: Sequence[Drift], *, colour: bool) -> Iterator[str]:
    for drift in drifts:
        yield paint(f"  drift  {drift.ref}", "~", on=colour) + "  changed outside Git; reported only (drift: report)"
        for change in drift.changes:
            before, after = _before_after(change)
            yield f"        {change.path}  live {before}, Git {after}"
        yield ""


def _refusal_text(refusal: Refusal, *, colour: bool) -> Iterator[str]:
    place = f"  ({refusal.position})" if refusal.position else ""
    yield paint(f"  ! {refusal.resource}", "!", on=colour) + f"  {refusal.rule}{place}"
    yield f"        {printable(refusal.message)}"
    if refusal.hint:
        yield f"        fix: {printable(refusal.hint)}"


def report_text(report: Report, *, colour: bool = False) -> str:
    """What an apply did, failures with their cause last, where the eye is."""
    failed = [o for o in report.outcomes if o.result is Result.FAILED]
    lines: list[str] = []
    for outcome in failed:
        lines += ["", paint(f"  ! {outcome.ref}  {outcome.verb} failed", "!", on=colour)]
        lines.append(f"        {outcome.code + ': ' if outcome.code else ''}{printable(outcome.message)}")
        if outcome.request_id:
            lines.append(f"        request id {outcome.request_id}")
        lines += [f"        | {printable(line)}" for line in outcome.log_tail.splitlines()]
    counts = {result: sum(o.result is result for o in report.outcomes) for result in Result}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count) or "nothing to do"
    word = "Applied" if report.ok else "Not everything was applied"
    lines += [""] * bool(failed) + [f"{word}: {told}."]
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Text of Azure, files or other people, with nothing in it that could move the cursor or break the line."""
    return "".join(character if character.isprintable() else " " for character in text)


# -- Markdown ------------------------------------------------------------------------------------------------------


def plan_markdown(plan: Plan) -> str:
    """The plan as a pull request comment."""
    verdict = "refused" if plan.refusals else summary_line(plan)
    lines = [
        f"### aml-gitops plan: {plan.project}/{plan.environment}",
        "",
        f"Workspace `{plan.workspace}` · revision `{plan.revision}` · digest `{plan.digest}` · **{verdict}**",
        "",
    ]
    if plan.refusals:
        lines += ["| Refused | Rule | Why | Fix |", "|---|---|---|---|"]
        lines += [f"| `{r.resource}` | {r.rule} | {_cell(r.message)} | {_cell(r.hint)} |" for r in plan.refusals]
        lines.append("")
    if plan.actions:
        lines += ["| | Resource | Reason |", "|---|---|---|"]
        lines += [f"| {a.verb} | `{a.ref}` | {_cell(a.reason)} |" for a in plan.actions]
        lines.append("")
    for action in plan.actions:
        if action.changes:
            lines += [f"<details><summary>{action.verb} <code>{action.ref}</code></summary>", "", "```diff"]
            lines += _diff_lines(action)
            lines += ["```", "", "</details>", ""]
    drifts = [d for d in plan.drift if not d.healed]
    lines += [f"- drift, reported only: `{d.ref}` ({', '.join(c.path for c in d.changes)})" for d in drifts]
    lines += [f"- warning: `{w.resource}` {_cell(w.message)}" for w in plan.warnings]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("<", "&lt;")


def _diff_lines(action: Action) -> Iterator[str]:
    for change in action.changes:
        before, after = _before_after(change)
        path, before, after = (text.replace("```", "'''") for text in (change.path, before, after))
        if change.before is not None:
            yield f"- {path}: {before}"
        if change.after is not None:
            yield f"+ {path}: {after}"


# -- JSON ----------------------------------------------------------------------------------------------------------


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
