"""Every wait of a session in one place, so that all of them can be left at once.

azure-core's retries, its polling of long-running operations and our own waits all sleep through the transport. A
request that is being sent is never cut: between two requests is the safe point.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from azure.core.pipeline.transport import AsyncHttpTransport

from reconciler.errors import Superseded

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.arm.fence import Fence


class Waiting(AsyncHttpTransport[Any, Any]):
    """A transport whose ``sleep`` raises Superseded once ``leave`` was called, LeaseLost once the lease is gone."""

    def __init__(self, transport: AsyncHttpTransport[Any, Any], fence: Fence) -> None:
        self._transport = transport
        self._fence = fence
        self._left = asyncio.Event()

    def leave(self) -> None:
        """End every wait now and from now on."""
        self._left.set()

    async def sleep(self, duration: float) -> None:
        """Wait, unless the waits were left. Raises Superseded, LeaseLost."""
        sleeping = asyncio.ensure_future(self._transport.sleep(duration))
        leaving = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait({sleeping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            leaving.cancel()
        if self._left.is_set():
            raise Superseded("left at a safe point; Azure goes on with what it accepted", code="Superseded")
        self._fence.check()  # Somebody else may be at work by now: there is nothing to wait for.

    async def send(self, request: Any, **options: Any) -> Any:  # noqa: D102 - azure-core's protocol
        return await self._transport.send(request, **options)

    async def open(self) -> None:  # noqa: D102 - azure-core's protocol
        await self._transport.open()

    async def close(self) -> None:  # noqa: D102 - azure-core's protocol
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc_value, traceback)
