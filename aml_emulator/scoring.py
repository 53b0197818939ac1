"""What callers of a model see: keys checked, traffic split, errors in the service's words.

Statuses and headers: learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints, and a recorded
answer of the real front end.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING

from aml_emulator.arm.endpoint_keys import may_score
from aml_emulator.arm.endpoint_rules import positive
from aml_emulator.dataplane.interface import ScoreRequest, ScoreResponse
from aml_emulator.wire import Request, Response

if TYPE_CHECKING:
    from aml_emulator.call import Site
    from aml_emulator.store import Record

log = logging.getLogger(__name__)
SPARE_S = 0.5
OWN_ANSWER = "ms-azureml-model-error-reason"
"""The header by which the data plane marks an answer that is its own (408, 429, 424) and not the model's."""
NOT_PASSED_ON = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"),
        *("transfer-encoding", "content-length", "host", "authorization", "azureml-model-deployment"),
        *("date", "server", "x-request-id"),
    )
)


async def handle(site: Site, request: Request, endpoint_name: str, path: str) -> Response:
    """Answer a request to ``path`` below an endpoint, e.g. ``/score``."""
    endpoint = next(iter(site.store.named("endpoint", endpoint_name)), None)
    if endpoint is None:
        return _plain(404, "There is no endpoint with this name.")
    if not may_score(site, endpoint, request.header("Authorization")):
        return _plain(401, "key_auth_access_denied: the key or token is missing or not valid.")
    name = request.header("azureml-model-deployment").lower() or pick(site, endpoint)
    deployment = site.store.get(f"{endpoint.id}/deployments/{name}") if name else None
    if deployment is None:
        # 404: no deployment has weight, or the one that was asked for does not exist.
        return _plain(
            404,
            "No valid deployments to route to. Please check that the endpoint has at least one "
            "deployment with positive weight values or use a deployment specific header to route.",
        )
    body = await request.read()
    response = await _score(site, request, deployment, path, body)
    if not request.header("azureml-model-deployment"):
        _mirror(site, request, endpoint, path, body)
    return response


def pick(site: Site, endpoint: Record) -> str:
    """The deployment whose turn it is: a smooth weighted round robin, so that shares are exact. Empty for none."""
    weights = positive(endpoint.body["properties"]["traffic"])
    if not weights:
        return ""
    credit = site.live.credit.setdefault(endpoint.id, {})
    for gone in credit.keys() - weights.keys() - {"mirror"}:
        del credit[gone]
    for name, weight in weights.items():
        credit[name] = credit.get(name, 0.0) + weight
    chosen = max(weights, key=lambda name: credit[name])
    credit[chosen] -= sum(weights.values())
    return chosen


async def _score(site: Site, request: Request, deployment: Record, path: str, body: bytes) -> Response:
    key, began = deployment.inner["key"], time.monotonic()
    common = {
        "azureml-model-deployment": deployment.name,
        "Server": "azureml-frontdoor",
        "X-Request-ID": request.header("x-request-id") or str(uuid.uuid4()),
    }
    starting = site.live.starting.get(key)
    if starting:
        await asyncio.wait({starting}, timeout=30)
    spec = site.live.specs.get(key)
    if spec is None:
        return _plain(503, "The deployment is not ready.", common)  # assumed
    parts = request.parts()
    passed = {k: v for k, v in request.headers.items() if k.lower() not in NOT_PASSED_ON}
    asked = ScoreRequest(request.method, path, parts.query, passed, body)
    try:
        # The data plane keeps the time itself; this only bounds one that does not.
        answered = await asyncio.wait_for(site.dataplane.score(key, asked), spec.request_timeout_s + SPARE_S)
    except TimeoutError:
        return _plain(408, "The request timed out.", common)
    took_ms = (time.monotonic() - began) * 1000
    return _relay(answered, common, took_ms)


def _relay(answered: ScoreResponse, common: dict[str, str], took_ms: float) -> Response:
    headers = {k: v for k, v in answered.headers.items() if k.lower() not in NOT_PASSED_ON}
    given = {name.lower() for name in headers}
    if "x-ms-run-fn-exec-ms" not in given:
        headers["x-ms-run-fn-exec-ms"] = f"{took_ms:.3f}"
    if OWN_ANSWER in given:
        return Response(answered.status, headers | common, answered.body)
    if 200 <= answered.status < 300:
        if "x-ms-run-function-failed" not in given:
            headers["x-ms-run-function-failed"] = "False"
        return Response(answered.status, headers | common, answered.body)
    reason = {
        "ms-azureml-model-error-statuscode": str(answered.status),
        OWN_ANSWER: "model_error",
    }
    return Response(424, headers | common | reason, answered.body)


def _mirror(site: Site, request: Request, endpoint: Record, path: str, body: bytes) -> None:
    """Send a copy to the mirrored deployment, as often as its percentage says; its answer is nobody's concern."""
    for name, percent in positive(endpoint.body["properties"]["mirrorTraffic"]).items():
        credit = site.live.credit.setdefault(endpoint.id, {})
        credit["mirror"] = credit.get("mirror", 0.0) + percent
        deployment = site.store.get(f"{endpoint.id}/deployments/{name}")
        if credit["mirror"] < 100 or deployment is None:
            return
        credit["mirror"] -= 100
        task = asyncio.create_task(_send_copy(site, request, deployment, path, body))
        site.live.mirrors.add(task)
        task.add_done_callback(site.live.mirrors.discard)


async def _send_copy(site: Site, request: Request, deployment: Record, path: str, body: bytes) -> None:
    response = await _score(site, request, deployment, path, body)
    log.debug("mirrored", extra={"deployment": deployment.id, "status": response.status})


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    kind = {"Content-Type": "text/plain; charset=utf-8", "Server": "azureml-frontdoor"}
    return Response(status, kind | (headers or {}), text.encode())
