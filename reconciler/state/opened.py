"""The store that a project asks for, and the name that this process goes by in it."""

from __future__ import annotations

import os
import re
import secrets
import socket
from typing import TYPE_CHECKING

from reconciler.errors import UsageError
from reconciler.state.folder import FolderStore
from schemas.project import StateFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.state.store import Store
    from schemas.project import Project

CONNECTION_STRING = "AML_GITOPS_STATE_CONNECTION_STRING"
_NAME = re.compile(r"[a-z0-9.-]+")
"""A host by name alone: what else may stand there (``\\``, ``:``) is not the same host to everybody who reads it."""
_AUTHORITIES = {
    "blob.core.windows.net": "login.microsoftonline.com",
    "blob.core.chinacloudapi.cn": "login.chinacloudapi.cn",
    "blob.core.usgovcloudapi.net": "login.microsoftonline.us",
}


def open_store(project: Project, root: Path, environ: Mapping[str, str]) -> Store:
    """The store of a project in folder ``root``. Raises UsageError when a container cannot be signed in to.

    A container is opened with the identity of the process, or with the storage connection string in the variable
    AML_GITOPS_STATE_CONNECTION_STRING: for Azurite, and for accounts that are opened with keys.
    """
    if isinstance(project.state, StateFolder):
        return FolderStore(root / project.state.folder)
    from reconciler.state.blob import BlobStore

    url = project.state.container_url
    if connection_string := environ.get(CONNECTION_STRING):
        return BlobStore(url, connection_string=connection_string, duration_s=project.state.lease_s)
    if not url.startswith("https://"):
        hint = f"write https://, or give a connection string in {CONNECTION_STRING}"
        raise UsageError(f"state in {url}: an identity's token is never sent over plain http; {hint}")
    from azure.identity.aio import DefaultAzureCredential

    host = host_of(url)
    if not _NAME.fullmatch(host) or not host.endswith(tuple(f".{suffix}" for suffix in _AUTHORITIES)):
        allowed = ", ".join(f"*.{suffix}" for suffix in _AUTHORITIES)
        raise UsageError(f"state in {host}: an identity's token is only sent to Azure Storage ({allowed})")
    credential = DefaultAzureCredential(authority=authority_of(url))
    return BlobStore(url, credential, duration_s=project.state.lease_s)


def authority_of(container_url: str) -> str:
    """Where identities of the cloud of a storage account sign in."""
    host = host_of(container_url)
    found = (authority for suffix, authority in _AUTHORITIES.items() if host.endswith(suffix))
    return next(found, "login.microsoftonline.com")


def host_of(container_url: str) -> str:
    """Host, and port if there is one, of a container's address."""
    return container_url.partition("//")[2].partition("/")[0].lower()


def holder_name() -> str:
    """A name for this process that people recognise: ``host:process id:random``."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
