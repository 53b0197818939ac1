"""State in a folder of this machine. One environment is ``<folder>/<project>/<environment>/``:

``lease`` is locked by its holder and says who that is, ``epoch`` counts leases, ``state.json`` is the document,
``orders.json`` what people asked for, ``journal/2026-11.jsonl`` the lines of a month.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.errors import LeaseHeld, StateError
from reconciler.state import files, folder_journal
from reconciler.state.documents import checked, orders_of, orders_text
from reconciler.state.fence import NO_END, fence, set_fence
from reconciler.state.folder_lease import FolderLease, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

JOURNAL_PART_BYTES = 4 << 20
JOURNAL_PARTS = 24


def _now() -> datetime:
    return datetime.now(UTC)


class FolderStore:
    """A store for all processes of one machine. ``now`` dates leases and names journals.

    A journal goes on in a new file each month and after ``part_bytes``; only the newest ``parts`` files of an
    environment are kept. The folder must be on a disk of this machine: locks on network shares are not reliable.
    """

    def __init__(
        self,
        folder: Path,
        *,
        part_bytes: int = JOURNAL_PART_BYTES,
        parts: int = JOURNAL_PARTS,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._folder = folder
        self._part_bytes = part_bytes
        self._parts = parts
        self._now = now

    @asynccontextmanager
    async def lease(self, environment: str, holder: str) -> AsyncIterator[FolderLease]:
        """Hold the environment within the block. Raises LeaseHeld at once when another does; StateError."""
        with said(self._folder):
            place = self._made(environment)
            handle = files.try_lock(place / "lease")
        if handle is None:
            told = await self._told(place)
            raise LeaseHeld(environment, told.get("holder", ""), told.get("since", ""))
        with ExitStack() as at_the_end:
            at_the_end.callback(os.close, handle)
            with said(place):
                fence_file = at_the_end.enter_context(fence())
                epoch = await files.to_the_end(self._introduce, place, handle, holder)
                memory = await self.memory(environment)
                set_fence(fence_file, NO_END)
            lease = FolderLease(place, handle, epoch, memory, fence_file, self._append)
            try:
                yield lease
            finally:
                lease.end()
                os.ftruncate(handle, 0)

    async def holder(self, environment: str) -> str:
        """Who holds it now, for people; empty when nobody does. Raises StateError."""
        place = self._place(environment)
        told = (await self._told(place)).get("holder", "")
        if not told:
            return ""
        with said(place):  # Told, but perhaps by one that died.
            handle = files.try_lock(place / "lease")
        if handle is None:
            return told
        os.close(handle)
        return ""

    async def memory(self, environment: str) -> bytes | None:
        """The document as it was saved last, without a lease. Raises StateError."""
        return await _read(self._place(environment) / "state.json")

    async def journal(self, environment: str, limit: int) -> tuple[bytes, ...]:
        """The last ``limit`` lines, newest first. Raises StateError."""
        place = self._place(environment)
        with said(place):
            return await folder_journal.newest(place / "journal", limit)

    async def orders(self, environment: str) -> Mapping[str, str]:
        """What people asked for: suspended resource or pattern to reason. Raises StateError."""
        file = self._place(environment) / "orders.json"
        text = await _read(file)
        return orders_of(text, str(file)) if text is not None else {}

    async def order(self, environment: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Change the orders; others wait their turn. Raises StateError."""

        def changed() -> None:
            place = self._made(environment)
            file = place / "orders.json"
            with files.locked(place / "orders.lock"):
                before = orders_of(file.read_bytes(), str(file)) if file.exists() else {}
                files.replace(file, orders_text(change(before)))

        with said(self._folder):
            await files.to_the_end(changed)

    async def close(self) -> None:
        """Nothing is open between calls."""

    def _append(self, journal: Path, line: bytes) -> None:
        folder_journal.append(journal, line, self._now(), self._part_bytes, self._parts)

    def _place(self, environment: str) -> Path:
        return self._folder / checked(environment)

    def _made(self, environment: str) -> Path:
        place = self._place(environment)
        for folder in (self._folder, place.parent, place):
            folder.mkdir(files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        ignore = self._folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        return place

    def _introduce(self, place: Path, handle: int, holder: str) -> int:
        """Count the lease, and write for people who has it. Raises OSError, StateError."""
        file = place / "epoch"
        try:
            epoch = int(file.read_bytes()) + 1 if file.exists() else 1
        except ValueError as error:
            raise StateError(f"{file} holds no number; write one that is higher than any in the journal") from error
        files.replace(file, b"%d\n" % epoch)
        since = self._now().isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"holder": holder, "since": since, "epoch": epoch}).encode() + b"\n", 0)
        return epoch

    async def _told(self, place: Path) -> dict[str, str]:
        """What the holder wrote of itself; little when it is just about to."""
        try:
            told = json.loads(await _read(place / "lease") or b"{}")
        except ValueError:
            return {}
        return {key: value for key, value in told.items() if isinstance(value, str)}


async def _read(file: Path) -> bytes | None:
    with said(file):
        try:
            return await asyncio.to_thread(file.read_bytes) or None
        except FileNotFoundError:
            return None
