"""A line of jobs to one target, done one after the other beside everything else. A slow target keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOM = 50


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do; ``drop`` is called instead when it is given up, and says so to whom it concerns."""

    do: Callable[[], Awaitable[None]]
    drop: Callable[[], None]


class Lane:
    """At most ``room`` jobs wait; one more drops the oldest. Jobs raise nothing."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._waiting: deque[Job] = deque()
        self._under_way: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def put(self, job: Job) -> None:
        """Do it when those before are done. Returns at once."""
        if self._closed:
            job.drop()
            return
        if len(self._waiting) >= self._room:
            self._waiting.popleft().drop()
        self._waiting.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            self._under_way = self._waiting.popleft()
            await self._under_way.do()
            self._under_way = None

    async def close(self, within_s: float) -> None:
        """Do what waits, as far as the time goes, and drop the rest."""
        self._closed = True
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=within_s)
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._under_way is not None:
            self._under_way.drop()
        while self._waiting:
            self._waiting.popleft().drop()
