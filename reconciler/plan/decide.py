"""What to do about one desired resource, given what is live under its name. Pure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.domain import Action, Change, Drift, Refusal, Verb
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get, put
from reconciler.plan.diff import diff, forbidden, merged, without_nulls, writable
from reconciler.plan.ownership import OWNER, PREFIX, PROTECT, SPEC, TRAFFIC, digest, mark, tags_of

if TYPE_CHECKING:
    from reconciler.domain import Body, Intent, Resource
    from reconciler.kinds.kind import Kind

GONE = ("deleting",)
MOVING = ("creating", "updating", "scaling")
BROKEN = ("failed", "canceled")
PRIVATE = ("properties.publicNetworkAccess", "properties.egressPublicNetworkAccess")


@dataclass(frozen=True, slots=True)
class Decision:
    """One of: nothing to do, an action, drift that is only reported, refusals."""

    action: Action | None = None
    drift: Drift | None = None
    refusals: tuple[Refusal, ...] = ()


def state_of(body: Body) -> str:
    """Provisioning state in lower case; assets that do not tell have succeeded."""
    return str(get(body, "properties.provisioningState", "Succeeded")).lower()


def fingerprint(kind: Kind, live: Body) -> str:
    """Digest of everything in a live body that Azure does not change by itself; a weight of 0 is no weight."""
    body = writable(kind, live)
    if kind.name != "endpoint":
        return digest(body)
    weights = {"traffic": traffic_of(body), "mirrorTraffic": _positive(get(body, "properties.mirrorTraffic", {}))}
    return digest({**body, "properties": {**body["properties"], **weights}})


def spec_of(resource: Resource) -> str:
    """Digest of what the manifest says, options included: the same beside another body is drift."""
    options = resource.options
    return digest([resource.body, options.protect, options.ignore])


def decide(resource: Resource, live: Body | None, intent: Intent, *, serving: bool) -> Decision:
    """Decide about any resource but traffic. ``serving`` says that live traffic or a mirror reaches it."""
    kind = KINDS[resource.ref.kind]
    if live is None or state_of(live) in GONE:
        return Decision(_create(kind, resource, live, intent))
    if resource.ref.kind == "code":
        return Decision()
    if resource.ref.kind == "endpoint" and not _is_managed(live):
        return _refuse(
            resource,
            "unsupported-kind",
            "the live endpoint of that name is not a managed one, and a PUT would turn it into one",
            "Choose another name; Kubernetes endpoints are not managed yet.",
            "kind",
        )
    changes = diff(kind, resource.body, live, resource.options.ignore)
    owner = tags_of(kind, live).get(OWNER)
    if owner != intent.owner:
        return _not_owned(kind, resource, live, owner, changes, intent)
    return _owned(kind, resource, live, changes, intent, serving=serving)


def _is_managed(endpoint: Body) -> bool:
    return str(endpoint.get("kind") or "Managed").lower() == "managed" and not get(endpoint, "properties.compute")


def _create(kind: Kind, resource: Resource, live: Body | None, intent: Intent) -> Action:
    body = without_nulls(_marked(kind, resource, resource.body, intent))
    changes = _shown(kind, body)
    reason = (
        "not in the workspace yet" if live is None else "the one of that name is being deleted; waits until it is gone"
    )
    return Action(Verb.CREATE, resource.ref, reason, changes, resource.needs, "PUT", body, resource.upload)


def _not_owned(
    kind: Kind, resource: Resource, live: Body, owner: str | None, changes: tuple[Change, ...], intent: Intent
) -> Decision:
    is_asset = resource.ref.kind in ("model", "environment")
    if is_asset and not changes and not resource.options.adopt:
        return Decision()  # An immutable version with this very content: who registered it does not matter.
    if owner is not None:
        return _refuse(
            resource,
            "not-owned",
            f"belongs to {owner}",
            "Remove it from the manifests here, or release it there first.",
            f"tags.{OWNER}",
        )
    if not resource.options.adopt:
        return _refuse(
            resource,
            "not-owned",
            "exists already and nobody marked it as managed",
            "Set `gitops: {adopt: true}` in its manifest to take it over, or choose another name.",
            f"tags.{OWNER}",
        )
    if refusals := _immutable(kind, resource, changes):
        return Decision(refusals=refusals)
    action = _write(kind, resource, live, changes, intent, "taken over, as its manifest says")
    return Decision(replace(action, verb=Verb.ADOPT))


def _owned(
    kind: Kind, resource: Resource, live: Body, changes: tuple[Change, ...], intent: Intent, *, serving: bool
) -> Decision:
    broken = state_of(live) in BROKEN
    refusals = _immutable(kind, resource, changes)
    protected = resource.options.protect or PROTECT in tags_of(kind, live)
    replaceable = resource.ref.kind == "deployment" and broken and not serving and not protected
    if refusals and not replaceable:
        return Decision(refusals=refusals)
    if refusals:
        action = _create(kind, resource, None, intent)
        reason = f"{state_of(live).capitalize()} without traffic, and {refusals[0].field} cannot change in place"
        return Decision(
            replace(action, verb=Verb.REPLACE, reason=reason, changes=changes, expects=fingerprint(kind, live))
        )
    protection = _protection(kind, resource, live)
    if not changes and not protection and not broken:
        return Decision()
    drifted = bool(changes) and tags_of(kind, live).get(SPEC) == spec_of(resource)
    opened = any(change.path in PRIVATE for change in changes)  # Privacy is never only reported.
    if drifted and resource.options.drift == "report" and not opened:
        return Decision(drift=Drift(resource.ref, _because(changes, "drift"), healed=False))
    changes += protection
    reason = (
        "changed outside Git"
        if drifted
        else "changed in Git"
        if changes
        else f"is {state_of(live).capitalize()}: put again"
    )
    action = _write(kind, resource, live, _because(changes, "drift") if drifted else changes, intent, reason)
    return Decision(action, Drift(resource.ref, action.changes, healed=True) if drifted else None)


def _because(changes: tuple[Change, ...], reason: str) -> tuple[Change, ...]:
    return tuple(replace(change, reason=reason) for change in changes)


def _protection(kind: Kind, resource: Resource, live: Body) -> tuple[Change, ...]:
    """``protect`` must reach the live tags, or prune would not see it once the manifest is gone."""
    marked = PROTECT in tags_of(kind, live)
    if marked == resource.options.protect:
        return ()
    path = f"{kind.tags_at}.{PROTECT}"
    return (Change(path, "true" if marked else None, None if marked else "true", "manifest"),)


def _write(
    kind: Kind, resource: Resource, live: Body, changes: tuple[Change, ...], intent: Intent, reason: str
) -> Action:
    """The narrowest write: tags and instance count go by PATCH, which redeploys nothing; all else is a full PUT.

    A tag can only be taken away by PUT: whether PATCH merges or replaces tags is not documented.
    """
    body = _marked(kind, resource, merged(kind, resource.body, live, resource.options.ignore), intent)
    expects = fingerprint(kind, live)
    narrow = {"endpoint": ("tags",), "deployment": ("tags", "sku.capacity")}.get(resource.ref.kind, ())
    if (
        narrow
        and state_of(live) not in BROKEN
        and all(change.after is not None and change.path.startswith(narrow) for change in changes)
    ):
        patch: Body = {"tags": body["tags"]}
        if any(change.path == "sku.capacity" for change in changes):
            patch["sku"] = body["sku"]
        return Action(Verb.UPDATE, resource.ref, reason, changes, resource.needs, "PATCH", patch, expects=expects)
    return Action(Verb.UPDATE, resource.ref, reason, changes, resource.needs, "PUT", body, resource.upload, expects)


def _marked(kind: Kind, resource: Resource, body: Body, intent: Intent) -> Body:
    """The body with our bookkeeping tags. Code versions carry none: their content is their identity."""
    if resource.ref.kind == "code":
        return body
    marked = mark(
        get(body, kind.tags_at, {}),
        owner=intent.owner,
        revision=intent.revision,
        spec=spec_of(resource),
        own=get(resource.body, kind.tags_at, {}),
        protect=resource.options.protect,
    )
    result = deepcopy(body)
    put(result, kind.tags_at, marked)
    return result


def _shown(kind: Kind, body: Body) -> tuple[Change, ...]:
    """The fields of a new resource, as a plan lists them, without bookkeeping."""
    rows: list[Change] = []
    for entry in kind.fields:
        value = get(body, entry.arm)
        reason = "documented default" if value == entry.default else "manifest"
        if isinstance(value, dict):
            rows += [
                Change(f"{entry.arm}.{key}", None, item, reason, entry.secret)
                for key, item in value.items()
                if not key.startswith(PREFIX)
            ]
        elif value is not None:
            rows.append(Change(entry.arm, None, value, reason, entry.secret))
    return tuple(sorted(rows, key=lambda change: change.path))


def _immutable(kind: Kind, resource: Resource, changes: tuple[Change, ...]) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(
            "immutable",
            str(resource.ref),
            f"{change.path} cannot change from {change.before!r} to {change.after!r}",
            change.path,
            entry.immutable,
            resource.position,
        )
        for change, entry in forbidden(kind, changes)
    )


def _refuse(resource: Resource, rule: str, message: str, hint: str, field: str) -> Decision:
    return Decision(refusals=(Refusal(rule, str(resource.ref), message, field, hint, resource.position),))


def decide_traffic(
    resource: Resource, endpoint: Resource, live: Body | None, intent: Intent, *, touched: bool
) -> Decision:
    """Decide about an endpoint's traffic. ``touched`` says that this plan writes the endpoint itself before.

    The body is the whole endpoint, since PUT replaces it whole; only its traffic differs from what the endpoint's own
    action leaves behind.
    """
    kind, endpoint_kind = KINDS["traffic"], KINDS["endpoint"]
    base = live if live is not None and state_of(live) not in GONE else {}
    changes = diff(kind, resource.body, base, resource.options.ignore)
    if not changes:
        return Decision()
    tags = tags_of(endpoint_kind, base)
    drifted = tags.get(TRAFFIC) == digest(resource.body)
    if drifted and resource.options.drift == "report":
        return Decision(drift=Drift(resource.ref, _because(changes, "drift"), healed=False))
    if drifted:
        changes = _because(changes, "drift")
    body = writable(endpoint_kind, base)
    if touched:
        ignore = endpoint.options.ignore
        body = _marked(endpoint_kind, endpoint, merged(endpoint_kind, endpoint.body, base, ignore), intent)
    body = merged(kind, resource.body, body, resource.options.ignore)
    put(body, "tags", {**get(body, "tags", {}), TRAFFIC: digest(resource.body)})
    action = Action(
        Verb.UPDATE,
        resource.ref,
        "changed outside Git" if drifted else "changed in Git" if base else "the endpoint is new",
        changes,
        resource.needs,
        "PUT",
        body if base else without_nulls(body),
        expects=None if touched or not base else fingerprint(endpoint_kind, base),
    )
    return Decision(action, Drift(resource.ref, changes, healed=True) if drifted else None)


def traffic_of(endpoint: Body | None) -> dict[str, int]:
    """Deployments that callers reach, with their weight in percent; lower-case names."""
    return _positive(get(endpoint, "properties.traffic", {}))


def reached(endpoint: Body | None) -> dict[str, int]:
    """Deployments that callers or copies of their requests reach, with the greater of the two weights."""
    mirror = _positive(get(endpoint, "properties.mirrorTraffic", {}))
    return mirror | {name: max(weight, mirror.get(name, 0)) for name, weight in traffic_of(endpoint).items()}


def _positive(weights: dict[str, int]) -> dict[str, int]:
    return {name.lower(): weight for name, weight in weights.items() if weight}


def with_traffic_mark(decision: Decision, traffic: Resource) -> Decision:
    """The endpoint's own write, saying also that live traffic is what the manifest says, so that a shift is drift."""
    if decision.action is None or decision.action.body is None:
        return decision
    body = deepcopy(decision.action.body)
    put(body, "tags", {**get(body, "tags", {}), TRAFFIC: digest(traffic.body)})
    return replace(decision, action=replace(decision.action, body=body))
