"""The key of a storage account, and the signatures that clients make with it.

The string to sign: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, and what
azure-storage-blob's SharedKeyCredentialPolicy makes of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from aml_emulator.tokens import Identity
    from aml_emulator.wire import Request

SCHEME = "SharedKey "
SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
# The service sorts names without regard to "-", and "_" before digits and letters.
SORTING = str.maketrans({"-": None, "_": " "})


def account_key(identity: Identity, account: str) -> str:
    """The account's key, in base64 as ``listSecrets`` shows it."""
    return base64.b64encode(hashlib.sha512(identity.sign("account key", account).encode()).digest()).decode()


def is_signed(identity: Identity, request: Request, account: str) -> bool:
    """Whether the Authorization header is a signature over this request with the account's key."""
    name, _, signature = request.header("Authorization").removeprefix(SCHEME).partition(":")
    key = base64.b64decode(account_key(identity, account))
    text = _string_to_sign(request, account).encode("utf-8", "surrogateescape")
    expected = base64.b64encode(hmac.digest(key, text, hashlib.sha256))
    return name == account and hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape"))


def _string_to_sign(request: Request, account: str) -> str:
    headers = {name.lower(): value.strip() for name, value in request.headers.items()}
    if headers.get("content-length") == "0":
        headers["content-length"] = ""
    own = sorted((name for name in headers if name.startswith("x-ms-")), key=lambda name: name.translate(SORTING))
    parts = request.parts()
    asked = sorted((name.lower(), unquote(value)) for name, _, value in (p.partition("=") for p in _pairs(parts.query)))
    lines = [request.method, *(headers.get(name, "") for name in SIGNED)]
    lines += [f"{name}:{headers[name]}" for name in own]
    lines += [f"/{account}{parts.path}", *(f"{name}:{value}" for name, value in asked)]
    return "\n".join(lines)


def _pairs(query: str) -> list[str]:
    return [pair for pair in query.split("&") if pair]
