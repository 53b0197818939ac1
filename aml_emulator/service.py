"""The emulator as one function from request to response. No sockets here: ``server`` adds them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aml_emulator import blob_api, identity, operations, scoring
from aml_emulator.arm import (
    codes,
    datastores,
    deployments,
    endpoint_keys,
    endpoints,
    environments,
    logs,
    models,
    workspaces,
)
from aml_emulator.arm.deployment_spec import spec_of
from aml_emulator.blobs import Blobs
from aml_emulator.call import Call, Live, Site, workspace_id
from aml_emulator.dataplane.interface import StartFailed
from aml_emulator.errors import Refused, envelope
from aml_emulator.operations import Operations
from aml_emulator.routing import Routes, split_path
from aml_emulator.tokens import identity_of
from aml_emulator.wire import Response, answer, timestamp

if TYPE_CHECKING:
    from aml_emulator.dataplane.interface import DataPlane
    from aml_emulator.settings import Settings
    from aml_emulator.store import Record, Store
    from aml_emulator.wire import Request

log = logging.getLogger(__name__)

SIGN_IN = Routes(
    (
        ("GET", "/metadata/endpoints", identity.metadata),
        ("GET", "/common/discovery/instance", identity.instance_discovery),
        ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", identity.openid_configuration),
        ("POST", "/{tenant}/oauth2/v2.0/token", identity.token),
    )
)
ARM = Routes(
    (
        *operations.ROUTES,
        *workspaces.ROUTES,
        *datastores.ROUTES,
        *codes.ROUTES,
        *models.ROUTES,
        *environments.ROUTES,
        *endpoints.ROUTES,
        *endpoint_keys.ROUTES,
        *deployments.ROUTES,
        *logs.ROUTES,
    )
)
ARM_ROOTS = ("subscriptions", "tenants", "providers")
BLOB_HOST = ".blob.core.windows.net"
SCORING_HOST = ".inference.ml.azure.com"
ALLOWANCE = {"GET": ("reads", 249, 3749), "DELETE": ("deletes", 199, 2999)}


class AzureML:
    """One emulated region of Azure ML.

    Call it inside a running event loop: operations are its tasks. ``store`` may be in memory, and with
    ``settings.durations`` of zero an operation ends at the next ``settle``.
    """

    def __init__(self, store: Store, dataplane: DataPlane, settings: Settings) -> None:
        """Create the default workspace, unless the store has it."""
        runners = endpoints.RUNNERS | endpoint_keys.RUNNERS | deployments.RUNNERS
        self.site = Site(
            settings=settings,
            identity=identity_of(store),
            store=store,
            blobs=Blobs(settings.folder / "blobs", store),
            dataplane=dataplane,
            operations=Operations(runners),
            live=Live(),
        )
        names = (settings.subscription_id, settings.resource_group, settings.workspace)
        if store.get(workspace_id(*names)) is None:
            workspaces.create(self.site, *names, {"properties": workspaces.PRIVATE})

    async def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what a client sent."""
        call = Call(self.site, request)
        try:
            return await self._dispatch(call)
        except identity.OAuthError as refused:
            return answer(refused.status, identity.oauth_envelope(refused))
        except Refused as refused:
            body = envelope(refused, self.site.settings.location, timestamp())
            return answer(refused.status, body, _arm_headers(call, "error") | refused.headers)

    async def settle(self) -> None:
        """Wait until no operation is running."""
        await self.site.operations.settle()

    def resume(self) -> None:
        """After a restart: start what served, and go on with what was running."""
        for record in self.site.store.all("deployment"):
            if record.body["properties"]["provisioningState"] == "Succeeded":
                self.site.live.starting[record.inner["key"]] = asyncio.create_task(self._start_again(record))
        self.site.operations.resume(self.site)

    async def close(self) -> None:
        """Stop operations and the data plane. What was running goes on at the next ``resume``."""
        for task in (*self.site.live.starting.values(), *self.site.live.mirrors):
            task.cancel()
        await self.site.operations.close()
        await self.site.dataplane.close()

    async def _start_again(self, record: Record) -> None:
        key = record.inner["key"]
        try:
            spec = spec_of(self.site, record)
            await self.site.dataplane.start(spec)
            self.site.live.specs[key] = spec
        except Exception as error:  # whatever it is: a deployment that does not run is not Succeeded
            log.warning("deployment did not start again", extra={"deployment": record.id}, exc_info=error)
            record.body["properties"]["provisioningState"] = "Failed"
            if isinstance(error, StartFailed):
                record.inner["log"] = error.log_tail
            record.inner["reason"] = f"The deployment did not start again: {type(error).__name__}: {error}"
            self.site.store.put(record)
        finally:
            self.site.live.starting.pop(key, None)

    async def _dispatch(self, call: Call) -> Response:
        call.request.check_text()
        parts = call.request.parts()
        host, path = (parts.hostname or "").lower(), parts.path
        segments = split_path(path)
        first = segments[0].lower() if segments else ""
        if host.endswith(SCORING_HOST):
            return await scoring.handle(self.site, call.request, host.partition(".")[0], unquote(path))
        if host.endswith(BLOB_HOST):
            return await blob_api.handle(self.site, call.request, path.lstrip("/"))
        if first == "inference" and len(segments) > 2:
            return await scoring.handle(self.site, call.request, segments[2], "/" + "/".join(segments[3:]))
        if first in ARM_ROOTS:
            return await self._arm(call, path)
        found = SIGN_IN.find(call.request.method, path)
        if not isinstance(found, frozenset):
            handler, names = found
            return await handler(replace(call, path=names))
        if self.site.blobs.is_account(first):
            return await blob_api.handle(self.site, call.request, path.lstrip("/").partition("/")[2])
        if self.site.blobs.account_of(first):
            return await blob_api.handle(self.site, call.request, path.lstrip("/"))
        raise _no_such_route(path)

    async def _arm(self, call: Call, path: str) -> Response:
        identity.require_bearer(call)
        found = ARM.find(call.request.method, path)
        if isinstance(found, frozenset):
            if found:
                message = f"The requested resource does not support http method '{call.request.method}'."
                raise Refused(405, "MethodNotAllowed", message, plain=True)
            raise _no_such_route(path)
        handler, names = found
        response = await handler(replace(call, path=names))
        return replace(response, headers=_arm_headers(call, "standard") | dict(response.headers))


def _no_such_route(path: str) -> Refused:
    message = f"No HTTP resource was found that matches the request path '{path}'."
    return Refused(404, "NotFound", message, [("UnknownRoute", "The emulator does not have this route.")])


def _arm_headers(call: Call, kind: str) -> dict[str, str]:
    """What every ARM answer carries. Budgets never shrink here: the emulator does not throttle."""
    what, left, left_of_all = ALLOWANCE.get(call.request.method, ("writes", 199, 2999))
    region = call.site.settings.location.upper()
    request_id = str(uuid.uuid4())
    moment = timestamp().partition(".")[0].replace("-", "").replace(":", "")
    return {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        f"x-ms-ratelimit-remaining-subscription-{what}": str(left),
        f"x-ms-ratelimit-remaining-subscription-global-{what}": str(left_of_all),
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "x-ms-routing-request-id": f"{region}:{moment}Z:{request_id}",
        "x-ms-response-type": kind,
        "azureml-served-by-cluster": f"emulator-{call.site.settings.location}-01",
        "Server-Timing": f'traceparent;desc="00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"',
        "X-Cache": "CONFIG_NOCACHE",
    }
