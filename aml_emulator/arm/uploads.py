"""Where the bytes of an asset are: URLs handed out for uploads, and URIs followed back to blobs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aml_emulator.shared_access import issue
from aml_emulator.wire import Body, Response, answer

if TYPE_CHECKING:
    from pathlib import Path

    from aml_emulator.call import Call, Site

UPLOAD_HOURS = 24


async def start_pending_upload(call: Call) -> Response:
    """POST startPendingUpload: a container of its own and a signature for it.

    The SDK puts the folder into the root of that container (azure-ai-ml 1.35.2, ``upload_to_root_container``).
    """
    workspace = call.workspace()
    storage_id = workspace.body["properties"]["storageAccount"]
    account = storage_id.rpartition("/")[2]
    container = f"{uuid.uuid4()}"
    call.site.blobs.create_container(container, account)
    url = f"{blob_base(call.request.authority(), account)}/{container}"
    signature = issue(call.site.identity, account, container, "racwl", UPLOAD_HOURS)
    body: Body = {
        "pendingUploadId": str(uuid.uuid4()),
        "blobReferenceForConsumption": {
            "blobUri": url,
            "storageAccountArmId": storage_id,
            "credential": {"credentialType": "SAS", "sasUri": f"{url}?{signature}"},
        },
        "pendingUploadType": "TemporaryBlobReference",
    }
    return answer(200, body)


def blob_base(authority: str, account: str) -> str:
    """URL of a storage account: Azure's own form for who asked an Azure name, else a path on this host."""
    if urlsplit(authority).hostname == "management.azure.com":
        return f"https://{account}.blob.core.windows.net"
    return f"{authority}/{account}"


def locate_url(site: Site, url: str) -> tuple[str, str] | None:
    """(container, path) of an https URL in any of the forms that this emulator hands out; None for another."""
    segments = unquote(urlsplit(url).path).strip("/").split("/")
    if segments and site.blobs.is_account(segments[0]):
        segments = segments[1:]
    if not segments or site.blobs.account_of(segments[0]) is None:
        return None
    return segments[0], "/".join(segments[1:])


def locate_model(site: Site, workspace_id: str, uri: str) -> tuple[str, str] | None:
    """(container, path) of a modelUri: ``azureml://…/datastores/D/paths/P`` or a blob URL.

    None for a URI whose bytes are not here, such as a job's output.
    """
    if not uri.lower().startswith("azureml://"):
        return locate_url(site, uri)
    head, found, tail = uri.partition("/datastores/")
    if not found or not head:
        return None
    datastore, _, path = tail.partition("/paths/")
    record = site.store.get(f"{workspace_id}/datastores/{datastore}")
    return (record.body["properties"]["containerName"], path.strip("/")) if record else None


def lay_out_code(site: Site, url: str, folder: Path) -> Path | None:
    """A private copy of a code snapshot in ``folder``; None when its bytes are not here."""
    place = locate_url(site, url)
    if place is None:
        return None
    site.blobs.lay_out(*place, folder)
    return folder


def lay_out_model(site: Site, workspace_id: str, uri: str, folder: Path) -> Path | None:
    """The version folder that AZUREML_MODEL_DIR points to: the registered file, or the folder under its own name."""
    place = locate_model(site, workspace_id, uri)
    if place is None:
        return None
    container, path = place
    single = site.blobs.get(container, path) is not None
    inside = folder if single or not path else folder / path.rpartition("/")[2]
    site.blobs.lay_out(container, path, inside)
    return folder
