"""The plan as one HTML file for a person who has to decide: no script, no request, nothing that a value could start.

The page's own policy allows its one style sheet, by digest, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from reconciler.domain import Verb
from reconciler.render.style import CSS
from reconciler.render.traffic import split
from reconciler.render.values import NONE, NOT_EVALUATED, SIGN, before_after, printable, reported, summary, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.domain import Action, Change, Plan, Ref, Refusal

WIDEST_VALUE = 2000
MANY = 30
"""With more actions than this, only what takes something away is open from the start."""

_GROUPS: Final = (
    (Verb.DELETE, "Delete", "These resources go. Deleting an endpoint takes its deployments along."),
    (Verb.REPLACE, "Replace", "Deleted and created again; only what Failed and no traffic reaches."),
    (Verb.UPDATE, "Update", "Changed in place."),
    (Verb.ADOPT, "Adopt", "They exist already and are taken over."),
    (Verb.CREATE, "Create", "New in the workspace."),
)


def plan_html(plan: Plan) -> str:
    """One self-contained page: what will happen, what stands against it, then every field."""
    style = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    title = f"Plan: {plan.project}/{plan.environment}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_text(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>",
            *_head(plan),
            *_refusals(plan.refusals),
            *_actions(plan),
            *_drift(plan),
            *_warnings(plan),
            *_left_alone(plan),
            "<footer>Made by <code>aml-gitops plan -o html</code>. Secrets are shown as (sensitive).</footer>",
            "</main>\n</body>\n</html>\n",
        ]
    )


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _head(plan: Plan) -> Iterator[str]:
    counts = summary(plan)
    total = len(plan.actions)
    if plan.refusals:
        number = len(plan.refusals)
        looks, first = (
            "refused",
            f"Refused for {number} reason{'s' * (number != 1)}: nothing of this plan will be applied.",
        )
        then = f"Without the refusal{'s' * (number != 1)} it would be: {summary_line(plan)}" if total else ""
    elif total:
        looks, first, then = "planned", f"{total} change{'s' * (total != 1)} will be made.", ""
    else:
        looks, first, then = "nothing", summary_line(plan), ""
    yield f"<h1><small>aml-gitops plan</small>{_text(plan.project)} / {_text(plan.environment)}</h1>"
    yield f'<section class="verdict {looks}"><strong>{_text(first)}</strong>'
    if then:
        yield f"<p>{_text(then)}</p>"
    chips = [
        (verb.value, f"{SIGN[verb]} {counts[verb.value]} to {verb}") for verb, _, _ in _GROUPS if counts[verb.value]
    ]
    chips.append(("", f"{counts['unchanged']} unchanged"))
    chips += [("", f"{len(plan.held)} held back")] * bool(plan.held)
    chips += [("", f"{len(reported(plan))} drifted and left")] * bool(reported(plan))
    chips += [("", f"{len(plan.warnings)} warning{'s' * (len(plan.warnings) != 1)}")] * bool(plan.warnings)
    chips += [("", f"{len(plan.not_evaluated)} {NOT_EVALUATED}")] * bool(plan.not_evaluated)
    yield '<ul class="counts">'
    yield from (f'<li class="{looks}">{_text(said)}</li>' for looks, said in chips)
    yield "</ul>"
    facts = (("Workspace", plan.workspace), ("Revision", plan.revision), ("Digest", plan.digest))
    yield '<dl class="facts">'
    yield from (f"<dt>{name}</dt><dd><code>{_text(value)}</code></dd>" for name, value in facts)
    yield "</dl></section>"


def _heading(title: str, count: int, note: str = "") -> Iterator[str]:
    yield f"<h2>{title} <span>{count}</span></h2>"
    if note:
        yield f'<p class="note">{note}</p>'


def _refusals(refusals: Sequence[Refusal]) -> Iterator[str]:
    if refusals:
        yield from _heading("Refused", len(refusals), "Each of these has to be settled first.")
    for refusal in refusals:
        yield f'<article class="refusal"><h3><code>{_text(refusal.resource)}</code>'
        yield f'<span class="badge delete">{_text(refusal.rule)}</span></h3>'
        yield f"<p>{_text(refusal.message)}</p>"
        places = [text for text in (refusal.field, str(refusal.position or "")) if text]
        if places:
            yield f'<p class="quiet">{" · ".join(f"<code>{_text(place)}</code>" for place in places)}</p>'
        if refusal.hint:
            yield f'<p class="fix"><b>Fix:</b> {_text(refusal.hint)}</p>'
        yield "</article>"


def _actions(plan: Plan) -> Iterator[str]:
    steps = {action.ref: number for number, action in enumerate(plan.actions, 1)}
    for verb, title, note in _GROUPS:
        group = [action for action in plan.actions if action.verb is verb]
        if not group:
            continue
        yield from _heading(title, len(group), note)
        for action in group:
            unfolded = verb in (Verb.DELETE, Verb.REPLACE) or (len(plan.actions) <= MANY and verb is not Verb.CREATE)
            yield f'<details class="action" id="step-{steps[action.ref]}"{" open" * unfolded}>'
            yield f'<summary><span class="badge {verb}">{SIGN[verb]} {verb}</span> <code>{_text(action.ref)}</code>'
            yield f'<span class="reason">{_text(action.reason)}</span>'
            yield f'<span class="step">step {steps[action.ref]} of {len(plan.actions)}</span></summary>'
            if inside := "\n".join(_inside(action, steps)):
                yield f'<div class="inside">{inside}</div>'
            yield "</details>"


def _inside(action: Action, steps: Mapping[Ref, int]) -> Iterator[str]:
    if needs := [_need(str(need), steps.get(need)) for need in action.needs]:
        yield f'<p class="quiet">Needs {", ".join(needs)}</p>'
    yield from split(action)
    yield from _fields(action.changes, ("Before", "After"), created=action.verb is Verb.CREATE)


def _need(name: str, step: int | None) -> str:
    code = f"<code>{_text(name)}</code>"
    return code if step is None else f'<a href="#step-{step}">{code}</a>'


def _fields(changes: Sequence[Change], sides: tuple[str, str], *, created: bool = False) -> Iterator[str]:
    """A table of fields; of what is new there is only one side."""
    if not changes:
        return
    heads = ("Field", "Value", "") if created else ("Field", *sides, "")
    yield "<table><thead><tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for change in changes:
        before, after = before_after(change, WIDEST_VALUE)
        why = "" if change.reason == "manifest" else _text(change.reason)
        cells = [f'<td class="path">{_text(change.path).replace(".", ".<wbr>")}</td>']
        if created:
            cells.append(f'<td class="value">{_text(after)}</td>')
        else:
            cells.append(f"<td>{_side('del', before)}</td><td>{_side('ins', after)}</td>")
        cells.append(f'<td class="why">{why}</td>')
        looks = ' class="default"' if created and change.reason == "documented default" else ""
        yield f"<tr{looks}>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _side(element: str, text: str) -> str:
    if text == NONE:
        return f'<span class="quiet">{NONE}</span>'
    return f'<{element} class="value">{_text(text)}</{element}>'


def _drift(plan: Plan) -> Iterator[str]:
    if not plan.drift:
        return
    yield from _heading("Drift", len(plan.drift), "Somebody changed Azure; the manifests stayed as they were.")
    left = {drift.ref: why for drift, why in reported(plan)}
    for drift in plan.drift:
        why = left.get(drift.ref, "set back by this plan")
        yield f"<article><p><code>{_text(drift.ref)}</code> · {_text(why)}</p>"
        yield from _fields(drift.changes, ("Live", "Git"))
        yield "</article>"


def _warnings(plan: Plan) -> Iterator[str]:
    if plan.warnings:
        yield from _heading("Warnings", len(plan.warnings), "They stop nothing.")
        yield from _listed(
            f'<code>{_text(w.resource)}</code> <span class="badge update">{_text(w.rule)}</span> {_text(w.message)}'
            for w in plan.warnings
        )


def _left_alone(plan: Plan) -> Iterator[str]:
    if plan.held:
        yield from _heading("Held back", len(plan.held), "Due, and not done.")
        yield from _listed(
            f'<code>{_text(h.ref)}</code> <span class="badge {h.verb}">{h.verb}</span> {_text(h.reason)}'
            for h in plan.held
        )
    if plan.not_evaluated:
        yield from _heading("Not evaluated", len(plan.not_evaluated), "Outside of --select: nothing is said of them.")
        yield '<details class="action"><summary>Show them</summary><div class="inside">'
        yield from _listed(f"<code>{_text(ref)}</code>" for ref in plan.not_evaluated)
        yield "</div></details>"


def _listed(items: Iterable[str]) -> Iterator[str]:
    yield '<ul class="plain">'
    yield from (f"<li>{item}</li>" for item in items)
    yield "</ul>"
