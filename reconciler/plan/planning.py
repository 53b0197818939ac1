"""Desired and live to a plan: a value that says everything that would be done, in a safe order. Pure, deterministic."""

from __future__ import annotations

from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from reconciler.domain import KINDS as KIND_ORDER
from reconciler.domain import Plan, Ref, Refusal, Verb
from reconciler.kinds import KINDS
from reconciler.plan.decide import Decision, decide, decide_traffic, fingerprint, reached, with_traffic_mark
from reconciler.plan.ownership import digest
from reconciler.plan.prune import prune

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.domain import Action, Intent, Live, Resource


def plan(resources: Sequence[Resource], live: Live, intent: Intent) -> Plan:
    """Plan how ``live`` becomes what ``resources`` say. Nothing is decided later than here."""
    desired = {resource.ref: resource for resource in resources}
    decisions = _decide_all(desired, live, intent)
    actions = [decision.action for decision in decisions.values() if decision.action]
    deletions, blocked, warnings = prune(desired, live, intent, actions)
    refusals = [refusal for decision in decisions.values() for refusal in decision.refusals]
    refusals += _unresolved(desired, live)
    drift = [decision.drift for decision in decisions.values() if decision.drift]
    settled = {ref for ref, decision in decisions.items() if decision == Decision()}
    ordered = in_order((*actions, *deletions))
    return Plan(
        project=intent.project,
        environment=intent.environment,
        workspace=str(live.workspace.get("name") or ""),
        revision=intent.revision,
        actions=ordered,
        unchanged=tuple(sorted(settled)),
        drift=tuple(sorted(drift, key=lambda item: item.ref)),
        refusals=tuple(sorted((*refusals, *blocked), key=lambda item: (item.resource, item.field))),
        warnings=warnings,
        digest=_digest(intent, ordered, desired, live),
    )


def _decide_all(desired: Mapping[Ref, Resource], live: Live, intent: Intent) -> dict[Ref, Decision]:
    decisions: dict[Ref, Decision] = {}
    for ref in sorted(desired, key=rank):
        body = live.resources.get(Ref("endpoint", ref.name) if ref.kind == "traffic" else ref)
        if ref.kind == "traffic":
            endpoint = Ref("endpoint", ref.name)
            touched = decisions[endpoint].action is not None
            decisions[ref] = decide_traffic(desired[ref], desired[endpoint], body, intent, touched=touched)
            if touched and decisions[ref] == Decision():
                decisions[endpoint] = with_traffic_mark(decisions[endpoint], desired[ref])
        else:
            serving = ref.kind == "deployment" and ref.part in reached(live.resources.get(Ref("endpoint", ref.name)))
            decisions[ref] = decide(desired[ref], body, intent, serving=serving)
    return decisions


def _unresolved(desired: Mapping[Ref, Resource], live: Live) -> list[Refusal]:
    """References to something that neither the manifests declare nor the workspace has."""
    return [
        Refusal(
            "unresolved-reference",
            str(resource.ref),
            f"needs {need}, which neither the manifests declare nor the workspace has",
            hint=f"Declare {need} in the manifests, or register it in the workspace first.",
            position=resource.position,
        )
        for resource in desired.values()
        for need in resource.needs
        if need not in desired and need not in live.resources
    ]


def rank(ref: Ref) -> tuple[int, Ref]:
    """Order of kinds in which things can come to be, then by name."""
    return KIND_ORDER.index(ref.kind), ref


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Actions such that each comes after all it needs; deletions last, users before what they use."""
    by_ref = {action.ref: action for action in actions}
    sorter = TopologicalSorter(
        {ref: [need for need in action.needs if need in by_ref] for ref, action in by_ref.items()}
    )
    sorter.prepare()
    result: list[Action] = []
    ready: list[tuple[bool, int, Ref]] = []
    while sorter.is_active():
        for ref in sorter.get_ready():
            heappush(ready, _turn(by_ref[ref]))
        *_, chosen = heappop(ready)
        result.append(by_ref[chosen])
        sorter.done(chosen)
    return tuple(result)


def _turn(action: Action) -> tuple[bool, int, Ref]:
    """Sort key: deletions last and backwards, kinds in the order they can come to be, then names."""
    index, ref = rank(action.ref)
    deletes = action.verb is Verb.DELETE
    return deletes, -index if deletes else index, ref


def _digest(intent: Intent, actions: Sequence[Action], desired: Mapping[Ref, Resource], live: Live) -> str:
    """What a saved plan is bound to: the revision, all that is desired, and all of live that was looked at."""
    return digest(
        {
            "workspace": live.workspace.get("id"),
            "owner": intent.owner,
            "revision": intent.revision,
            "narrowed": [intent.selected, [hold.pattern for hold in intent.held]],
            "actions": [[action.verb, str(action.ref), action.method, action.body] for action in actions],
            "desired": {str(ref): digest(resource.body) for ref, resource in desired.items()},
            "live": {str(ref): fingerprint(KINDS[ref.kind], body) for ref, body in live.resources.items()},
        }
    )
