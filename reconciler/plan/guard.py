"""What is never done, whatever the manifests say: the plan's last gate before Azure. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.domain import Plan, Ref, Refusal, Verb, Warn
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get
from reconciler.plan.decide import MOVING, state_of, traffic_of
from reconciler.plan.ownership import OWNER, tags_of
from reconciler.plan.private import body_problem
from reconciler.plan.prune import owned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.domain import Action, Body, Intent, Live, NetworkMode, Resource

SMALL = 10
"""Below this many owned resources of a kind, a percentage says nothing and the delete limit does not count."""


def guard(proposed: Plan, resources: Sequence[Resource], live: Live, intent: Intent) -> Plan:
    """The plan with everything that stands against it. A plan with refusals is shown and never applied."""
    refusals = (
        *posture(live.workspace, intent.network),
        *proposed.refusals,
        *_not_private(proposed, intent.network),
        *_empty_source(proposed, resources),
        *_too_many_deletions(proposed, live, intent),
        *_loss_of_service(proposed, live, intent),
    )
    warnings = (
        *proposed.warnings,
        *_public_neighbours(proposed, live, intent),
        *_still_moving(proposed, resources, live),
    )
    return replace(proposed, refusals=refusals, warnings=tuple(sorted(warnings, key=lambda w: (w.resource, w.rule))))


def posture(workspace: Body, network: NetworkMode) -> Iterator[Refusal]:
    """Whether the live workspace is as private as the environment's ``network`` says."""
    name = f"workspace/{workspace.get('name', '')}"
    access = get(workspace, "properties.publicNetworkAccess")
    if str(access).lower() != "disabled":
        yield Refusal(
            "workspace-public",
            name,
            f"the workspace answers the public internet (publicNetworkAccess is {access or 'not set: enabled'})",
            "properties.publicNetworkAccess",
            "az ml workspace update --public-network-access Disabled; it needs a private endpoint first.",
        )
    if get(workspace, "properties.v1LegacyMode"):
        yield Refusal(
            "workspace-v1-legacy",
            name,
            "v1 legacy mode is on, in which private online endpoints do not work",
            "properties.v1LegacyMode",
            "az ml workspace update --v1-legacy-mode false; it takes 30 to 60 minutes to act.",
        )
    yield from _isolation(workspace, name, network)


def _isolation(workspace: Body, name: str, network: NetworkMode) -> Iterator[Refusal]:
    mode = get(workspace, "properties.managedNetwork.isolationMode", "Disabled")
    status = get(workspace, "properties.managedNetwork.status.status", "not provisioned")
    field = "properties.managedNetwork.isolationMode"
    if network == "legacy_egress":
        if mode.lower() != "disabled":
            yield Refusal(
                "workspace-network",
                name,
                f"the environment says network: legacy_egress, but the workspace has a managed network ({mode}), "
                "in which the deployments' egress flag does not apply",
                field,
                "Say network: managed_vnet for this environment.",
            )
    elif mode.lower() != "allowonlyapprovedoutbound":
        yield Refusal(
            "workspace-network",
            name,
            f"the environment says network: managed_vnet, but isolationMode is {mode}: outbound traffic is not private",
            field,
            "az ml workspace update --managed-network allow_only_approved_outbound",
        )
    elif status.lower() != "active":
        yield Refusal(
            "workspace-network",
            name,
            f"the managed network is {status}; deployments fail with WorkspaceManagedNetworkNotReady",
            "properties.managedNetwork.status.status",
            "az ml workspace provision-network, and wait until it is Active.",
        )


def _not_private(proposed: Plan, network: NetworkMode) -> Iterator[Refusal]:
    """No body of the plan may be public: manifests were checked, this checks what would really be sent."""
    for action in proposed.actions:
        kind = "endpoint" if action.ref.kind == "traffic" else action.ref.kind
        if action.body is not None and (problem := body_problem(kind, action.method, action.body, network)):
            yield Refusal("private", str(action.ref), problem.message, problem.field, problem.hint)


