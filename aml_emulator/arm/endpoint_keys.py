"""Keys and tokens of online endpoints: handed out, rotated, and checked on every score."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from aml_emulator.arm.endpoints import PREFIX, begin, busy, endpoint_of
from aml_emulator.arm.paths import ENDPOINT
from aml_emulator.errors import Refused
from aml_emulator.operations import lro_headers
from aml_emulator.shape import REGENERATE, conform
from aml_emulator.tokens import bearer, new_key
from aml_emulator.wire import Response, answer, empty

if TYPE_CHECKING:
    from aml_emulator.call import Call, Site
    from aml_emulator.store import Operation, Record

TOKEN_LIFETIME_S = 24 * 3600
REFRESH_BEFORE_EXPIRY_S = 43170  # recorded: expiryTimeUtc - refreshAfterTimeUtc
SCORING_AUDIENCE = "https://ml.azure.com"


async def list_keys(call: Call) -> Response:
    """POST listKeys: both null unless the endpoint uses keys (recorded for AADToken)."""
    record = endpoint_of(call)
    keys = record.inner["keys"] if record.body["properties"]["authMode"] == "Key" else {}
    return answer(200, {"primaryKey": keys.get("Primary"), "secondaryKey": keys.get("Secondary")})


async def regenerate_keys(call: Call) -> Response:
    """POST regenerateKeys: 202 and an operation.

    The specification says that keyValue is what the key is set to. azure-ai-ml 1.35.2 sends the current one, which
    would rotate nothing: that value is taken as "any new one" here (assumed).
    """
    record, sent = endpoint_of(call), conform(await call.request.json(), REGENERATE)
    which = str(sent.get("keyType", "")).capitalize()
    if which not in ("Primary", "Secondary"):
        raise Refused(400, "UserError", "keyType must be Primary or Secondary.")
    if record.body["properties"]["authMode"] != "Key":
        raise Refused(400, "UserError", "The endpoint does not use keys.")
    if call.site.store.running(record.id):
        raise busy(record)
    asked = sent.get("keyValue")
    value = asked if asked and asked not in record.inner["keys"].values() else new_key()
    operation = begin(call, PREFIX, record, "endpoint.keys", {"which": which, "value": value})
    return empty(202, lro_headers(call, operation, status=True))


async def token(call: Call) -> Response:
    """POST token: a bearer token for this endpoint. Refused for an endpoint that uses keys (assumed)."""
    record = endpoint_of(call)
    if record.body["properties"]["authMode"] == "Key":
        raise Refused(400, "UserError", "The endpoint uses keys: call listKeys.")
    expiry = int(time.time()) + TOKEN_LIFETIME_S
    return answer(
        200,
        {
            "accessToken": call.site.identity.token(SCORING_AUDIENCE, TOKEN_LIFETIME_S, endpoint=record.id),
            "tokenType": "Bearer",
            "expiryTimeUtc": expiry,
            "refreshAfterTimeUtc": expiry - REFRESH_BEFORE_EXPIRY_S,
        },
    )


def may_score(site: Site, record: Record, authorization: str) -> bool:
    """Whether this Authorization header opens this endpoint."""
    presented, mode = bearer(authorization), record.body["properties"]["authMode"]
    if mode == "Key":
        keys = record.inner["keys"].values()
        return any(hmac.compare_digest(presented.encode(), key.encode()) for key in keys)
    claims = site.identity.claims(presented)
    if claims is None or claims["aud"] != SCORING_AUDIENCE:
        return False
    return claims.get("endpoint", record.id if mode == "AADToken" else None) == record.id


async def run_keys(site: Site, operation: Operation) -> None:
    """The new key is good and the old one bad from here on."""
    record = site.store.get(operation.target)
    if record:
        record.inner["keys"][operation.payload["which"]] = operation.payload["value"]
        site.store.put(record)


RUNNERS = {"endpoint.keys": run_keys}
ROUTES = (
    ("POST", f"{ENDPOINT}/listKeys", list_keys),
    ("POST", f"{ENDPOINT}/regenerateKeys", regenerate_keys),
    ("POST", f"{ENDPOINT}/token", token),
)
