"""The plan as Markdown: a pull request comment, or a job summary. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.render.values import NOT_EVALUATED, before_after, held_line, printable, reported, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Action, Plan


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
    lines += [
        f"- drift, {_cell(why)}: `{d.ref}` ({', '.join(_cell(c.path) for c in d.changes)})" for d, why in reported(plan)
    ]
    lines += [f"- held back: {_cell(held_line(held))}" for held in plan.held]
    lines += [f"- {len(plan.not_evaluated)} {NOT_EVALUATED}"] * bool(plan.not_evaluated)
    lines += [f"- warning: `{w.resource}` {_cell(w.message)}" for w in plan.warnings]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("<", "&lt;")


def _diff_lines(action: Action) -> Iterator[str]:
    for change in action.changes:
        before, after = before_after(change)
        path, before, after = (text.replace("```", "'''") for text in (change.path, before, after))
        if change.before is not None:
            yield f"- {path}: {before}"
        if change.after is not None:
            yield f"+ {path}: {after}"
