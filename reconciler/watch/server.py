"""The one address that the loop listens on: probes, metrics and webhooks, in plain HTTP. TLS is the ingress's."""

from __future__ import annotations

import asyncio
import errno
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from reconciler.errors import Problem, UsageError
from reconciler.watch.address import address_of
from reconciler.watch.metrics import CONTENT_TYPE
from reconciler.watch.webhooks import PREFIX, Ignored, Push, accepted, forge_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reconciler.watch.metrics import Metrics
    from reconciler.watch.vitals import Vitals
    from reconciler.watch.webhooks import Refused, Trusted

log = logging.getLogger(__name__)

_HEADERS: Final = {"Server": "aml-gitops", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_HINTS: Final = {
    errno.EADDRINUSE: "another process listens there: end it, or take another port (`listen`, --listen)",
    errno.EADDRNOTAVAIL: "that is no address of this machine",
    errno.EACCES: "this user may not take that port: take one from 1024 on",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a stranger may take: ``idle_s`` is how long a connection may be open without a complete request."""

    body_bytes: int = 1024 * 1024
    body_s: float = 10.0
    bodies: int = 8
    connections: int = 128
    idle_s: float = 10.0
    shutdown_s: float = 5.0


@asynccontextmanager
async def serving(
    listen: str,
    *,
    vitals: Vitals,
    metrics: Metrics,
    trusted: Callable[[], Trusted],
    on_push: Callable[[Push], None],
    bounds: Bounds = Bounds(),
) -> AsyncIterator[str]:
    """Listen on ``ADDRESS:PORT`` within the block; yields the address that was bound, its port too when it was 0.

    ``trusted`` gives the secrets of webhooks anew for each one. ``on_push`` is called for each that is believed; it
    must return at once. Raises UsageError for an address that cannot or must not be listened on, and for empty secrets.
    """
    host, port = address_of(listen)
    trusted()
    door = _Door(vitals, metrics, trusted, on_push, bounds)
    manager = web.Server(door.answer)
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        return _Full() if len(manager.connections) >= bounds.connections else _connection(manager, loop, bounds)

    try:
        listener = await loop.create_server(connection, host, port)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "take another address or port for `listen` of the loop file or --listen")
        raise UsageError(f"cannot listen on {listen}: {error.strerror}; {hint}") from error
    try:
        bound = listener.sockets[0].getsockname()
        address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        log.info("listening", extra={"address": address})
        yield address
    finally:
        listener.close()
        # aiohttp reads nothing more of a connection that it is to close: let bodies that are under way arrive first.
        with suppress(TimeoutError):
            await asyncio.wait_for(door.quiet.wait(), bounds.shutdown_s)
        manager.pre_shutdown()
        await manager.shutdown(bounds.shutdown_s)
        await listener.wait_closed()


class _Door:
    """Answers requests. Nothing that was sent is repeated or logged, be it header or body.

    ``quiet`` is set while no webhook is being read.
    """

    def __init__(
        self,
        vitals: Vitals,
        metrics: Metrics,
        trusted: Callable[[], Trusted],
        on_push: Callable[[Push], None],
        bounds: Bounds,
    ) -> None:
        self._vitals = vitals
        self._metrics = metrics
        self._trusted = trusted
        self._on_push = on_push
        self._bounds = bounds
        self._bodies = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path.startswith(PREFIX):
            return await self._webhook(request) if request.method == "POST" else _not_allowed("POST")
        if request.path not in ("/healthz", "/readyz", "/metrics"):
            return _text(404, "nothing here")
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        if request.path == "/metrics":
            return web.Response(body=self._metrics.text(), headers={**_HEADERS, "Content-Type": CONTENT_TYPE})
        problem = self._vitals.hangs() if request.path == "/healthz" else self._vitals.not_ready()
        return _text(503, problem) if problem else _text(200, "ok")

    async def _webhook(self, request: web.BaseRequest) -> web.Response:
        try:
            trusted = self._trusted()
        except Problem as error:
            log.error("the secrets of webhooks cannot be had", extra={"reason": str(error)})  # noqa: TRY400 - no traceback
            return _closing(_text(503, "not now"))
        forge = forge_of(request.path, trusted)
        if not forge:
            return _closing(_text(404, "no webhook here"))
        if self._bodies >= self._bounds.bodies:
            return _closing(_text(503, "too many at a time", {"Retry-After": "1"}))
        self._bodies += 1
        self.quiet.clear()
        try:
            body = await _body_of(request, self._bounds)
        finally:
            self._bodies -= 1
            if not self._bodies:
                self.quiet.set()
        if isinstance(body, web.Response):
            return self._refused(forge, body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = accepted(headers, body, trusted, request.path)
        if isinstance(told, Push):
            self._metrics.webhook(forge, "push")
            log.info("push", extra={"forge": forge, "refs": [ref for ref, _ in told.heads]})
            self._on_push(told)
            return _text(202, "ok")
        if isinstance(told, Ignored):
            self._metrics.webhook(forge, "ignored")
            return web.Response(status=204, headers=_HEADERS)
        return self._refused(forge, _refusal(told, forge))

    def _refused(self, forge: str, response: web.Response) -> web.Response:
        self._metrics.webhook(forge, "refused")
        log.warning("webhook refused", extra={"forge": forge, "status": response.status, "reason": _said(response)})
        return _closing(response)


async def _body_of(request: web.BaseRequest, bounds: Bounds) -> bytes | web.Response:
    """The body, or what to answer to one that is too large, too slow or broken."""
    too_large = f"the body may have {bounds.body_bytes} bytes"
    if (request.content_length or 0) > bounds.body_bytes:
        return _text(413, too_large)
    body = bytearray()
    try:
        async with asyncio.timeout(bounds.body_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > bounds.body_bytes:
                    return _text(413, too_large)
    except TimeoutError:
        return _text(408, f"the body must arrive within {bounds.body_s:g} s")
    except web.RequestPayloadError:
        return _text(400, "the body is broken")
    return bytes(body)


def _refusal(refused: Refused, forge: str) -> web.Response:
    # RFC 9110 asks for a challenge; only one of the forges has a scheme of HTTP.
    challenge = {"WWW-Authenticate": 'Basic realm="webhooks"'}
    return _text(refused.status, refused.reason, challenge if (refused.status, forge) == (401, "azuredevops") else {})


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={**_HEADERS, **(headers or {})})


def _said(response: web.Response) -> str:
    return (response.text or "").strip()


def _not_allowed(methods: str) -> web.Response:
    return _closing(_text(405, f"only {methods}", {"Allow": methods}))


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


class _Connection(web.RequestHandler):
    """One connection. aiohttp's own would tell its version, and repeat and log what it could not parse."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what we failed at."""
        if status >= 500:
            log.error("request failed", extra={"error": type(exc).__name__})
        else:
            log.debug("not HTTP", extra={"status": status})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        return _closing(_text(status, "not HTTP" if status < 500 else "failed"))


def _connection(manager: web.Server, loop: asyncio.AbstractEventLoop, bounds: Bounds) -> _Connection:
    return _Connection(
        manager,
        loop=loop,
        logger=log,
        access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own runner is told to have none
        keepalive_timeout=bounds.idle_s,
        lingering_time=min(1.0, bounds.body_s),
        auto_decompress=False,
    )


class _Full(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up."""
        transport.close()
