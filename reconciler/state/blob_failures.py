"""Azure Storage's refusals in our words: what is wrong with which container, and what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from reconciler.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "give this identity the role Storage Blob Data Contributor on it"
_HINTS = {
    "AuthorizationPermissionMismatch": f"{ROLE}; it takes some minutes to have effect",
    "AuthorizationFailure": "reach the account by its private endpoint, its network rules may refuse this machine; "
    "check the key, when you use one",
    "AuthenticationFailed": "check the key or token, and this machine's clock",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys; use an identity instead of a connection string",
    "PublicAccessNotPermitted": ROLE,
    "ContainerNotFound": "somebody removed it; it is created again when it is next worked on",
    "ContainerBeingDeleted": "it is being deleted; wait a little",
}


@contextmanager
def said(container_url: str) -> Iterator[None]:
    """Turn an error of azure-core within the block into a StateError."""
    try:
        yield
    except AzureError as error:
        raise state_error(error, container_url) from error


def state_error(error: AzureError, container_url: str) -> StateError:
    """The error for people; its text never holds more than the first line of Azure's, which names no secret."""
    code = code_of(error)
    first = re.sub(r" ssl:(<[^>]*>|default|True|False|None)", "", _first_line(error))
    if isinstance(error, ClientAuthenticationError) and not code:
        hint = "sign in with `az login`, or give this process a workload or managed identity"
    elif status_of(error) is None:
        hint = "check the address, the network and its DNS; an account with private endpoints answers only inside"
    else:
        hint = _HINTS.get(code, "it is asked again later")
    return StateError(f"state in {container_url}: {first} ({code or type(error).__name__}); {hint}")


def code_of(error: AzureError) -> str:
    """Azure's error code, such as ``ContainerNotFound``; empty when there was no answer."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def status_of(error: AzureError) -> int | None:
    """The HTTP status; None when there was no answer."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def _first_line(error: AzureError) -> str:
    lines = str(error.message or error).strip().splitlines()
    return lines[0].strip() if lines else "no answer"
