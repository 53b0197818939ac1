"""One workspace in Azure Resource Manager: read, write, and wait for what was written."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

from reconciler.arm.budget import Budget, Budgeted
from reconciler.arm.failures import from_response, from_transport
from reconciler.arm.fence import Fence, Fenced
from reconciler.arm.waiting import Waiting
from reconciler.arm.wire_guard import WireGuard
from reconciler.errors import ArmError, NotFound, Unavailable
from reconciler.kinds.kind import API_VERSION

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse

    from reconciler.domain import Body, NetworkMode, Target

log = logging.getLogger(__name__)

CONNECT_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one workspace.

    ``poll_interval_s`` is how often a long-running operation is looked at when Azure gives no Retry-After, which is
    its habit. ``operation_timeout_s`` bounds the wait: image builds of 20 to 60 minutes are normal. ``busy_wait_s`` is
    how long to let another operation on the same resource pass before trying again. ``trust_environment`` honours the
    proxies of the environment; ``sdk_environment`` is that of the upload process, when it is not this one's.
    """

    target: Target
    network: NetworkMode
    base_url: str
    scope: str
    credential: AsyncTokenCredential
    tls: ssl.SSLContext | None = None
    poll_interval_s: float = 5.0
    operation_timeout_s: float = 5400.0
    busy_wait_s: float = 60.0
    retries: int = 6
    retry_backoff_s: float = 0.8
    cloud: str = "AzureCloud"
    authority: str = "login.microsoftonline.com"
    scoring_scope: str = "https://ml.azure.com/.default"
    unreachable_hint: str = ""
    sdk_environment: Mapping[str, str] | None = None
    trust_environment: bool = False


