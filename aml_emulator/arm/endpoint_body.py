"""The bodies of an online endpoint: as it is kept, as a GET shows it, and as a PUT answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aml_emulator.operations import lro_headers, operation_url
from aml_emulator.store import Operation, Record
from aml_emulator.tokens import new_key
from aml_emulator.wire import Body, Response, answer, timestamp

if TYPE_CHECKING:
    from aml_emulator.call import Call, Site


def new_record(call: Call, workspace: Record, wanted: Body) -> Record:
    """A new endpoint with keys of its own, not stored yet."""
    name, now = call.path["endpoint"], timestamp()
    arm_id = f"{workspace.body['id']}/onlineEndpoints/{name}"
    body: Body = {
        "id": arm_id,
        "name": name,
        "type": f"{workspace.body['type']}/onlineEndpoints",
        "properties": properties_of(wanted, "Creating"),
        "systemData": {"createdAt": now, "createdBy": call.site.identity.client_id, "lastModifiedAt": now},
        "tags": wanted["tags"],
        "location": call.site.settings.location,
        "kind": "Managed",
        "identity": _identity(call.site, arm_id, wanted["identity"]),
    }
    inner = {
        "workspace_guid": workspace.inner["workspace_guid"],
        "keys": {"Primary": new_key(), "Secondary": new_key()},
    }
    return Record(arm_id.lower(), workspace.id, "endpoint", name, body, inner)


def properties_of(wanted: Body, state: str) -> Body:
    """The properties to keep, in the 2024-04-01 key order."""
    asked = wanted["properties"]
    return {
        "description": asked["description"],
        "properties": asked["properties"],
        "scoringUri": None,
        "swaggerUri": None,
        "authMode": asked["authMode"],
        "provisioningState": state,
        "compute": None,
        "publicNetworkAccess": asked["publicNetworkAccess"],
        "traffic": asked["traffic"],
        "mirrorTraffic": asked["mirrorTraffic"],
    }


def present(call: Call, record: Record) -> Body:
    """The body as a GET shows it: URIs once the endpoint has succeeded, and the last operation's."""
    properties: Body = dict(record.body["properties"])
    added: Body = {}
    if record.inner.get("succeeded"):
        base = f"{call.site.settings.url}/inference/{record.body['location']}/{record.name}"
        properties |= {"scoringUri": f"{base}/score", "swaggerUri": f"{base}/swagger.json"}
        added["azureml.onlineendpointid"] = record.id  # all lower case (recorded)
    added["AzureAsyncOperationUri"] = operation_url(call, record.inner["operation"]["id"])
    properties["properties"] = properties["properties"] | added
    return record.body | {"properties": properties}


def accepted(call: Call, record: Record, operation: Operation, wanted: Body) -> Response:
    """The thin 201 of the 2024-04-01 dialect: always Creating, no location, no identity, empty systemData.

    It still shows the traffic from before.
    """
    live = record.body["properties"]
    body: Body = {
        "id": record.body["id"],
        "name": record.name,
        "type": record.body["type"],
        "properties": {
            "description": wanted["properties"]["description"],
            "properties": {"AzureAsyncOperationUri": operation_url(call, operation.id)},
            "scoringUri": None,
            "swaggerUri": None,
            "authMode": wanted["properties"]["authMode"],
            "provisioningState": "Creating",
            "compute": None,
            "publicNetworkAccess": wanted["properties"]["publicNetworkAccess"],
            "traffic": live["traffic"],
            "mirrorTraffic": live["mirrorTraffic"],
        },
        "systemData": {},
        "tags": wanted["tags"],
        "kind": "Managed",
    }
    return answer(201, body, lro_headers(call, operation, status=True, location=call.self_url(record)))


def _identity(site: Site, arm_id: str, wanted: Body) -> Body:
    """The identity with the ids that the service adds."""
    kind = str(wanted["type"])
    shown: Body = {"type": kind}
    if "systemassigned" in kind.lower():
        shown |= {
            "principalId": site.identity.derived("principal", arm_id.lower()),
            "tenantId": site.identity.tenant_id,
        }
    assigned = wanted.get("userAssignedIdentities") or {}
    if assigned:
        shown["userAssignedIdentities"] = {
            key: {
                "principalId": site.identity.derived("principal", key.lower()),
                "clientId": site.identity.derived("client", key.lower()),
            }
            for key in assigned
        }
    return shown
