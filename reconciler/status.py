"""How every declared resource stands: in sync or not, healthy or not, and since which commit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain import Ref
from reconciler.kinds import KINDS
from reconciler.plan.decide import traffic_of
from reconciler.plan.ownership import REVISION, tags_of
from reconciler.plan.planning import rank
from reconciler.plan.said import health_of, said_of_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Body, Live, Plan, Resource
    from reconciler.plan.said import Said


@dataclass(frozen=True, slots=True)
class Standing:
    """One row.

    ``sync`` is InSync, OutOfSync, Drift, Refused or NotEvaluated; ``health`` Ready, Progressing, Failed, Missing or
    Unknown; ``revision`` the commit that was written last; ``traffic`` the live share in percent, where there is any.
    ``detail`` is why it is not in sync; ``drift`` the fields that were changed outside Git. ``held`` is why nothing is
    done although something is due; ``last_error`` what the loop last failed with and does not try again.
    """

    resource: str
    sync: str
    health: str
    revision: str
    traffic: int | None
    detail: str
    drift: tuple[str, ...] = ()
    held: str = ""
    last_error: str = ""


def standings(
    resources: tuple[Resource, ...], live: Live, plan: Plan, errors: Mapping[str, str] | None = None
) -> tuple[Standing, ...]:
    """Every declared resource, in the order of kinds and names. ``errors`` are the last ones, by resource."""
    said = said_of_each(plan)
    ordered = sorted((resource.ref for resource in resources), key=rank)
    return tuple(_standing(ref, live.resources, said[str(ref)], (errors or {}).get(str(ref), "")) for ref in ordered)


def _standing(ref: Ref, live: Mapping[Ref, Body], said: Said, error: str) -> Standing:
    endpoint = live.get(Ref("endpoint", ref.name))
    body = endpoint if ref.kind == "traffic" else live.get(ref)
    weight = traffic_of(endpoint).get(ref.part) if ref.kind == "deployment" else None
    kind = KINDS["endpoint" if ref.kind == "traffic" else ref.kind]
    return Standing(
        str(ref),
        str(said.sync),
        health_of(body),
        "" if body is None else tags_of(kind, body).get(REVISION, ""),
        weight,
        "; ".join(said.causes),
        drift=tuple(change.path for change in said.drift.changes) if said.drift else (),
        held=said.held.reason if said.held else "",
        last_error=error,
    )
