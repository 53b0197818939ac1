"""Online endpoints: create, replace, patch, delete, list; and the operations behind them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aml_emulator import shape
from aml_emulator.arm import endpoint_rules as rules
from aml_emulator.arm.deployment_spec import forget_assets
from aml_emulator.arm.endpoint_body import accepted, new_record, present, properties_of
from aml_emulator.arm.listing import list_answer, top
from aml_emulator.arm.paths import ENDPOINT, WS
from aml_emulator.errors import Refused, not_found
from aml_emulator.operations import lro_headers
from aml_emulator.wire import Body, Response, answer, empty, strings

if TYPE_CHECKING:
    from aml_emulator.call import Call, Site
    from aml_emulator.store import Operation, Record

PREFIX = "oeidp"


def endpoint_of(call: Call) -> Record:
    """The endpoint in the path. Raises Refused (404)."""
    workspace = call.workspace()
    record = call.site.store.get(f"{workspace.id}/onlineendpoints/{call.path['endpoint']}")
    if record is None:
        # Inner code and text as recorded for a batch endpoint; an online one is assumed to say the same.
        message = f"There is no endpoint with name: {call.path['endpoint']} in {workspace.name}"
        raise not_found("NoSuchEndpoint", message)
    return record


def still_deleting() -> Refused:
    """What a name answers until its deletion has ended (Azure/azure-cli-extensions #7660, #7107)."""
    return not_found(rules.CLIENT_FAILED, '{"title":"Not Found"}')


def busy(record: Record) -> Refused:
    """Another operation holds the resource. Status and text assumed."""
    state = record.body["properties"]["provisioningState"]
    return Refused(409, "Conflict", f"{record.name} is in {state} provisioning state: another operation is running.")


def state_of(record: Record) -> str:
    """``properties.provisioningState``."""
    return str(record.body["properties"]["provisioningState"])


async def put(call: Call) -> Response:
    """PUT: full replace, 201 for a new endpoint and for an old one."""
    workspace, name = call.workspace(), call.path["endpoint"]
    wanted = rules.wanted_body(shape.conform(await call.request.json(), shape.ENDPOINT))
    record = call.site.store.get(f"{workspace.id}/onlineendpoints/{name}")
    if record and state_of(record) == "Deleting":
        raise still_deleting()
    running = call.site.store.running(record.id) if record else []
    if record and running:
        return _join(call, record, running[-1], wanted)
    rules.check(
        rules.Situation(
            name=name,
            wanted=wanted,
            live=record.body if record else None,
            deployments=_deployment_names(call.site, record),
            elsewhere=any(other.parent != workspace.id for other in call.site.store.named("endpoint", name)),
        )
    )
    created = record is None
    record = record or new_record(call, workspace, wanted)
    record.body["properties"]["provisioningState"] = "Creating" if created else "Updating"
    operation = begin(call, PREFIX, record, "endpoint.put", {"wanted": wanted, "created": created})
    return accepted(call, record, operation, wanted)


def begin(call: Call, prefix: str, record: Record, verb: str, payload: Body) -> Operation:
    """Start an operation on a resource that was changed for it, and remember it as the resource's last one."""
    operation = call.site.operations.begin(call.site, prefix, record, verb, payload)
    record.inner["operation"] = {"id": operation.id, "api_version": call.api_version}
    call.site.store.put(record)
    return operation


def _join(call: Call, record: Record, running: Operation, wanted: Body) -> Response:
    """A PUT that says what the running operation does already is the same PUT, sent again (assumed: ARM's PUT is
    idempotent, and clients repeat one whose answer was lost); another content has to wait."""
    if running.verb != "endpoint.put" or running.payload["wanted"] != wanted:
        raise busy(record)
    return accepted(call, record, running, wanted)


def _deployment_names(site: Site, record: Record | None) -> frozenset[str]:
    children = site.store.children(record.id, "deployment") if record else []
    return frozenset(child.name.lower() for child in children)


async def get(call: Call) -> Response:
    """GET one endpoint."""
    return answer(200, present(call, endpoint_of(call)))


async def list_all(call: Call) -> Response:
    """GET the endpoints of the workspace; ``name``, ``computeType`` and ``tags`` filter."""
    query = call.request.query()
    wanted_tags = [tag.partition("=") for tag in query.get("tags", "").split(",") if tag]

    def keep(record: Record) -> bool:
        tags = record.body["tags"]
        return (
            query.get("name", record.name).lower() == record.name.lower()
            and query.get("computetype", "Managed").lower() == "managed"
            and all(key in tags and (not sep or tags[key] == value) for key, sep, value in wanted_tags)
        )

    newest = query.get("orderby", "CreatedAtDesc").lower().endswith("desc")
    parent = call.workspace().id
    return list_answer(
        call, parent, "endpoint", partial(present, call), keep, newest_first=newest, size=top(call, "count")
    )


async def patch(call: Call) -> Response:
    """PATCH: tags and nothing else that could change, since the identity is immutable."""
    record, sent = endpoint_of(call), shape.conform(await call.request.json(), shape.ENDPOINT)
    if state_of(record) == "Deleting":
        raise still_deleting()
    if call.site.store.running(record.id):
        raise busy(record)
    unknown = sorted(sent.keys() - {"tags", "identity"})
    if unknown:  # assumed: refused rather than ignored
        raise Refused(
            400, "UserError", f"PATCH of an online endpoint takes tags and identity, not {', '.join(unknown)}."
        )
    if sent.get("identity") and not rules.same_identity(record.body["identity"], sent["identity"]):
        raise rules.identity_refused()
    record.body["properties"]["provisioningState"] = "Updating"
    operation = begin(call, PREFIX, record, "endpoint.patch", {"tags": _tags(sent)})
    return empty(202, lro_headers(call, operation, status=False))


def _tags(sent: Body) -> Body | None:
    return None if sent.get("tags") is None else strings(sent["tags"])


async def delete(call: Call) -> Response:
    """DELETE, with all deployments; 204 when there is none. Traffic does not hinder it."""
    record = call.site.store.get(f"{call.workspace().id}/onlineendpoints/{call.path['endpoint']}")
    if record is None:
        return empty(204)
    running = call.site.store.running(record.id)
    if running and running[-1].verb != "endpoint.delete":
        raise busy(record)
    if not running:
        record.body["properties"]["provisioningState"] = "Deleting"
    operation = running[-1] if running else begin(call, PREFIX, record, "endpoint.delete", {})
    return empty(202, lro_headers(call, operation, status=True))


async def run_put(site: Site, operation: Operation) -> None:
    """The new body takes effect, traffic and all, when the operation ends."""
    payload, durations = operation.payload, site.settings.durations
    await asyncio.sleep(durations.endpoint_s if payload["created"] else durations.update_s)
    record = site.store.get(operation.target)
    if record is None:
        return
    record.body["properties"] = properties_of(payload["wanted"], "Succeeded")
    record.body["tags"] = payload["wanted"]["tags"]
    record.inner["succeeded"] = True
    site.store.put(record)


async def run_patch(site: Site, operation: Operation) -> None:
    """New tags replace the old ones; lastModifiedAt stays (recorded)."""
    await asyncio.sleep(site.settings.durations.update_s)
    record = site.store.get(operation.target)
    if record is None:
        return
    if operation.payload["tags"] is not None:
        record.body["tags"] = operation.payload["tags"]
    record.body["properties"]["provisioningState"] = "Succeeded"
    site.store.put(record)


async def run_delete(site: Site, operation: Operation) -> None:
    """Deployments go first: their operations are canceled and their processes stopped."""
    await asyncio.sleep(site.settings.durations.delete_s)
    await site.operations.cancel_below(site, operation.target)
    for deployment in site.store.children(operation.target, "deployment"):
        await site.dataplane.stop(deployment.inner["key"])
        site.live.specs.pop(deployment.inner["key"], None)
        forget_assets(site, deployment)
    site.live.credit.pop(operation.target, None)
    site.store.delete(operation.target)


RUNNERS = {"endpoint.put": run_put, "endpoint.patch": run_patch, "endpoint.delete": run_delete}
ROUTES = (
    ("GET", f"{WS}/onlineEndpoints", list_all),
    ("GET", ENDPOINT, get),
    ("PUT", ENDPOINT, put),
    ("PATCH", ENDPOINT, patch),
    ("DELETE", ENDPOINT, delete),
)