def _empty_source(proposed: Plan, resources: Sequence[Resource]) -> Iterator[Refusal]:
    deleted = [action for action in proposed.actions if action.verb is Verb.DELETE]
    if deleted and not resources:
        yield Refusal(
            "empty-source",
            proposed.project,
            f"the manifests declare nothing at all, and {len(deleted)} resources would be deleted",
            hint="If this is meant, delete in steps and keep at least one resource; an empty source never prunes.",
        )


def _too_many_deletions(proposed: Plan, live: Live, intent: Intent) -> Iterator[Refusal]:
    deletions = [action for action in proposed.actions if action.verb is Verb.DELETE]
    deleted = Counter(ref.kind for action in deletions for ref in (action.ref, *action.children))
    existing = Counter(ref.kind for ref in owned(live, intent.owner))
    for kind, count in sorted(deleted.items()):
        percent = 100 * count / max(existing[kind], 1)
        if existing[kind] >= SMALL and percent > intent.limits.max_delete_percent:
            yield Refusal(
                "delete-limit",
                kind,
                f"{count} of {existing[kind]} would be deleted ({percent:.0f} %)",
                "limits.max_delete_percent",
                f"The limit is {intent.limits.max_delete_percent} %: delete in steps, or raise it in gitops.yaml.",
            )


def _loss_of_service(proposed: Plan, live: Live, intent: Intent) -> Iterator[Refusal]:
    """An endpoint that serves and would serve no more. A person has to say so by name."""
    for action in proposed.actions:
        endpoint = Ref("endpoint", action.ref.name)
        serving = traffic_of(live.resources.get(endpoint))
        stops = (action.ref.kind == "endpoint" and action.verb is Verb.DELETE) or (
            action.ref.kind == "traffic" and not traffic_of(action.body)
        )
        if serving and stops and str(action.ref) not in intent.confirmed:
            yield Refusal(
                "confirm",
                str(action.ref),
                f"{endpoint} serves live traffic ({_weights(serving)}) and would answer 404 afterwards",
                "properties.traffic",
                f"If this is meant: apply --confirm {action.ref}",
            )


def _weights(weights: dict[str, int]) -> str:
    return ", ".join(f"{name} {weight} %" for name, weight in sorted(weights.items()))


def _closes(action: Action, network: NetworkMode) -> bool:
    """Whether the resource is private, or gone, once the action is done."""
    if action.verb is Verb.DELETE:
        return True
    return action.method == "PUT" and body_problem(action.ref.kind, "PUT", action.body, network) is None


def _public_neighbours(proposed: Plan, live: Live, intent: Intent) -> Iterator[Warn]:
    """Everything public in the workspace that this plan does not close, whoever owns it."""
    closing = [action for action in proposed.actions if _closes(action, intent.network)]
    closed = {ref for action in closing for ref in (action.ref, *action.children)}
    for ref, body in live.resources.items():
        if ref in closed or ref.kind not in ("endpoint", "deployment"):
            continue
        owner = tags_of(KINDS[ref.kind], body).get(OWNER)
        whose = "ours" if owner == intent.owner else f"owner {owner}" if owner else "not managed by anybody"
        if ref.kind == "endpoint" and str(get(body, "properties.publicNetworkAccess", "")).lower() != "disabled":
            yield Warn("public-endpoint", str(ref), f"answers the public internet ({whose})")
        egress = str(get(body, "properties.egressPublicNetworkAccess", "enabled")).lower()
        if ref.kind == "deployment" and intent.network == "legacy_egress" and egress != "disabled":
            yield Warn("public-egress", str(ref), f"may call the public internet ({whose})")


def moving(proposed: Plan, resources: Sequence[Resource], live: Live) -> tuple[Ref, ...]:
    """What Azure is still working on and this plan leaves alone."""
    acted = {action.ref for action in proposed.actions}
    found = {r.ref: live.resources.get(r.ref) for r in resources if r.ref not in acted}
    return tuple(sorted(ref for ref, body in found.items() if body is not None and state_of(body) in MOVING))


def _still_moving(proposed: Plan, resources: Sequence[Resource], live: Live) -> Iterator[Warn]:
    for ref in moving(proposed, resources, live):
        state = state_of(live.resources[ref])
        yield Warn("in-progress", str(ref), f"Azure is still working on it ({state}); apply waits for it")
