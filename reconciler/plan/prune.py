"""What left the manifests and may therefore go: owned, unprotected, referred to by nothing that stays. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.domain import Action, Ref, Refusal, Verb, Warn
from reconciler.kinds import KINDS
from reconciler.kinds.forms import asset_id
from reconciler.kinds.kind import get
from reconciler.plan.decide import GONE, fingerprint, reached, state_of, traffic_of
from reconciler.plan.ownership import OWNER, PROTECT, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.domain import Body, Intent, KindName, Live, Resource

PRUNABLE: tuple[KindName, ...] = ("endpoint", "deployment", "model", "environment")
"""Code versions stay: they are invisible to users, cost bytes only, and make a revert instant."""

_REFERENCES = ("properties.model", "properties.environmentId")
_ASSET = re.compile(r"(?P<type>model|environment)/(?P<name>[^/:]+):(?P<version>.+)")


def owned(live: Live, owner: str) -> dict[Ref, Body]:
    """Live resources that carry our mark, and are not on their way out."""
    return {
        ref: body
        for ref, body in live.resources.items()
        if ref.kind in PRUNABLE and tags_of(KINDS[ref.kind], body).get(OWNER) == owner and state_of(body) not in GONE
    }


def prune(
    desired: Mapping[Ref, Resource], live: Live, intent: Intent, planned: Sequence[Action]
) -> tuple[tuple[Action, ...], tuple[Refusal, ...], tuple[Warn, ...]]:
    """Deletions of what is ours and no longer wanted; refusals and warnings where that is not safe."""
    gone = {ref: body for ref, body in owned(live, intent.owner).items() if ref not in desired}
    warnings = [
        Warn("protected", str(ref), "left the manifests but is protected; it stays")
        for ref, body in sorted(gone.items())
        if PROTECT in tags_of(KINDS[ref.kind], body)
    ]
    gone = {ref: body for ref, body in gone.items() if PROTECT not in tags_of(KINDS[ref.kind], body)}
    if not intent.prune:
        left = [ref for ref in sorted(gone) if ref.kind in ("endpoint", "deployment")]
        warnings += [Warn("unpruned", str(ref), "left the manifests; it stays because prune is off") for ref in left]
        return (), (), tuple(warnings)
    actions: list[Action] = []
    refusals: list[Refusal] = []
    for ref in sorted(gone):
        if ref.kind == "endpoint":
            refusals += _foreign_children(ref, live, intent)
        if ref.kind == "deployment" and Ref("endpoint", ref.name) in gone:
            continue  # Deleting an endpoint takes its deployments along.
        if ref.kind == "deployment":
            refusals += _still_serving(ref, live, planned)
        if ref.kind in ("model", "environment") and (user := _user_of(ref, desired, live, gone, planned)):
            warnings.append(Warn("in-use", str(ref), f"left the manifests but {user} still uses it; it stays"))
            continue
        actions.append(_delete(ref, gone[ref], live, planned, actions))
    return tuple(actions), tuple(refusals), tuple(warnings)


def _delete(ref: Ref, body: Body, live: Live, planned: Sequence[Action], deletions: Sequence[Action]) -> Action:
    reason = "left the manifests"
    needs: list[Ref] = []
    children = tuple(children_of(ref, live)) if ref.kind == "endpoint" else ()
    if children:
        reason += "; takes " + ", ".join(child.part for child in children) + " along"
    if ref.kind == "deployment":
        needs = [action.ref for action in planned if action.ref == Ref("traffic", ref.name)]
    if ref.kind in ("model", "environment"):
        users = {
            user for user in live.resources if user.kind == "deployment" and ref in assets_of(live.resources[user])
        }
        endpoints = {Ref("endpoint", user.name) for user in users}
        needs = [action.ref for action in (*planned, *deletions) if action.ref in users | endpoints]
    expects = fingerprint(KINDS[ref.kind], body)
    return Action(Verb.DELETE, ref, reason, (), tuple(sorted(needs)), "DELETE", expects=expects, children=children)


def children_of(endpoint: Ref, live: Live) -> list[Ref]:
    """Live deployments of an endpoint."""
    return sorted(ref for ref in live.resources if ref.kind == "deployment" and ref.name == endpoint.name)


def assets_of(deployment: Body) -> frozenset[Ref]:
    """Workspace models and environments that a deployment's body names."""
    found = set()
    for path in _REFERENCES:
        if match := _ASSET.fullmatch(str(asset_id(get(deployment, path, "")))):
            kind: KindName = "model" if match["type"] == "model" else "environment"
            found.add(Ref(kind, match["name"], match["version"]))
    return frozenset(found)


def _foreign_children(endpoint: Ref, live: Live, intent: Intent) -> list[Refusal]:
    found = []
    for child in children_of(endpoint, live):
        tags = tags_of(KINDS["deployment"], live.resources[child])
        message = f"left the manifests, but deleting it would take {child} along"
        hint = "Delete or release that deployment first, or keep the endpoint in the manifests."
        if tags.get(OWNER) != intent.owner:
            found.append(Refusal("not-owned", str(endpoint), f"{message}, which is not ours", f"tags.{OWNER}", hint))
        elif PROTECT in tags:
            found.append(Refusal("protected", str(endpoint), f"{message}, which is protected", f"tags.{PROTECT}", hint))
    return found


def _still_serving(ref: Ref, live: Live, planned: Sequence[Action]) -> list[Refusal]:
    """A deployment may only go once neither traffic nor a mirror reaches it: by this plan's own traffic, or live's."""
    after = next((action.body for action in planned if action.ref == Ref("traffic", ref.name)), None)
    endpoint = after if after is not None else live.resources.get(Ref("endpoint", ref.name))
    weight = reached(endpoint).get(ref.part)
    if not weight:
        return []
    mirrored = ref.part not in traffic_of(endpoint)
    what = "requests are mirrored" if mirrored else "traffic goes"
    field, instead = ("mirror_traffic", "{}") if mirrored else ("traffic", "{…: 100}")
    return [
        Refusal(
            "serving",
            str(ref),
            f"left the manifests while {weight} % of live {what} to it",
            f"endpoint/{ref.name} properties.{'mirrorTraffic' if mirrored else 'traffic'}",
            f"Say in the manifest of endpoint/{ref.name} what becomes of it: `{field}: {instead}`.",
        )
    ]


def _user_of(
    ref: Ref, desired: Mapping[Ref, Resource], live: Live, gone: Mapping[Ref, Body], planned: Sequence[Action]
) -> Ref | None:
    """Somebody who needs the asset after this plan: a desired resource, or a deployment as this plan leaves it."""
    for wanted in desired.values():
        if ref in wanted.needs:
            return wanted.ref
    bodies = {ref: body for ref, body in live.resources.items() if ref.kind == "deployment" and ref not in gone}
    bodies |= {a.ref: a.body for a in planned if a.ref.kind == "deployment" and a.method == "PUT" and a.body}
    for user, body in sorted(bodies.items(), key=lambda item: item[0]):
        if Ref("endpoint", user.name) not in gone and ref in assets_of(body):
            return user
    return None
