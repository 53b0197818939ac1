"""What to do about one desired resource, given what is live under its name. Pure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.diff import diff, forbidden, merged, without_nulls, writable
from reconciler.domain import Action, Change, Drift, Ref, Refusal, Verb
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get, put
from reconciler.ownership import OWNER, PREFIX, PROTECT, SPEC, TRAFFIC, digest, mark, tags_of

if TYPE_CHECKING:
    from reconciler.domain import Body, Intent, Resource
    from reconciler.kinds.kind import Kind

GONE = ("deleting",)
BROKEN = ("failed", "canceled")


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
    """Digest of everything in a live body that Azure does not change by itself."""
    return digest(writable(kind, live))


def decide(resource: Resource, live: Body | None, intent: Intent, *, serving: bool) -> Decision:
    """Decide about any resource but traffic. ``serving`` says that live traffic or a mirror reaches it."""
    kind = KINDS[resource.ref.kind]
    if live is None or state_of(live) in GONE:
        return Decision(_create(kind, resource, live, intent))
    if resource.ref.kind == "code":
        return Decision()
    changes = diff(kind, resource.body, live, resource.options.ignore)
    owner = tags_of(kind, live).get(OWNER)
    if owner != intent.owner:
        return _not_owned(kind, resource, live, owner, changes, intent)
    return _owned(kind, resource, live, changes, intent, serving=serving)


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
    action = _write(kind, resource, live, changes, intent, "adopt: true")
    return Decision(replace(action, verb=Verb.ADOPT))


def _owned(
    kind: Kind, resource: Resource, live: Body, changes: tuple[Change, ...], intent: Intent, *, serving: bool
) -> Decision:
    broken = state_of(live) in BROKEN
    refusals = _immutable(kind, resource, changes)
    if refusals and not (broken and not serving and resource.ref.kind == "deployment"):
        return Decision(refusals=refusals)
    if refusals:
        action = _create(kind, resource, None, intent)
        reason = f"{state_of(live).capitalize()} without traffic, and {refusals[0].field} cannot change in place"
        return Decision(
            replace(action, verb=Verb.REPLACE, reason=reason, changes=changes, expects=fingerprint(kind, live))
        )
    changes += _protection(kind, resource, live)
    if not changes and not broken:
        return Decision()
    drifted = tags_of(kind, live).get(SPEC) == digest(resource.body) and bool(changes)
    if drifted and resource.options.drift == "report":
        return Decision(drift=Drift(resource.ref, _because(changes, "drift"), healed=False))
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
        spec=resource.body,
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


def live_weights(endpoint: Body | None) -> dict[str, int]:
    """Deployments that live traffic or a mirror reaches, with their weight; lower-case names."""
    if endpoint is None:
        return {}
    weights = {**get(endpoint, "properties.mirrorTraffic", {}), **get(endpoint, "properties.traffic", {})}
    return {name.lower(): weight for name, weight in weights.items() if weight}


def ref_of_endpoint(ref: Ref) -> Ref:
    """The endpoint that a deployment or traffic belongs to."""
    return Ref("endpoint", ref.name)
