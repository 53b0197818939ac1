"""The emulator without sockets, under the reconciler's own pipeline: every request counted, and any of them cut.

``Cloud`` is one emulated region in memory. ``Cut`` decides at which request the client dies, before Azure sees it or
after it acted (a lost reply).
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field

from azure.core.credentials import AccessToken
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpResponse as LegacyResponse
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl
from multidict import CIMultiDict

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.service import AzureML
from aml_emulator.settings import INSTANT, Settings
from aml_emulator.store import Store
from aml_emulator.wire import Request
from reconciler.apply import Applying
from reconciler.arm.client import Connection, connect
from reconciler.arm.upload import Uploader
from reconciler.domain import Target
from reconciler.kinds.kind import arm_path
from reconciler.sync import check, propose, want


class Died(Exception):
    """The client process is gone: nothing after this line runs in it."""


@dataclass
class Cut:
    """Dies at request number ``at`` (from 0), before or after Azure acted on it. Never, by default."""

    at: int | None = None
    after: bool = False
    count: int = 0
    dead: bool = False

    def before_request(self):
        if self.dead:
            raise Died
        if self.count == self.at and not self.after:
            self.dead = True
            raise Died
        self.count += 1

    def after_request(self):
        if self.dead or (self.after and self.at is not None and self.count == self.at + 1):
            self.dead = True
            raise Died


@dataclass
class Faults:
    """Transient faults by request number: ``throttle`` 429, ``unavailable`` 503, ``lost`` acted on but not answered."""

    by_request: dict[int, str] = field(default_factory=dict)


class Transport(AsyncHttpTransport):
    """An azure-core transport that calls the emulator as a function and writes down what was sent."""

    def __init__(self, service, cut=None, faults=None, watch=None):
        self.service = service
        self.watch = watch
        self.cut = cut or Cut()
        self.faults = faults or Faults()
        self.sent = []
        self.slept_s = []

    async def open(self):
        """Nothing to open."""

    async def close(self):
        """Nothing to close."""

    async def __aexit__(self, *_):
        await self.close()

    async def sleep(self, duration):
        """Remember how long it would have been."""
        self.slept_s.append(duration)
        await asyncio.sleep(0)

    async def send(self, request, **kwargs):
        self.cut.before_request()
        fault = self.faults.by_request.get(len(self.sent))
        body = _body_of(request)
        self.sent.append((request.method, request.url, body))
        if self.watch:
            self.watch(request.method, request.url, body)
        if fault in ("throttle", "throttle for 7 s"):
            after = "7" if fault != "throttle" else "0"  # Azure Storage's own pipeline would really wait.
            return _response(
                request, 429, {"Retry-After": after}, b'{"error":{"code":"TooManyRequests","message":"x"}}'
            )
        if fault == "unavailable":
            return _response(request, 503, {}, b'{"error":{"code":"ServerBusy","message":"x"}}')
        if fault == "refused":
            raise ServiceRequestError("connection refused")
        answer = await self.service.handle(Request(request.method, request.url, dict(request.headers), body))
        content = await answer.read()
        self.cut.after_request()
        if fault == "lost":
            raise ServiceResponseError("connection reset by peer")
        return _response(request, answer.status, dict(answer.headers), content)


def _body_of(request):
    content = getattr(request, "content", None)
    if content is None:
        content = getattr(request, "data", None)
    if hasattr(content, "read"):
        content = content.read()
    if isinstance(content, str):
        return content.encode()
    return bytes(content) if content else b""


class _Legacy(LegacyResponse):
    """What azure-storage-blob's older pipeline expects."""

    def __init__(self, request, status, headers, content):
        super().__init__(request, None)
        self.status_code, self.headers, self.reason = status, CIMultiDict(headers), ""
        self.content_type = headers.get("Content-Type")
        self._content = content

    def body(self):
        return self._content

    async def load_body(self):
        """It is here already."""


def _response(request, status, headers, content):
    if not isinstance(request, HttpRequest):
        return _Legacy(request, status, headers, content)
    response = AsyncHttpResponseImpl(
        request=request,
        internal_response=None,
        status_code=status,
        headers=CIMultiDict(headers),
        reason="",
        content_type=headers.get("Content-Type"),
        stream_download_generator=None,
        block_size=4096,
    )
    response._content = content
    response._is_closed = response._is_stream_consumed = True
    return response


