"""Online deployments: create, replace, scale, delete, list; and the operations that start and stop them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aml_emulator import shape
from aml_emulator.arm import deployment_rules as rules
from aml_emulator.arm import references
from aml_emulator.arm.deployment_spec import forget_assets, injected_variables, keep_revision, spec_of
from aml_emulator.arm.endpoint_rules import positive
from aml_emulator.arm.endpoints import begin, busy, endpoint_of, state_of, still_deleting
from aml_emulator.arm.listing import list_answer, top
from aml_emulator.arm.paths import DEPLOYMENT, ENDPOINT
from aml_emulator.dataplane.interface import StartFailed
from aml_emulator.errors import Refused, not_found, validation_failed
from aml_emulator.operations import OperationFailed, lro_headers, operation_url
from aml_emulator.store import Operation, Record
from aml_emulator.wire import Body, Response, answer, empty, strings, timestamp

if TYPE_CHECKING:
    from aml_emulator.call import Call, Site

PREFIX = "odidp"


def deployment_of(call: Call) -> Record:
    """The deployment in the path. Raises Refused (404)."""
    endpoint, name = endpoint_of(call), call.path["deployment"]
    record = call.site.store.get(f"{endpoint.id}/deployments/{name}")
    if record is None:
        # Inner code assumed after the endpoint's.
        raise not_found("NoSuchDeployment", f"There is no deployment with name: {name} in {endpoint.name}")
    return record


async def put(call: Call) -> Response:
    """PUT: full replace and a rolling update; 201 for a new deployment and for an old one."""
    endpoint, name = endpoint_of(call), call.path["deployment"]
    sent = shape.conform(await call.request.json(), shape.DEPLOYMENT)
    wanted = rules.wanted_body(sent)
    record = call.site.store.get(f"{endpoint.id}/deployments/{name}")
    if state_of(endpoint) == "Deleting" or (record and state_of(record) == "Deleting"):
        raise still_deleting()
    running = call.site.store.running(record.id) if record else []
    if record and running:
        if running[-1].payload.get("sent") != sent:
            raise busy(record)
        return _accepted(call, record, running[-1])
    rules.check(_situation(call, endpoint, record, wanted))
    created = record is None
    record = record or _new(call, endpoint)
    live = record.body.get("properties", {})
    if live and call.site.settings.instance_type_change == "ignore":
        wanted["properties"]["instanceType"] = live["instanceType"]
    record.body["properties"] = wanted["properties"] | {"provisioningState": "Creating" if created else "Updating"}
    record.body["systemData"]["lastModifiedAt"] = timestamp()
    record.body |= {
        "tags": wanted["tags"],
        "location": endpoint.body["location"],
        "kind": "Managed",
        "sku": wanted["sku"],
    }
    record.inner["revision"] += 1
    operation = begin(call, PREFIX, record, "deployment.put", {"sent": sent})
    return _accepted(call, record, operation)


def _situation(call: Call, endpoint: Record, record: Record | None, wanted: Body) -> rules.Situation:
    workspace, properties = call.workspace(), wanted["properties"]
    code = properties["codeConfiguration"] or {}
    named = (
        ("Model", "models", properties["model"]),
        ("EnvironmentId", "environments", properties["environmentId"]),
        ("CodeId", "codes", code.get("codeId")),
    )
    found, missing = dict[str, Body](), dict[str, str]()
    for field, collection, reference in named:
        if not reference or references.in_registry(reference):
            continue
        version = references.asset(call.site, workspace, collection, reference)
        if version:
            found[field] = version.body["properties"]
        else:
            missing[field] = reference
    return rules.Situation(
        name=call.path["deployment"],
        wanted=wanted,
        live=record.body if record else None,
        endpoint=endpoint.body,
        workspace=workspace.body,
        siblings=len(call.site.store.children(endpoint.id, "deployment")),
        missing=missing,
        model=found.get("Model"),
        environment=found.get("EnvironmentId"),
        instance_type_ignored=call.site.settings.instance_type_change == "ignore",
    )


def _new(call: Call, endpoint: Record) -> Record:
    name, guid = call.path["deployment"], endpoint.inner["workspace_guid"]
    arm_id = f"{endpoint.body['id']}/deployments/{name}"
    body: Body = {
        "id": arm_id,
        "name": name,
        "type": f"{endpoint.body['type']}/deployments",
        "properties": {},
        "systemData": {
            "createdAt": timestamp(),
            "createdBy": call.site.identity.client_id,
            "lastModifiedAt": timestamp(),
        },
    }
    inner = {"workspace_guid": guid, "key": f"{guid}/{endpoint.name}/{name}".lower(), "revision": 0, "log": ""}
    return Record(arm_id.lower(), endpoint.id, "deployment", name, body, inner)


def _accepted(call: Call, record: Record, operation: Operation) -> Response:
    headers = lro_headers(call, operation, status=True, location=call.self_url(record))
    return answer(201, present(call, record), headers)


def present(call: Call, record: Record) -> Body:
    """The body as a GET shows it, with the URI of the last operation."""
    properties: Body = record.body["properties"]
    uri = operation_url(call, record.inner["operation"]["id"])
    bag = properties["properties"] | {"AzureAsyncOperationUri": uri}
    return record.body | {"properties": properties | {"properties": bag}}


async def get(call: Call) -> Response:
    """GET one deployment."""
    return answer(200, present(call, deployment_of(call)))


async def list_all(call: Call) -> Response:
    """GET the deployments of an endpoint."""
    parent = endpoint_of(call).id
    return list_answer(
        call, parent, "deployment", partial(present, call), lambda _: True, newest_first=False, size=top(call)
    )


async def patch(call: Call) -> Response:
    """PATCH: tags and sku only, without touching the processes."""
    record, sent = deployment_of(call), shape.conform(await call.request.json(), shape.DEPLOYMENT)
    if state_of(record) == "Deleting":
        raise still_deleting()
    if call.site.store.running(record.id):
        raise busy(record)
    unknown = sorted(sent.keys() - {"tags", "sku"})
    if unknown:  # assumed: refused rather than ignored
        raise Refused(400, "UserError", f"PATCH of an online deployment takes tags and sku, not {', '.join(unknown)}.")
    sku = record.body["sku"] | {k: v for k, v in (sent.get("sku") or {}).items() if v is not None}
    refused = rules.capacity_refused(sku["capacity"])
    if refused:
        raise refused
    before = state_of(record)
    record.body["properties"]["provisioningState"] = "Updating"
    payload = {"tags": sent.get("tags") and strings(sent["tags"]), "sku": sku, "state": before}
    operation = begin(call, PREFIX, record, "deployment.patch", payload)
    return empty(202, lro_headers(call, operation, status=False))


async def delete(call: Call) -> Response:
    """DELETE: 204 when there is none, 400 while it has weight (public Terraform drain scripts; text assumed)."""
    endpoint, name = endpoint_of(call), call.path["deployment"]
    record = call.site.store.get(f"{endpoint.id}/deployments/{name}")
    if record is None:
        return empty(204)
    running = call.site.store.running(record.id)
    if running and running[-1].verb == "deployment.delete":
        return empty(202, lro_headers(call, running[-1], status=True))
    if running:
        raise busy(record)
    if name.lower() in _weighted(call.site, endpoint):
        message = f"Cannot delete deployment {record.name} with non-zero traffic: set its traffic to 0 first."
        raise validation_failed("InferencingClientCallFailed", "Traffic", message)
    record.body["properties"]["provisioningState"] = "Deleting"
    operation = begin(call, PREFIX, record, "deployment.delete", {})
    return empty(202, lro_headers(call, operation, status=True))


def _weighted(site: Site, endpoint: Record) -> set[str]:
    """Deployments with live or mirrored weight (mirrored: assumed), now or when a running PUT of the endpoint ends."""
    bodies = [endpoint.body, *(o.payload["wanted"] for o in site.store.running(endpoint.id) if "wanted" in o.payload)]
    keys = ("traffic", "mirrorTraffic")
    return {name for body in bodies for key in keys for name in positive(body["properties"][key])}


async def skus(call: Call) -> Response:
    """GET skus: the one that a managed deployment has. Shape of azure-rest-api-specs."""
    deployment_of(call)
    one: Body = {
        "resourceType": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "sku": {"name": "Default", "tier": "Standard"},
        "capacity": {"minimum": 1, "maximum": rules.MOST_INSTANCES, "default": 1, "scaleType": "Automatic"},
    }
    return answer(200, {"value": [one]})


async def run_put(site: Site, operation: Operation) -> None:
    """Start the processes. Ready decides Succeeded; otherwise Failed, which a further PUT repairs."""
    record = site.store.get(operation.target)
    if record is None:
        return
    key = record.inner["key"]
    record.inner.pop("reason", None)
    try:
        spec = spec_of(site, record)
        await site.dataplane.start(spec)
    except StartFailed as failed:
        record.body["properties"]["provisioningState"] = "Failed"
        record.inner["log"] = failed.log_tail
        keep_revision(site, record, str(record.inner.get("served")))
        site.store.put(record)
        raise OperationFailed(failed.code, failed.message) from failed
    site.live.specs[key] = spec
    record.inner["served"] = record.inner["revision"]
    keep_revision(site, record, str(record.inner["served"]))
    properties = record.body["properties"]
    properties["environmentVariables"] |= injected_variables(site, record)
    properties["provisioningState"] = "Succeeded"
    record.inner["log"] = ""
    site.store.put(record)


async def run_patch(site: Site, operation: Operation) -> None:
    """New tags and scale; a Failed deployment stays Failed."""
    await asyncio.sleep(site.settings.durations.update_s)
    record = site.store.get(operation.target)
    if record is None:
        return
    payload = operation.payload
    if payload["tags"] is not None:
        record.body["tags"] = payload["tags"]
    record.body["sku"] = payload["sku"]
    record.body["properties"]["provisioningState"] = payload["state"]
    site.store.put(record)


async def run_delete(site: Site, operation: Operation) -> None:
    """Stop the processes, then forget the deployment."""
    await asyncio.sleep(site.settings.durations.delete_s)
    record = site.store.get(operation.target)
    if record is None:
        return
    key = record.inner["key"]
    await site.dataplane.stop(key)
    site.live.specs.pop(key, None)
    forget_assets(site, record)
    site.store.delete(operation.target)


RUNNERS = {"deployment.put": run_put, "deployment.patch": run_patch, "deployment.delete": run_delete}
ROUTES = (
    ("GET", f"{ENDPOINT}/deployments", list_all),
    ("GET", DEPLOYMENT, get),
    ("PUT", DEPLOYMENT, put),
    ("PATCH", DEPLOYMENT, patch),
    ("DELETE", DEPLOYMENT, delete),
    ("GET", f"{DEPLOYMENT}/skus", skus),
)
