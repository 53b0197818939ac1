"""How every declared resource stands: in sync or not, healthy or not, and since which commit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain import Ref
from reconciler.kinds import KINDS
from reconciler.plan.decide import BROKEN, GONE, state_of, traffic_of
from reconciler.plan.ownership import REVISION, tags_of
from reconciler.plan.planning import rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Body, Live, Plan, Resource

_PROGRESSING = ("creating", "updating", "scaling", *GONE)


@dataclass(frozen=True, slots=True)
class Standing:
    """One row.

    ``sync`` is InSync, OutOfSync, Drift or Refused; ``health`` Ready, Progressing, Failed, Missing or Unknown;
    ``revision`` the commit that was written last; ``traffic`` the live share in percent, where there is any.
    """

    resource: str
    sync: str
    health: str
    revision: str
    traffic: int | None
    detail: str


def standings(resources: tuple[Resource, ...], live: Live, plan: Plan) -> tuple[Standing, ...]:
    """Every declared resource, in the order of kinds and names."""
    why = {action.ref: f"{action.verb}: {action.reason}" for action in plan.actions}
    drifted = {drift.ref for drift in plan.drift}
    refused = {refusal.resource: refusal.message for refusal in plan.refusals}
    ordered = sorted((resource.ref for resource in resources), key=rank)
    return tuple(_standing(ref, live.resources, why, drifted, refused) for ref in ordered)


def _standing(
    ref: Ref, live: Mapping[Ref, Body], why: Mapping[Ref, str], drifted: set[Ref], refused: Mapping[str, str]
) -> Standing:
    endpoint = live.get(Ref("endpoint", ref.name))
    body = endpoint if ref.kind == "traffic" else live.get(ref)
    sync = "Refused" if str(ref) in refused else "Drift" if ref in drifted else "OutOfSync" if ref in why else "InSync"
    weight = traffic_of(endpoint).get(ref.part) if ref.kind == "deployment" else None
    kind = KINDS["endpoint" if ref.kind == "traffic" else ref.kind]
    revision = "" if body is None else tags_of(kind, body).get(REVISION, "")
    return Standing(str(ref), sync, health_of(body), revision, weight, refused.get(str(ref)) or why.get(ref, ""))


def health_of(body: Body | None) -> str:
    """Health of a live body: what its provisioning state means to somebody on call."""
    if body is None:
        return "Missing"
    state = state_of(body)
    if state == "succeeded":
        return "Ready"
    if state in _PROGRESSING:
        return "Progressing"
    return "Failed" if state in BROKEN else "Unknown"
