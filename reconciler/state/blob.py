"""State in a container of Azure Blob storage. One environment is ``<project>/<environment>/``:

``state.json`` is the document and carries the lease; its metadata says who holds it, since when, and counts leases.
``orders.json`` is what people asked for, ``journal/2026-11.jsonl`` the lines of a month.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from reconciler.errors import LeaseHeld, StateError
from reconciler.state.blob_client import address, container_client, create_container, read, write
from reconciler.state.blob_failures import code_of, said, state_error, status_of
from reconciler.state.blob_journal import LINES_A_PART, BlobJournal
from reconciler.state.blob_lease import BlobLease
from reconciler.state.clock import awake_and_asleep_s
from reconciler.state.deadline import Deadline
from reconciler.state.documents import checked, orders_of, orders_text
from reconciler.state.fence import fence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobClient

LEASE_S = 30
ORDER_TRIES = 20


def _now() -> datetime:
    return datetime.now(UTC)


class BlobStore:
    """A store for replicas on several machines; it signs in with ``credential`` or ``connection_string``.

    ``duration_s`` is what Azure allows, 15 to 60: how long the environments of a replica that died stay closed.
    Raises UsageError when the connection string leads elsewhere than ``container_url``: two replicas with different
    places for their leases would both write.
    """

    def __init__(
        self,
        container_url: str,
        credential: AsyncTokenCredential | None = None,
        *,
        connection_string: str = "",
        duration_s: int = LEASE_S,
        lines_a_part: int = LINES_A_PART,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = awake_and_asleep_s,
    ) -> None:
        if not 15 <= duration_s <= 60:
            raise ValueError(f"a lease lasts 15 to 60 s, not {duration_s}")
        self._credential = credential
        self._container = container_client(container_url.rstrip("/"), credential, connection_string)
        self._url = address(self._container)
        self._duration_s = duration_s
        self._lines_a_part = lines_a_part
        self._now = now
        self._clock = clock

    @asynccontextmanager
    async def lease(self, environment: str, holder: str) -> AsyncIterator[BlobLease]:
        """Hold the environment within the block. Raises LeaseHeld at once when another does; StateError."""
        blob = self._blob(environment, "state.json")
        with ExitStack() as at_the_end:
            try:
                fence_file = at_the_end.enter_context(fence())
            except OSError as error:
                raise StateError(f"no folder for the lease's fence: {error}; make room for temporary files") from error
            deadline = Deadline(environment, fence_file, self._clock)
            lease = BlobLease(blob, self._journal(environment), deadline, self._duration_s, self._clock)
            try:
                await self._acquire(environment, lease, blob)
                keeping = asyncio.create_task(lease.keep())
                try:
                    await lease.introduce(holder, self._now().isoformat(timespec="seconds"))
                    yield lease
                finally:
                    keeping.cancel()
                    await asyncio.wait([keeping])
            finally:
                await lease.release()

    async def holder(self, environment: str) -> str:
        """Who holds it now, for people; empty when nobody does. Raises StateError."""
        with said(self._url):
            try:
                found = await self._blob(environment, "state.json").get_blob_properties()
            except ResourceNotFoundError:
                return ""
        if found.lease.state not in ("leased", "breaking"):
            return ""
        return unquote((found.metadata or {}).get("holder", "")) or "somebody"

    async def memory(self, environment: str) -> bytes | None:
        """The document as it was saved last, without a lease. Raises StateError."""
        with said(self._url):
            found = await read(self._blob(environment, "state.json"))
        return found[0] or None if found else None

    async def journal(self, environment: str, limit: int) -> tuple[bytes, ...]:
        """The last ``limit`` lines, newest first. Raises StateError."""
        with said(self._url):
            return await self._journal(environment).newest(limit)

    async def orders(self, environment: str) -> Mapping[str, str]:
        """What people asked for: suspended resource or pattern to reason. Raises StateError."""
        blob = self._blob(environment, "orders.json")
        with said(self._url):
            found = await read(blob)
        return orders_of(found[0], address(blob)) if found else {}

    async def order(self, environment: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Change the orders, again when somebody else was faster. Raises StateError."""
        blob = self._blob(environment, "orders.json")
        for _ in range(ORDER_TRIES):
            with said(self._url):
                found = await read(blob)
                before = orders_of(found[0], address(blob)) if found else {}
                after = change(before)
                if found and after == before:
                    return
                try:
                    await write(blob, orders_text(after), found[1] if found else None)
                    return
                except (ResourceExistsError, ResourceModifiedError):
                    continue
                except ResourceNotFoundError:
                    await create_container(self._container)
        raise StateError(f"{address(blob)}: somebody else was faster {ORDER_TRIES} times; try again")

    async def close(self) -> None:
        """Close connections, the credential's too."""
        await self._container.close()
        if self._credential is not None:
            await self._credential.close()

    async def _acquire(self, environment: str, lease: BlobLease, blob: BlobClient) -> None:
        for _ in range(3):
            try:
                return await lease.acquire()
            except TimeoutError as error:
                raise StateError(f"state in {self._url}: no answer in time; it is asked again later") from error
            except ResourceNotFoundError:
                await self._create(blob)
            except AzureError as error:
                if status_of(error) == 409 and code_of(error).startswith("Lease"):
                    raise await self._held(environment, blob) from error
                raise state_error(error, self._url) from error
        raise StateError(f"{address(blob)}: somebody removes it as fast as it is made; stop that")

    async def _held(self, environment: str, blob: BlobClient) -> LeaseHeld:
        with said(self._url):
            try:
                told = (await blob.get_blob_properties()).metadata or {}
            except ResourceNotFoundError:
                told = {}
        return LeaseHeld(environment, unquote(told.get("holder", "")), told.get("since", ""))

    async def _create(self, blob: BlobClient) -> None:
        """Make the blob that leases are on, and the container when it is missing too."""
        with said(self._url):
            for _ in range(2):
                try:
                    await write(blob, b"", None)
                    return
                except (ResourceExistsError, ResourceModifiedError):
                    return  # Another was faster.
                except ResourceNotFoundError:
                    await create_container(self._container)

    def _blob(self, environment: str, name: str) -> BlobClient:
        return self._container.get_blob_client(f"{checked(environment)}/{name}")

    def _journal(self, environment: str) -> BlobJournal:
        return BlobJournal(self._container, checked(environment), self._now, self._lines_a_part)