class _Observed(policies.SansIOHTTPPolicy[Any, Any]):
    """Counts requests and logs each with its id; never a header or body, which may hold secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.writes = 0

    def on_request(self, request: PipelineRequest[Any]) -> None:
        if request.http_request.method in ("GET", "HEAD"):
            self.reads += 1
        else:
            self.writes += 1

    def on_response(self, request: Any, response: Any) -> None:
        log.debug(
            "request",
            extra={
                "method": request.http_request.method,
                "path": request.http_request.url.partition("?")[0],
                "status": response.http_response.status_code,
                "request_id": response.http_response.headers.get("x-ms-request-id", ""),
            },
        )


@asynccontextmanager
async def connect(
    connection: Connection,
    *,
    transport: AsyncHttpTransport[Any, Any] | None = None,
    budget: Budget | None = None,
    fence: Fence | None = None,
) -> AsyncIterator[Arm]:
    """Open one session to a workspace; the credential is closed with it.

    ``budget`` is that of the subscription, shared with other sessions. ``fence`` raises when nothing may be written.
    """
    budget, fence = budget or Budget(), fence or Fence()
    if transport is None:
        import aiohttp
        from azure.core.pipeline.transport import AioHttpTransport

        # One SSL context for the session: azure-core would build a new one for every request given a CA path.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=connection.tls or True, limit=32),
            auto_decompress=False,
            trust_env=connection.trust_environment,
        )
        # A write whose connection takes long is sent long after the fence was asked.
        transport = AioHttpTransport(session=session, session_owner=True, connection_timeout=CONNECT_WITHIN_S)
    observed = _Observed()
    waiting = Waiting(transport, fence)
    pipeline = [
        policies.RequestIdPolicy(),
        policies.UserAgentPolicy("aml-gitops"),
        WireGuard(connection.network),
        policies.AsyncRetryPolicy(
            retry_total=connection.retries,
            retry_backoff_factor=connection.retry_backoff_s,
            retry_backoff_max=60,
        ),
        Budgeted(budget, waiting.sleep),
        policies.AsyncBearerTokenCredentialPolicy(connection.credential, connection.scope),
        Fenced(fence),
        observed,
    ]
    client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
        connection.base_url, policies=pipeline, transport=waiting
    )
    async with connection.credential, client:
        yield Arm(connection, client, waiting, observed, budget, fence)


class Arm:
    """Reads and writes below one workspace. Paths start with ``/`` and are relative to it.

    Every method raises ArmError, with Azure's inner message, and PlanRefused when a body is public.
    """

    def __init__(
        self,
        connection: Connection,
        client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse],
        transport: Waiting,
        observed: _Observed,
        budget: Budget,
        fence: Fence,
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.budget = budget
        self.fence = fence
        self._client = client
        self._observed = observed

    @property
    def target(self) -> Target:
        """The workspace that all paths are below."""
        return self.connection.target

    def leave(self) -> None:
        """End every wait at the next safe point, for good: what waits raises Superseded. Azure goes on by itself."""
        self.transport.leave()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises Superseded when the waits are left."""
        await self.transport.sleep(seconds)

    @property
    def reads(self) -> int:
        """GET and HEAD requests sent so far, retries and polls included."""
        return self._observed.reads

    @property
    def writes(self) -> int:
        """PUT, PATCH, POST and DELETE requests sent so far, retries included."""
        return self._observed.writes

    async def get(self, path: str) -> Body | None:
        """The resource, or ``None`` when Azure says that it does not exist. Anything else raises."""
        try:
            body = await self._send("GET", self._url(path))
        except NotFound:
            return None
        if not body.get("id"):
            raise Unavailable(f"{path or 'the workspace'}: the answer is no resource")
        return body

    async def list(self, path: str, **query: str) -> list[Body]:
        """All items of a collection, over all pages."""
        found: list[Body] = []
        url: str | None = self._url(path, **query)
        while url:
            page = await self._send("GET", url)
            if not isinstance(page.get("value"), list):
                # A proxy's login page is a 200 too; taken for an empty list, everything would seem to be gone.
                raise Unavailable(f"{path}: the answer is no list")
            found += page["value"]
            url = page.get("nextLink")
        return found

    async def post(self, path: str, body: Body | None = None) -> Body:
        """Call an action and return its answer."""
        return await self._send("POST", self._url(path), body or {})

    async def put(self, path: str, body: Body) -> Body:
        """Replace the resource whole, wait until Azure is done, and return it as it is then."""
        return await self._write("PUT", path, body)

    async def patch(self, path: str, body: Body) -> Body:
        """Change parts of the resource, wait until Azure is done, and return it as it is then."""
        return await self._write("PATCH", path, body)

    async def delete(self, path: str) -> None:
        """Delete the resource and wait until it is gone. One that is not there is fine."""
        try:
            await self._operation("DELETE", path, None)
        except NotFound:
            return
        await self.wait_while(path, "deleting")

    async def wait_while(self, path: str, *states: str) -> Body | None:
        """Read the resource again and again while its provisioning state is one of ``states`` (lower case).

        Returns the last body, ``None`` once it does not exist. Raises Unavailable when ``operation_timeout_s`` ends.
        """
        deadline = asyncio.get_running_loop().time() + self.connection.operation_timeout_s
        while True:
            body = await self.get(path)
            state = str(((body or {}).get("properties") or {}).get("provisioningState", "")).lower()
            if body is None or state not in states:
                return body
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"still {state} after {self.connection.operation_timeout_s:.0f} s")
            await self.pause(self.connection.poll_interval_s)

    async def _write(self, method: str, path: str, body: Body) -> Body:
        answer = await self._operation(method, path, body)
        state = str(((answer or {}).get("properties") or {}).get("provisioningState", "")).lower()
        if answer is not None and answer.get("id") and state in ("", "succeeded"):
            return answer
        # Azure can end the operation before the resource says so: only the resource's own state counts
        # (Azure/azure-sdk-for-net#36961).
        settled = await self.wait_while(path, "creating", "updating", "scaling")
        if settled is None:
            raise NotFound("gone right after it was written", status=404)
        return settled

    async def _operation(self, method: str, path: str, body: Body | None) -> Body | None:
        initial, answer = await self._exchange(method, self._url(path), body)
        if not _is_long_running(initial.http_response):
            return answer
        polling = AsyncARMPolling(timeout=self.connection.poll_interval_s)
        polling.initialize(self._client, initial, _json_of)
        try:
            async with asyncio.timeout(self.connection.operation_timeout_s):
                await polling.run()
        except TimeoutError as error:
            raise Unavailable(
                f"the operation did not end within {self.connection.operation_timeout_s:.0f} s; it may still be running"
            ) from error
        except HttpResponseError as error:
            raise _from_http(error) from error
        except AzureError as error:
            raise from_transport(error, self.connection.unreachable_hint) from error
        result: Body | None = polling.resource() if method == "PUT" else None
        return result

    async def _send(self, method: str, url: str, body: Body | None = None) -> Body:
        _, answer = await self._exchange(method, url, body)
        return answer or {}

    async def _exchange(self, method: str, url: str, body: Body | None) -> tuple[Any, Body | None]:
        request = HttpRequest(method, url, json=body) if body is not None else HttpRequest(method, url)
        try:
            initial = await self._client.send_request(request, _return_pipeline_response=True)
        except HttpResponseError as error:
            raise _from_http(error) from error
        except AzureError as error:
            raise from_transport(error, self.connection.unreachable_hint) from error
        response: AsyncHttpResponse = initial.http_response  # type: ignore[attr-defined]
        answer = _json_of_response(response)
        if response.status_code >= 400:
            raise from_response(response, answer)
        if answer is not None and not isinstance(answer, dict):
            raise Unavailable(f"{method} {url.partition('?')[0]}: the answer is no JSON object")
        return initial, answer

    def _url(self, path: str, **query: str) -> str:
        parameters = "&".join(f"{key}={value}" for key, value in {"api-version": API_VERSION, **query}.items())
        return f"{self.connection.base_url}{self.target.scope}{path}?{parameters}"


def _is_long_running(response: AsyncHttpResponse) -> bool:
    return "Azure-AsyncOperation" in response.headers or response.status_code == 202


def _json_of(pipeline_response: Any) -> Body | None:
    return _json_of_response(pipeline_response.http_response)


def _json_of_response(response: AsyncHttpResponse) -> Body | None:
    if not response.content:
        return None
    try:
        body: Body | None = response.json()
    except ValueError:
        return {"error": {"code": "NotJson", "message": f"no JSON but {response.text()[:200]!r}"}}
    return body


def _from_http(error: HttpResponseError) -> ArmError:
    response: Any = error.response
    return from_response(response, _json_of_response(response)) if response is not None else from_transport(error)
