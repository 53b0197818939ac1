"""Sockets: TLS on a loopback port, the proxy on another, bodies streamed to and from the service."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from aml_emulator.certificates import server_context
from aml_emulator.errors import Refused, envelope
from aml_emulator.folder import Connection, Folder
from aml_emulator.proxy import start_proxy
from aml_emulator.service import AzureML
from aml_emulator.store import Store
from aml_emulator.wire import Request, answer, timestamp

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aml_emulator.dataplane.interface import DataPlane
    from aml_emulator.settings import Settings

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 256 * 1024


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    make_dataplane: Callable[[Path], DataPlane],
    settings: Settings,
    *,
    port: int = 0,
    proxy_port: int = 0,
    adapter: Adapter | None = None,
) -> AsyncIterator[tuple[AzureML, Connection]]:
    """Serve ``folder`` on loopback until the block ends. Port 0 takes the last run's port, else a free one.

    ``folder`` is absolute. ``make_dataplane`` gets the folder that belongs to the data plane. ``settings.folder``
    and ``settings.url`` are replaced by what is true. ``adapter`` takes the place of the usual one. Raises
    AlreadyRunning, or OSError when a port that was asked for is taken.
    """
    place = Folder(folder)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(place.lock())
        last_port, last_proxy = place.last_ports()
        context = server_context(place.root, settings.location)
        store = Store(place.database)
        stack.callback(store.close)
        adapter = adapter or Adapter()
        runner = web.ServerRunner(web.Server(adapter, access_log=None), shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listening = await _listen(runner, context, port, last_port)
        true = replace(settings, folder=place.root, url=f"https://{LOOPBACK}:{listening}")
        service = AzureML(store, make_dataplane(place.scoring), true)
        stack.push_async_callback(service.close)
        adapter.service = service
        proxy = await _start_proxy(proxy_port, last_proxy, listening)
        stack.callback(proxy.close)
        connection = _connection(place, service, proxy.sockets[0].getsockname()[1])
        service.resume()
        place.write_connection(connection)
        yield service, connection


class Adapter:
    """From aiohttp's request to the service and back."""

    def __init__(self) -> None:
        self.service: AzureML | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; what the service did not foresee is a 500 in its own words, and a trace in the log."""
        if self.service is None:
            return web.Response(status=503, text="The emulator is starting.")
        body = request.content.iter_chunked(CHUNK_BYTES) if request.body_exists else b""
        url = f"https://{request.host}{request.raw_path}"
        asked = Request(request.method, url, dict(request.headers), body)
        try:
            response = await self.service.handle(asked)
        except (ConnectionError, web.RequestPayloadError):
            raise
        except Exception:
            log.exception("request broke", extra={"method": request.method, "path": request.path})
            refused = Refused(500, "InternalServerError", "The emulator failed; its log has the trace.")
            location = self.service.site.settings.location
            response = answer(500, envelope(refused, location, timestamp()))
        log.debug("answered", extra={"method": request.method, "path": request.path, "status": response.status})
        if isinstance(response.body, bytes):
            return web.Response(status=response.status, headers=response.headers, body=response.body)
        stream = web.StreamResponse(status=response.status, headers=response.headers)
        await stream.prepare(request)
        async for chunk in response.body:
            await stream.write(chunk)
        await stream.write_eof()
        return stream


async def _listen(runner: web.ServerRunner, context: ssl.SSLContext, asked: int, last: int) -> int:
    """Listen, and return the port."""
    try:
        await web.TCPSite(runner, LOOPBACK, asked or last, ssl_context=context).start()
    except OSError:
        if asked or not last:
            raise
        await web.TCPSite(runner, LOOPBACK, 0, ssl_context=context).start()
    return int(runner.addresses[0][1])


async def _start_proxy(asked: int, last: int, target: int) -> asyncio.Server:
    try:
        return await start_proxy(asked or last, target)
    except OSError:
        if asked or not last:
            raise
        return await start_proxy(0, target)


def _connection(place: Folder, service: AzureML, proxy_port: int) -> Connection:
    settings, identity = service.site.settings, service.site.identity
    return Connection(
        version=1,
        url=settings.url,
        proxy=f"http://{LOOPBACK}:{proxy_port}",
        ca=str(place.root / "ca.pem"),
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        client_secret=identity.client_secret,
        subscription_id=settings.subscription_id,
        resource_group=settings.resource_group,
        workspace=settings.workspace,
        location=settings.location,
        pid=os.getpid(),
    )
