"""Blobs of a container: how they are reached, read and replaced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient, LinearRetry

from reconciler.errors import StateError, UsageError
from reconciler.state.blob_failures import ROLE, status_of

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobClient

log = logging.getLogger(__name__)

JSON = ContentSettings(content_type="application/json")


def container_client(url: str, credential: AsyncTokenCredential | None, connection_string: str) -> ContainerClient:
    """The client of the container at that address. Raises UsageError when the connection string leads elsewhere."""
    settings: dict[str, Any] = {
        "retry_policy": LinearRetry(backoff=1, random_jitter_range=1, retry_total=3),
        "connection_timeout": 5,
        "read_timeout": 10,
    }
    if not connection_string:
        return ContainerClient.from_container_url(url, credential, **settings)
    name = url.rpartition("/")[2]
    try:
        client = ContainerClient.from_connection_string(connection_string, name, **settings)
    except ValueError:  # Its text may hold a part of the key.
        raise UsageError("the connection string of the state's storage account cannot be read") from None
    found = address(client)
    if found.lower() != url.lower():
        raise UsageError(f"the connection string leads to {found}, but gitops.yaml says {url}: make them the same")
    return client


def address(client: ContainerClient | BlobClient) -> str:
    """Where it is, for people: without the shared access signature that the SDK keeps in the address."""
    return str(client.url).partition("?")[0]


async def read(blob: BlobClient) -> tuple[bytes, str] | None:
    """Content and ETag; None when there is no such blob."""
    try:
        found = await blob.download_blob()
        return await found.readall(), str(found.properties.etag)
    except ResourceNotFoundError:
        return None


async def write(blob: BlobClient, content: bytes, etag: str | None) -> None:
    """Replace what had that ETag; without one, make a new blob."""
    if etag is None:
        await blob.upload_blob(content, overwrite=False, content_settings=JSON)
    else:
        await blob.upload_blob(
            content, overwrite=True, content_settings=JSON, etag=etag, match_condition=MatchConditions.IfNotModified
        )


async def create_container(container: ContainerClient) -> None:
    """Make the container, unless another was faster. Raises StateError when this identity may not; AzureError."""
    try:
        await container.create_container()
    except ResourceExistsError:
        log.debug("container made by another", extra={"container": address(container)})
    except AzureError as error:
        if status_of(error) != 403:
            raise
        how = f"az storage container create --name {container.container_name}"
        place = address(container)
        raise StateError(f"there is no container {place}, and none may be made: {how}, then {ROLE}") from error
