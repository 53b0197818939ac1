"""What a plan leaves alone: what is held back, and what lies outside of a selection. Pure.

Neither may leave half of something behind: what needs an action that is not taken is not taken either.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

from reconciler.domain import KINDS, Held, Hold, Ref, Verb, Warn
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciler.domain import Action, Intent, KindName, Live, Plan, Resource


def matches(pattern: str, ref: Ref) -> bool:
    """Whether a name or pattern (``endpoint/churn``, ``model/*``, ``*``) means the resource.

    An endpoint stands for all of it: its deployments and its traffic too.
    """
    names = [str(ref)]
    if ref.kind in ("deployment", "traffic"):
        names.append(f"endpoint/{ref.name}")
    return any(fnmatchcase(name, pattern) for name in names)


def hold(proposed: Plan, resources: Sequence[Resource], intent: Intent) -> Plan:
    """The plan without the actions that are held back, by the manifests or by ``intent.held``, and what needs them."""
    suspended = (Hold(str(r.ref), "suspended in its manifest") for r in resources if r.options.suspend)
    holds = (*suspended, *intent.held)
    if not holds:
        return proposed
    held: dict[Ref, Held] = {}
    refusals, warnings = [], []
    # What is refused is as little what Git says as what is held: first these, then what needs them.
    for refusal in proposed.refusals:
        ref = _ref_of(refusal.resource)
        if ref is not None and (reason := _held_by(ref, holds)):
            held[ref] = Held(ref, Verb.UPDATE, reason)
            warnings.append(Warn("held", refusal.resource, f"{reason}; would be refused: {refusal.message}"))
        else:
            refusals.append(refusal)
    for action in proposed.actions:
        if reason := _reason(action, holds, held):
            held[action.ref] = Held(action.ref, action.verb, reason)
    kept = tuple(action for action in proposed.actions if action.ref not in held)
    return replace(
        proposed,
        actions=kept,
        held=tuple(held.values()),
        drift=tuple(replace(drift, healed=drift.healed and drift.ref not in held) for drift in proposed.drift),
        refusals=tuple(refusals),
        warnings=(*proposed.warnings, *warnings),
    )


def _reason(action: Action, holds: Iterable[Hold], held: Mapping[Ref, Held]) -> str:
    """Why an action is held back; empty when it is not."""
    if reason := _held_by(action.ref, holds):
        return reason
    for need in action.needs:
        if need in held:
            return f"needs {need}, which is held back"
    for child in action.children:
        if reason := _held_by(child, holds):
            return f"would take {child} along: {reason}"
    return ""


def _held_by(ref: Ref, holds: Iterable[Hold]) -> str:
    for entry in holds:
        if str(ref) == entry.pattern or (not entry.exact and matches(entry.pattern, ref)):
            return entry.reason
    return ""


def _ref_of(name: str) -> Ref | None:
    """The resource that a refusal names; None for what is none, such as the workspace."""
    kind, _, rest = name.partition("/")
    if kind not in KINDS or not rest:
        return None
    name, _, part = rest.partition("/" if kind == "deployment" else ":")
    return Ref(cast("KindName", kind), name, part)


def left_alone(resources: Iterable[Resource], plan: Plan, intent: Intent) -> frozenset[Ref]:
    """Resources that neither this plan nor a wait after it has anything to do with: held, or not selected."""
    suspended = tuple(Hold(str(r.ref), "") for r in resources if r.options.suspend)
    holds = (*suspended, *(hold for hold in intent.held if not hold.exact))
    held = {r.ref for r in resources if any(matches(hold.pattern, r.ref) for hold in holds)}
    return frozenset(held | set(plan.not_evaluated))


def select(proposed: Plan, resources: Sequence[Resource], live: Live, intent: Intent) -> Plan:
    """The plan narrowed to what ``intent.selected`` means and what that needs; all else is not evaluated.

    Raises UsageError for a pattern that means nothing, declared or live.
    """
    if not intent.selected:
        return proposed
    known = {resource.ref for resource in resources} | set(live.resources)
    for pattern in intent.selected:
        if not any(matches(pattern, ref) for ref in known):
            raise UsageError(f"--select {pattern}: no resource is called so, declared or live; {_near(pattern, known)}")
    needs = {resource.ref: resource.needs for resource in resources}
    for action in proposed.actions:
        needs[action.ref] = (*needs.get(action.ref, ()), *action.needs)
    kept = set(_closure([ref for ref in known if any(matches(p, ref) for p in intent.selected)], needs))
    names = {str(ref) for ref in kept}
    evaluated = {action.ref for action in proposed.actions} | {resource.ref for resource in resources}
    return replace(
        proposed,
        actions=tuple(action for action in proposed.actions if action.ref in kept),
        unchanged=tuple(ref for ref in proposed.unchanged if ref in kept),
        drift=tuple(drift for drift in proposed.drift if drift.ref in kept),
        refusals=tuple(refusal for refusal in proposed.refusals if refusal.resource in names),
        warnings=tuple(warning for warning in proposed.warnings if warning.resource in names),
        not_evaluated=tuple(sorted(evaluated - kept)),
    )


def _near(pattern: str, known: Collection[Ref]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(pattern, [str(ref) for ref in known], n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "a plan shows the names, such as endpoint/churn"


def _closure(start: Iterable[Ref], needs: Mapping[Ref, Sequence[Ref]]) -> Iterator[Ref]:
    seen: set[Ref] = set()
    waiting = list(start)
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            yield ref
            waiting.extend(needs.get(ref, ()))


def declined(proposed: Plan, reason: str) -> Plan:
    """The plan with nothing taken at all, such as while its environment is suspended or its windows are closed."""
    held = tuple(Held(action.ref, action.verb, reason) for action in proposed.actions)
    return replace(
        proposed,
        actions=(),
        held=(*proposed.held, *held),
        drift=tuple(replace(drift, healed=False) for drift in proposed.drift),
    )
