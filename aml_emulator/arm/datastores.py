"""Datastores: the workspace's blob store, its key and its signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aml_emulator.arm.paths import WS
from aml_emulator.errors import not_found
from aml_emulator.shape import SECRETS, conform
from aml_emulator.shared_access import issue
from aml_emulator.shared_key import account_key
from aml_emulator.store import Record
from aml_emulator.wire import Body, Response, answer, timestamp

if TYPE_CHECKING:
    from aml_emulator.call import Call, Site

DEFAULT = "workspaceblobstore"


def create_default_datastore(site: Site, workspace: Record) -> None:
    """The blob datastore that every workspace is born with."""
    guid, now = workspace.inner["workspace_guid"], timestamp()
    account = workspace.body["properties"]["storageAccount"].rpartition("/")[2]
    container = f"azureml-blobstore-{guid}"
    arm_id = f"{workspace.body['id']}/datastores/{DEFAULT}"
    body: Body = {
        "id": arm_id,
        "name": DEFAULT,
        "type": f"{workspace.body['type']}/datastores",
        "properties": {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": True,
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob",
            "accountName": account,
            "containerName": container,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
        },
        "systemData": {
            "createdAt": now,
            "createdBy": site.identity.client_id,
            "createdByType": "Application",
            "lastModifiedAt": now,
            "lastModifiedBy": site.identity.client_id,
            "lastModifiedByType": "Application",
        },
    }
    site.blobs.create_container(container, account)
    site.store.put(Record(arm_id.lower(), workspace.id, "datastore", DEFAULT, body, dict(workspace.inner)))


def find(site: Site, workspace: Record, name: str) -> Record:
    """A datastore of a workspace. Raises Refused (404)."""
    record = site.store.get(f"{workspace.id}/datastores/{name}")
    if record is None:
        raise not_found("DatastoreNotFound", f"Could not find datastore: {name}")
    return record


async def get(call: Call) -> Response:
    """GET one datastore."""
    return answer(200, find(call.site, call.workspace(), call.path["name"]).body)


async def list_all(call: Call) -> Response:
    """GET the datastores; ``isDefault`` filters."""
    wanted = call.request.query().get("isdefault", "").lower()
    found = [record.body for record in call.site.store.children(call.workspace().id, "datastore")]
    if wanted:
        found = [body for body in found if str(body["properties"]["isDefault"]).lower() == wanted]
    return answer(200, {"value": found})


async def list_secrets(call: Call) -> Response:
    """POST listSecrets: the account key; a signature instead when an expirable secret is asked for (assumed)."""
    properties = find(call.site, call.workspace(), call.path["name"]).body["properties"]
    account, container = properties["accountName"], properties["containerName"]
    asked = conform(await call.request.json(), SECRETS)
    if asked.get("expirableSecret"):
        hours = int(asked.get("expireAfterHours") or 1)
        return answer(
            200, {"secretsType": "Sas", "sasToken": issue(call.site.identity, account, container, "racwdl", hours)}
        )
    return answer(200, {"secretsType": "AccountKey", "key": account_key(call.site.identity, account)})


ROUTES = (
    ("GET", f"{WS}/datastores", list_all),
    ("GET", f"{WS}/datastores/{{name}}", get),
    ("POST", f"{WS}/datastores/{{name}}/listSecrets", list_secrets),
)
