"""The door of the emulator with faults in it: what networks and Azure do on a bad day, at random."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

from aml_emulator.server import Adapter

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray

SEED = 3
THROTTLED, UNAVAILABLE, REFUSED, LOST = range(4)


class Faulty(Adapter):
    """Answers 429 or 503, cuts the connection before Azure saw the request, or after it acted (a lost reply)."""

    def __init__(self, rate: Synchronized[float], counts: SynchronizedArray[int]) -> None:
        super().__init__()
        self._rate = rate
        self._counts = counts
        self._random = Random(SEED)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._random.random() >= self._rate.value:
            return await super().__call__(request)
        kind = self._random.randrange(4)
        self._counts[kind] += 1
        if kind == THROTTLED:
            return _refused(429, "TooManyRequests", {"Retry-After": "1"})
        if kind == UNAVAILABLE:
            return _refused(503, "ServerBusy", {})
        if kind == LOST:
            await super().__call__(request)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _refused(status: int, code: str, headers: dict[str, str]) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "on purpose"}}, status=status, headers=headers)
