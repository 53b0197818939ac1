"""The journal of an environment in a container: one append blob a month, more of them when they are full.

No blob is ever deleted: for that the storage account has lifecycle rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError

from reconciler.errors import StateError
from reconciler.state.blob_client import address
from reconciler.state.blob_failures import status_of
from reconciler.state.documents import JOURNAL_PART, journal_part, part_of
from reconciler.state.tail import last_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from azure.storage.blob.aio import BlobClient, ContainerClient

LINES_A_PART = 45_000
"""Azure takes 50,000 blocks an append blob (learn.microsoft.com: scalability targets for Blob storage)."""
TRIES = 5


class BlobJournal:
    """The lines below ``prefix``. ``url`` is for messages. Every method raises AzureError."""

    def __init__(
        self, container: ContainerClient, prefix: str, now: Callable[[], datetime], lines_a_part: int = LINES_A_PART
    ) -> None:
        self.url = address(container)
        self._container = container
        self._prefix = f"{prefix}/journal/"
        self._now = now
        self._lines_a_part = lines_a_part

    async def append(self, line: bytes, check: Callable[[], None]) -> None:
        """Add a line once, however often its answer is lost; ``check`` is called right before each request."""
        blob, end = await self._open()
        for _ in range(TRIES):
            check()
            try:
                await blob.append_block(line, appendpos_condition=end, retry_total=0)
                return
            except AzureError as error:
                if status_of(error) not in (None, 412) and not _passes(error):
                    raise
            # Written without an answer, or not written; or another, that lost its lease, came in between.
            size = (await blob.get_blob_properties()).size
            if size >= end + len(line) and await _read(blob, end, len(line)) == line:
                return
            end = size
        raise StateError(f"{address(blob)}: no line could be added in {TRIES} tries; it is tried again later")

    async def newest(self, limit: int) -> tuple[bytes, ...]:
        """The last lines, newest first."""
        lines: list[bytes] = []
        for name, size in reversed(await self._parts()):
            if len(lines) >= limit:
                break
            blob = self._container.get_blob_client(self._prefix + name)

            async def read(offset: int, length: int, blob: BlobClient = blob) -> bytes:
                return await _read(blob, offset, length)

            lines += await last_lines(size, read, limit - len(lines))
        return tuple(lines)

    async def _open(self) -> tuple[BlobClient, int]:
        """The blob for the next line, and where that is."""
        name = journal_part(self._now(), 1)
        known = await self._parts()
        if known and known[-1][0] >= name:  # Later than now, when a clock is wrong: the order of names stays true.
            name = known[-1][0]
            blob = self._container.get_blob_client(self._prefix + name)
            found = await blob.get_blob_properties()
            if (found.append_blob_committed_block_count or 0) < self._lines_a_part:
                return blob, found.size
            name = f"{name[:7]}_{part_of(name) + 1:03}.jsonl"
        blob = self._container.get_blob_client(self._prefix + name)
        try:
            await blob.create_append_blob(match_condition=MatchConditions.IfMissing)
        except ResourceExistsError:
            return blob, (await blob.get_blob_properties()).size
        return blob, 0

    async def _parts(self) -> list[tuple[str, int]]:
        """Names and sizes, oldest first."""
        start = len(self._prefix)
        try:
            found = [
                (blob.name[start:], blob.size)
                async for blob in self._container.list_blobs(name_starts_with=self._prefix)
            ]
        except ResourceNotFoundError:
            return []
        return sorted((name, size) for name, size in found if JOURNAL_PART.fullmatch(name))


def _passes(error: AzureError) -> bool:
    return isinstance(error, HttpResponseError) and (error.status_code or 0) >= 500


async def _read(blob: BlobClient, offset: int, length: int) -> bytes:
    return await (await blob.download_blob(offset=offset, length=length)).readall()
