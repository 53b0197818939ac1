"""How many requests a deployment takes at once, and how many more may wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TooManyPending(Exception):
    """Neither a place to run nor a place to wait is left."""


class Admission:
    """Lets ``limit`` requests in, keeps as many waiting in order, and turns away the rest.

    Twice the limit may be outstanding per instance, as documented for managed online endpoints
    (learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints, status 429).
    """

    def __init__(self, limit: int) -> None:
        self._most = 2 * limit
        self._outstanding = 0
        self._places = asyncio.Semaphore(limit)
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Hold a place for the length of one request. Raises TooManyPending."""
        if self._outstanding >= self._most:
            raise TooManyPending
        self._outstanding += 1
        self._idle.clear()
        try:
            async with self._places:
                yield
        finally:
            self._outstanding -= 1
            if not self._outstanding:
                self._idle.set()

    async def drained(self) -> None:
        """Wait until nothing is outstanding."""
        await self._idle.wait()
