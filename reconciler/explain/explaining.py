"""From a plan and live state to the answer, for a declared resource and for one that is only live. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.domain import Ref
from reconciler.explain.explanation import NOT_DECLARED, Explanation, LastWrite
from reconciler.explain.fields import fields_of
from reconciler.explain.sentence import declared, undeclared
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get
from reconciler.plan.decide import GONE, reached, state_of, traffic_of
from reconciler.plan.ownership import OWNER, PROTECT, REVISION, tags_of
from reconciler.plan.said import Said, Sync, health_of, said_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reconciler.domain import Body, Live, Plan, Position, Resource


def _nowhere(_: str) -> Position | None:
    return None


def explain(
    ref: Ref,
    resources: Iterable[Resource],
    live: Live,
    plan: Plan,
    written: Callable[[str], Position | None] = _nowhere,
) -> Explanation | None:
    """Explain one resource; None when it is neither declared nor live.

    ``written`` finds the place of a manifest key of this resource.
    """
    said = said_of_each(plan)[str(ref)]
    body = live.resources.get(_carrier(ref))
    resource = next((resource for resource in resources if resource.ref == ref), None)
    facts = _facts(ref, body, live.resources, plan)
    others = tuple(refusal for refusal in plan.refusals if refusal.resource != str(ref))
    if resource is not None:
        present = None if body is None or state_of(body) in GONE else body
        fields = fields_of(resource, present, said.changes, written)
        facts = replace(facts, fields=fields, position=resource.position, blocked=others)
        facts = replace(facts, sync=str(said.sync), causes=said.causes, said=said)
        return replace(facts, verdict=declared(facts, present))
    if body is None:
        return None
    in_plan = said.sync is not Sync.UNKNOWN
    sync = str(said.sync) if in_plan else NOT_DECLARED
    causes = (*(said.causes if in_plan else ()), *(warn.message for warn in said.warnings if warn.rule != "held"))
    facts = replace(facts, sync=sync, causes=causes, said=said, blocked=others if in_plan else ())
    return replace(facts, verdict=undeclared(facts))


def names(resources: Iterable[Resource], live: Live) -> tuple[str, ...]:
    """Everything that can be explained."""
    refs = {resource.ref for resource in resources} | set(live.resources)
    return tuple(sorted(str(ref) for ref in refs))


def _carrier(ref: Ref) -> Ref:
    return Ref("endpoint", ref.name) if ref.kind == "traffic" else ref


def _facts(ref: Ref, body: Body | None, live: Mapping[Ref, Body], plan: Plan) -> Explanation:
    kind = KINDS["endpoint" if ref.kind == "traffic" else ref.kind]
    tags = tags_of(kind, body)
    endpoint = live.get(Ref("endpoint", ref.name))
    of_deployment = ref.kind == "deployment"
    return Explanation(
        ref,
        sync="",
        health=health_of(body),
        verdict="",
        causes=(),
        said=Said(),
        owner=tags.get(OWNER, ""),
        ours=tags.get(OWNER) == f"{plan.project}/{plan.environment}",
        protected=PROTECT in tags,
        revision=tags.get(REVISION, ""),
        last_write=_last_write(body),
        traffic=traffic_of(endpoint).get(ref.part, 0) if of_deployment and endpoint else None,
        mirror=_mirror(endpoint, ref.part) if of_deployment and endpoint else None,
        doc=KINDS[ref.kind].doc,
    )


def _mirror(endpoint: Body, name: str) -> int:
    weights = {key.lower(): weight for key, weight in get(endpoint, "properties.mirrorTraffic", {}).items()}
    return int(weights.get(name, 0)) if name in reached(endpoint) else 0


def _last_write(body: Body | None) -> LastWrite:
    told = {key: str(value) for key, value in get(body, "systemData", {}).items() if value}
    return LastWrite(
        told.get("lastModifiedBy", ""),
        told.get("lastModifiedByType", ""),
        told.get("lastModifiedAt", ""),
        told.get("createdBy", ""),
        told.get("createdAt", ""),
    )
