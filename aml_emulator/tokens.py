"""Secrets of one emulator, and the tokens and signatures made with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aml_emulator.store import Store


@dataclass(frozen=True, slots=True)
class Identity:
    """The one service principal that exists, its tenant, and the key that signs everything."""

    tenant_id: str
    client_id: str
    client_secret: str
    signing_key: bytes

    def sign(self, *parts: str) -> str:
        """A signature over ``parts`` that only this emulator can make (base64)."""
        text = "\n".join(parts).encode()
        return base64.b64encode(hmac.digest(self.signing_key, text, hashlib.sha256)).decode()

    def derived(self, *parts: str) -> str:
        """A GUID that follows from ``parts`` and this emulator, e.g. a principal id."""
        return str(uuid.UUID(bytes=hmac.digest(self.signing_key, "\n".join(parts).encode(), "sha256")[:16]))

    def token(self, audience: str, lifetime_s: int, **claims: str) -> str:
        """A JWT (HS256) for ``audience``."""
        now = int(time.time())
        body = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime_s,
            "appid": self.client_id,
            "oid": self.derived("principal", self.client_id),
            "tid": self.tenant_id,
            **claims,
        }
        head = _base64(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        text = f"{head}.{_base64(json.dumps(body).encode())}"
        return f"{text}.{self._seal(text)}"

    def claims(self, token: str) -> dict[str, Any] | None:
        """What a token of ours says; None for a forged, broken or expired one."""
        text, _, seal = token.rpartition(".")
        if not token.isascii() or not text or not hmac.compare_digest(seal, self._seal(text)):
            return None
        payload = text.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims if claims["exp"] > time.time() else None

    def _seal(self, text: str) -> str:
        return _base64(hmac.digest(self.signing_key, text.encode(), hashlib.sha256))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def identity_of(store: Store) -> Identity:
    """The identity remembered in the store, made at random the first time."""
    return Identity(
        tenant_id=store.setting("tenant_id", str(uuid.uuid4())),
        client_id=store.setting("client_id", str(uuid.uuid4())),
        client_secret=store.setting("client_secret", secrets.token_urlsafe(32)),
        signing_key=bytes.fromhex(store.setting("signing_key", secrets.token_hex(32))),
    )


def new_key() -> str:
    """A random endpoint key, 32 letters and digits."""
    return secrets.token_hex(16)


def bearer(authorization: str) -> str:
    """The token of an ``Authorization: Bearer`` header; empty if it is something else."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
