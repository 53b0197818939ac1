"""What a store of state can do, wherever it is. One document, one journal and one lease for each environment.

What leases leave open: Azure ML has no condition that a write could carry, so a process that is
frozen after ``check`` and before its request is sent makes that one request late. Documents have no such gap in a
container, where Azure itself compares the lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


class Lease(Protocol):
    """The right to write to one environment, for as long as it lasts; renewed in the background.

    ``epoch`` grows with every lease of the environment, whoever takes it. ``memory`` is the document that the holder
    before saved, None when there was none, or an empty one. ``fence_file`` is what child processes look at, with
    ``reconciler.state.fence.check_fence``; None when the store has no such thing.
    """

    epoch: int
    memory: bytes | None
    fence_file: Path | None

    def check(self) -> None:
        """Raise LeaseLost unless the right still holds, by this machine's own clock. Called right before each write.

        No I/O: a process that was frozen finds out before it writes. The clock goes on while a process or a machine
        is suspended.
        """

    def until(self) -> float:
        """Until when it surely holds, in seconds of ``reconciler.state.clock``; infinite when it cannot run out."""

    async def save(self, memory: bytes) -> None:
        """Replace the document, only while the lease is ours. Raises LeaseLost, StateError."""

    async def record(self, entry: bytes) -> None:
        """Append one line to the journal, only while the lease is ours. Raises LeaseLost, StateError.

        The caller puts the epoch into the entry.
        """


class Store(Protocol):
    """Leases, documents, journals and orders of environments, named ``project/environment``."""

    def lease(self, environment: str, holder: str) -> AbstractAsyncContextManager[Lease]:
        """Hold the environment within the block. Raises LeaseHeld at once when another does; StateError."""

    async def holder(self, environment: str) -> str:
        """Who holds it now, for people; empty when nobody does. Raises StateError."""

    async def memory(self, environment: str) -> bytes | None:
        """The document as it was saved last, without a lease. Raises StateError."""

    async def journal(self, environment: str, limit: int) -> tuple[bytes, ...]:
        """The last ``limit`` lines, newest first. Raises StateError."""

    async def orders(self, environment: str) -> Mapping[str, str]:
        """What people asked for: suspended resource or pattern (``*`` is all) to reason. Raises StateError."""

    async def order(self, environment: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Change the orders; the change is made again when somebody else was faster. Needs no lease."""

    async def close(self) -> None:
        """Close connections."""
