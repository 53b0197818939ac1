"""Ask a live endpoint. Keys and tokens are fetched for one question and never shown or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import ArmError, Conflict, NotFound, Unavailable
from reconciler.kinds.kind import get

if TYPE_CHECKING:
    from reconciler.arm.client import Arm
    from reconciler.domain import Body

SCORE_TIMEOUT_S = 200
"""Azure's longest request timeout is 180 s (learn.microsoft.com: how-to-manage-quotas)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered, and which deployment did."""

    status: int
    deployment: str
    text: str
    reason: str = ""


async def ask(arm: Arm, endpoint: str, request: bytes, deployment: str | None = None) -> Answer:
    """POST a JSON request to an endpoint, or to one deployment of it. Raises ArmError when it cannot be asked."""
    import aiohttp

    body = await arm.get(f"/onlineEndpoints/{endpoint}")
    if body is None:
        raise NotFound(f"endpoint/{endpoint} does not exist", status=404)
    uri = get(body, "properties.scoringUri")
    if not uri:
        raise Conflict(f"endpoint/{endpoint} has no scoring address yet: {get(body, 'properties.provisioningState')}")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {await _secret(arm, endpoint, body)}"}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    timeout = aiohttp.ClientTimeout(total=SCORE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=arm.connection.trust_environment) as session,
            session.post(uri, data=request, headers=headers, ssl=arm.connection.tls or True) as answer,
        ):
            return Answer(
                answer.status,
                answer.headers.get("azureml-model-deployment", ""),
                await answer.text(),
                answer.headers.get("ms-azureml-model-error-reason", ""),
            )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"{uri} does not answer: {error or 'timed out'}") from error


async def _secret(arm: Arm, endpoint: str, body: Body) -> str:
    mode = str(get(body, "properties.authMode", "Key")).lower()
    if mode == "aadtoken":
        return (await arm.connection.credential.get_token(arm.connection.scoring_scope)).token
    action, field = ("token", "accessToken") if mode == "amltoken" else ("listKeys", "primaryKey")
    found = (await arm.post(f"/onlineEndpoints/{endpoint}/{action}")).get(field)
    if not found:
        raise ArmError(f"Azure gave no {field} for endpoint/{endpoint}")
    return str(found)
