"""How many requests Azure Resource Manager still takes, and how long to wait when it takes no more.

Every subscription has token buckets for each principal and region: 250 reads that refill at 25 a second, 200 writes
and 200 deletes that refill at 10 (learn.microsoft.com: request-limits-and-throttling). Each answer tells what is left.
One Budget is shared by all environments of a subscription, so that together they stay below what each alone would.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.pipeline.policies import AsyncHTTPPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from azure.core.pipeline import PipelineRequest, PipelineResponse

HEADER: Final = "x-ms-ratelimit-remaining-subscription-"
OPERATIONS: Final[Mapping[str, tuple[int, float]]] = {
    "reads": (250, 25.0),
    "writes": (200, 10.0),
    "deletes": (200, 10.0),
}
"""Size of each bucket, and tokens a second that it refills with."""


def operation_of(method: str) -> str:
    """The bucket that a request of this method draws from."""
    return "reads" if method in ("GET", "HEAD") else "deletes" if method == "DELETE" else "writes"


@dataclass
class _Bucket:
    size: float
    refill_per_s: float
    tokens: float
    told: int | None = None
    in_flight: int = 0
    filled_at_s: float = 0.0
    closed_until_s: float = 0.0

    def fill(self, now_s: float) -> None:
        self.tokens = min(self.size, self.tokens + (now_s - self.filled_at_s) * self.refill_per_s)
        self.filled_at_s = now_s


class Budget:
    """The tokens of one subscription, as far as its answers have told. ``now_s`` is a clock that only goes forward."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self.turn = {name: asyncio.Lock() for name in OPERATIONS}
        self._buckets = {
            name: _Bucket(size, refill, size, filled_at_s=now_s()) for name, (size, refill) in OPERATIONS.items()
        }

    def wait_s(self, operation: str) -> float:
        """Seconds until the next request may be sent; 0 takes one token for it."""
        bucket, now_s = self._buckets[operation], self._now_s()
        bucket.fill(now_s)
        if now_s < bucket.closed_until_s:
            return bucket.closed_until_s - now_s
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / bucket.refill_per_s
        bucket.tokens -= 1
        bucket.in_flight += 1
        return 0.0

    def ended(self, operation: str, *, told: int | None = None, retry_after_s: float = 0.0) -> None:
        """A request ended: Azure ``told`` what is left, or that nothing is taken for ``retry_after_s``."""
        bucket, now_s = self._buckets[operation], self._now_s()
        bucket.in_flight = max(0, bucket.in_flight - 1)
        if told is not None:
            bucket.told = told
            bucket.size = max(bucket.size, told)
            bucket.fill(now_s)
            # What is under way has been counted here and not yet there.
            bucket.tokens = min(float(told) - bucket.in_flight, bucket.size)
        if retry_after_s > 0:
            bucket.closed_until_s = max(bucket.closed_until_s, now_s + retry_after_s)

    @property
    def remaining(self) -> dict[str, int]:
        """What Azure told last, by operation; operations it said nothing of are missing."""
        return {name: bucket.told for name, bucket in self._buckets.items() if bucket.told is not None}


class Budgeted(AsyncHTTPPolicy[Any, Any]):
    """Sends each request when the budget has room for it. Waits through the transport, so that a wait can be left."""

    def __init__(self, budget: Budget, pause: Callable[[float], Awaitable[None]]) -> None:
        self._budget = budget
        self._pause = pause

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Wait, send, learn from the answer."""
        operation = operation_of(request.http_request.method)
        async with self._budget.turn[operation]:  # One waits for the next token, the others for their turn.
            while wait_s := self._budget.wait_s(operation):
                await self._pause(wait_s)
        told, retry_after_s = None, 0.0
        try:
            response = await self.next.send(request)
            headers = response.http_response.headers
            told = _number(headers.get(HEADER + operation))
            if response.http_response.status_code == 429:
                retry_after_s = float(_number(headers.get("Retry-After")) or 0)
        finally:
            self._budget.ended(operation, told=told, retry_after_s=retry_after_s)
        return response


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
