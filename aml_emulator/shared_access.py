"""Shared access signatures: issued here, and checked on every blob request."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from aml_emulator.shared_key import SCHEME, is_signed
from aml_emulator.tokens import bearer

if TYPE_CHECKING:
    from aml_emulator.tokens import Identity
    from aml_emulator.wire import Request

VERSION = "2021-08-06"
# Which permission letter of a SAS allows which method (any of them will do).
LETTERS = {"GET": "r", "HEAD": "r", "PUT": "cwa", "DELETE": "d"}
AUDIENCES = ("management.azure.com", "management.core.windows.net", "storage.azure.com", "127.0.0.1", "localhost")
STORAGE = (".storage.azure.com", ".blob.core.windows.net")


def issue(identity: Identity, account: str, container: str, permissions: str, hours: int) -> str:
    """Query string that opens one container for some hours. ``permissions`` as in ``sp``: r c w l d."""
    expiry = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    claims = {"sv": VERSION, "se": expiry, "sr": "c", "sp": permissions}
    return urlencode(claims | {"sig": _signature(identity, account, container, claims)})


def check_access(identity: Identity, request: Request, account: str, container: str) -> str:
    """Why this blob request is denied; empty when it is allowed.

    A SAS must be one that this emulator issued for this container, a bearer token one that it issued for storage or
    for management, and a shared key must be that of the account, as ``listSecrets`` gives it.
    """
    query = request.query()
    if "sig" in query:
        signed = {name: query.get(name, "") for name in ("sv", "se", "sr", "sp")}
        expected = _signature(identity, account, container, signed)
        if not hmac.compare_digest(expected.encode(), query["sig"].encode()):
            return "Signature did not match."
        if datetime.fromisoformat(signed["se"]) < datetime.now(UTC):
            return "Signature not valid in the specified time frame."
        needed = "l" if query.get("comp") == "list" else LETTERS.get(request.method, "")
        return "" if set(needed) & set(signed["sp"]) else "The permissions of the signature do not allow this."
    authorization = request.header("Authorization")
    if not authorization:
        return "Server failed to authenticate the request: no Authorization header and no signature."
    if authorization.startswith(SCHEME):
        return "" if is_signed(identity, request, account) else "The MAC signature in the header did not match."
    claims = identity.claims(bearer(authorization))
    if claims is None:
        return "The access token is invalid."
    return "" if _opens_blobs(str(claims["aud"])) else "The access token is for another audience."


def _opens_blobs(audience: str) -> bool:
    """Whether tokens for this audience open blobs: storage's and management's, under Azure's names or this host's."""
    try:
        host = urlsplit(audience).hostname or ""
    except ValueError:
        return False
    return host in AUDIENCES or host.endswith(STORAGE)


def _signature(identity: Identity, account: str, container: str, claims: dict[str, str]) -> str:
    return identity.sign("sas", account, container, *(claims[name] for name in ("sv", "se", "sr", "sp")))