class _Credential:
    """A token from the emulator's own sign-in."""

    def __init__(self, service):
        self._service = service

    async def get_token(self, *scopes, **_):
        identity = self._service.site.identity
        return AccessToken(identity.token("https://management.azure.com", 3600), int(time.time()) + 3600)

    async def close(self):
        """Nothing to close."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        """Nothing to close."""


class SilentProgress:
    """Remembers what started and ended."""

    def __init__(self):
        self.log = []

    def started(self, action):
        self.log.append(("started", action.ref))

    def ended(self, outcome):
        self.log.append(("ended", outcome.ref))


class DirectUploader(Uploader):
    """The real uploader, but for the child process with azure-ai-ml: registers the same body with one PUT."""

    async def _sdk(self, job):
        from reconciler.domain import Ref

        body = deepcopy(job["body"])
        if uri := body["properties"].get("modelUri"):
            # As Azure may answer an upload, in recorded public SDK test traffic.
            body["properties"]["modelUri"] = uri.replace("/paths/", "/paths/ServiceReplicated/abc-123/")
        await self._arm.put(arm_path(Ref(job["kind"], job["name"], job["version"])), body)


class Cloud:
    """One emulated region, in memory but for blobs below ``folder``. Close it, or use it in a ``with``."""

    def __init__(self, folder, **settings):
        self.plane = InstantDataPlane()
        self.service = AzureML(
            Store.in_memory(),
            self.plane,
            Settings(folder=folder, url="https://127.0.0.1", durations=INSTANT, **settings),
        )
        s = self.service.site.settings
        self.target = Target(s.subscription_id, s.resource_group, s.workspace, s.location)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.service.site.store.close()

    @asynccontextmanager
    async def arm(self, network="managed_vnet", cut=None, faults=None, watch=None):
        """A session of the reconciler with this region, and its transport."""
        transport = Transport(self.service, cut, faults, watch)
        async with connect(connection_of(self, network), transport=transport) as arm:
            yield arm, transport

    async def raw(self, method, path, body=None):
        """Another hand: a request that does not come from the reconciler. Returns status and JSON, operations ended."""
        found = await self.send(method, path, body)
        await self.service.settle()
        return found

    async def send(self, method, path, body=None):
        """One request as ``raw``, without waiting for the operation that it starts."""
        token = self.service.site.identity.token("https://management.azure.com", 3600)
        url = f"https://127.0.0.1{self.target.scope}{path}?api-version=2024-04-01"
        data = b"" if body is None else json.dumps(body).encode()
        answer = await self.service.handle(
            Request(method, url, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, data)
        )
        content = await answer.read()
        return answer.status, json.loads(content) if content else None

    async def service_get(self, path):
        """Look without waiting for operations to end."""
        return await self.send("GET", path)


def connection_of(cloud, network="managed_vnet"):
    """How the reconciler reaches a region."""
    return Connection(
        target=cloud.target,
        network=network,
        base_url="https://127.0.0.1",
        scope="https://management.azure.com/.default",
        credential=_Credential(cloud.service),
        poll_interval_s=0.0,
        busy_wait_s=0.0,
        retry_backoff_s=0.0,
    )


async def plan_of(cloud, root, environment="test", revision="r1", **session):
    """The plan of a project folder against a region."""
    async with cloud.arm(**session) as (arm, transport):
        return (await propose(wanted_of(arm, root, environment, revision), arm)).plan, transport


def wanted_of(arm, root, environment="test", revision="r1", confirmed=frozenset()):
    """What a project folder wants of the region that ``arm`` is connected to."""
    return want(check(root, environment, digests=True).sound(), arm.target, revision, confirmed)


async def apply_of(cloud, root, environment="test", revision="r1", confirmed=frozenset(), **session):
    """Plan and apply a project folder; the report and what was sent. Raises Died when the session is cut."""
    async with cloud.arm(**session) as (arm, transport):
        proposed = await propose(wanted_of(arm, root, environment, revision, confirmed), arm)
        uploader = DirectUploader(arm, root)
        applying = Applying(proposed.plan, arm, uploader, SilentProgress(), workers=4)
        report = await applying.run()
        if transport.cut.dead:
            raise Died
        return report, transport
