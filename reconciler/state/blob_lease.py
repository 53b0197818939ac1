"""A lease on a blob: taken, renewed in the background, given back.

The server lets only the lease's holder write the blob. ``check`` asks nobody: the deadline counts from before the
request that Azure granted, so until then Azure gives the lease to nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobLeaseClient

from reconciler.errors import LeaseLost, StateError
from reconciler.state.blob_client import JSON, address
from reconciler.state.blob_failures import code_of, said, state_error, status_of
from reconciler.state.documents import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from azure.storage.blob.aio import BlobClient

    from reconciler.state.blob_journal import BlobJournal
    from reconciler.state.deadline import Deadline

log = logging.getLogger(__name__)

RETRY_S = 0.5
RELEASE_TIMEOUT_S = 5.0
_NOT_OURS = (404, 409, 412)
"""What a request under a lease is answered when it is another's by now, or nobody's."""


class BlobLease:
    """The lease on one blob, which is also the document.

    It lasts ``duration_s`` from each renewal, of which there is one every third of that. We take it to end a tenth
    earlier: a write that was checked still has to travel, and two clocks never run at quite the same speed.
    """

    def __init__(
        self,
        blob: BlobClient,
        journal: BlobJournal,
        deadline: Deadline,
        duration_s: int,
        clock: Callable[[], float],
    ) -> None:
        self.epoch = 0
        self.memory: bytes | None = None
        self.fence_file: Path | None = deadline.fence_file
        self._blob = blob
        self._lease = BlobLeaseClient(blob)
        self._journal = journal
        self._deadline = deadline
        self._duration_s = duration_s
        self._good_for_s = 0.9 * duration_s
        self._clock = clock
        self._metadata: dict[str, str] = {}
        self._perhaps_ours = False

    def until(self) -> float:
        """The time of ``awake_and_asleep_s`` until which it surely holds; 0 once it is lost."""
        return self._deadline.until()

    def check(self) -> None:
        """Raise LeaseLost unless the lease still holds, by this machine's own clock."""
        self._deadline.check()

    async def save(self, memory: bytes) -> None:
        """Replace the document; Azure refuses it when the lease is another's. Raises LeaseLost, StateError."""
        self.check()
        try:
            await self._blob.upload_blob(
                memory, overwrite=True, lease=self._lease, metadata=self._metadata, content_settings=JSON
            )
        except AzureError as error:
            raise self._failed(error) from error

    async def record(self, entry: bytes) -> None:
        """Append one line to the journal, after asking Azure whether the lease holds. Raises LeaseLost, StateError.

        What remains possible: a process that is frozen between that answer and its own request adds its line late,
        when another holds the lease. The line tells what the process did, and its epoch under which lease.
        """
        line = line_of(entry)
        self.check()
        try:
            await self._renew()
        except TimeoutError as error:
            raise StateError(f"state in {self._journal.url}: no answer in time; it is tried again later") from error
        except AzureError as error:
            raise self._failed(error) from error
        with said(self._journal.url):
            await self._journal.append(line, self.check)

    async def acquire(self) -> None:
        """Ask for the lease, once. Raises AzureError, TimeoutError."""
        sent_s = self._clock()
        self._perhaps_ours = True  # Even when no answer comes.
        try:
            async with asyncio.timeout(self._duration_s / 3):
                await self._lease.acquire(lease_duration=self._duration_s, retry_total=0)
        except AzureError as error:
            self._perhaps_ours = status_of(error) is None
            raise
        self._deadline.begin(sent_s + self._good_for_s)

    async def introduce(self, holder: str, since: str) -> None:
        """Read what the last holder left, and say who has it now. Raises LeaseLost, StateError."""
        try:
            found = await self._blob.download_blob(lease=self._lease)
            self.memory = await found.readall() or None
            self.epoch = _epoch(found.properties.metadata, address(self._blob)) + 1
            self._metadata = {"holder": quote(holder, safe=" :@/"), "since": since, "epoch": str(self.epoch)}
            await self._blob.set_blob_metadata(self._metadata, lease=self._lease)
        except AzureError as error:
            raise self._failed(error) from error

    async def keep(self) -> None:
        """Renew until cancelled or lost. A renewal without an answer is tried again until the deadline."""
        pause_s = self._duration_s / 3
        try:
            while True:
                await asyncio.sleep(pause_s)
                pause_s = self._duration_s / 3 if await self._renewed() else RETRY_S
        except LeaseLost as error:
            log.warning("lease lost", extra={"blob": self._blob.blob_name, "error": str(error)})

    async def release(self) -> None:
        """Give it back, so that another need not wait for its end. Only ever our own."""
        self._deadline.lose("it was given back")
        if not self._perhaps_ours:
            return
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await self._lease.release()
        except (AzureError, TimeoutError) as error:
            log.info(
                "lease not given back; it ends by itself", extra={"blob": self._blob.blob_name, "error": str(error)}
            )

    async def _renewed(self) -> bool:
        try:
            await self._renew()
        except TimeoutError:
            return False
        except AzureError as error:
            failed = self._failed(error)
            if isinstance(failed, LeaseLost):
                raise failed from error
            log.warning("lease not renewed", extra={"blob": self._blob.blob_name, "error": str(failed)})
            return False
        return True

    async def _renew(self) -> None:
        """Renew once. Raises LeaseLost, AzureError, TimeoutError."""
        self.check()
        sent_s = self._clock()
        async with asyncio.timeout(self._duration_s / 3):
            await self._lease.renew(retry_total=0)
        self._deadline.extend(sent_s + self._good_for_s)

    def _failed(self, error: AzureError) -> LeaseLost | StateError:
        """The error to raise for a request under the lease."""
        if status_of(error) in _NOT_OURS:
            return self._deadline.lose(_why(error))
        return state_error(error, self._journal.url)


def _why(error: AzureError) -> str:
    return f"Azure Storage says {code_of(error) or status_of(error)}: somebody took, broke or removed it"


def _epoch(metadata: Mapping[str, str] | None, url: str) -> int:
    found = (metadata or {}).get("epoch", "0")
    if not found.isdecimal():
        raise StateError(f"{url}: its metadata has epoch {found!r}; set a number higher than any in the journal")
    return int(found)
