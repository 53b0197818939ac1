"""The lock on one environment of a folder, as its holder has it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.errors import LeaseLost, StateError
from reconciler.state import files
from reconciler.state.documents import line_of
from reconciler.state.fence import NO_END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class FolderLease:
    """The locked file in ``place``. It cannot run out; it ends with the block, or with the process.

    ``append`` puts a line into the journal.
    """

    def __init__(
        self,
        place: Path,
        handle: int,
        epoch: int,
        memory: bytes | None,
        fence_file: Path,
        append: Callable[[Path, bytes], None],
    ) -> None:
        self.epoch = epoch
        self.memory = memory
        self.fence_file: Path | None = fence_file
        self._place = place
        self._handle = handle
        self._append = append
        self._lost = ""

    def until(self) -> float:
        """Without end while it is held; 0 after."""
        return 0.0 if self._lost else NO_END

    def check(self) -> None:
        """Raise LeaseLost unless the locked file is still the one that others would try to lock."""
        if not self._lost and not files.is_file(self._handle, self._place / "lease"):
            self._lose("its file was removed")
        if self._lost:
            raise LeaseLost(f"the lease in {self._place} is lost: {self._lost}; nothing more is written")

    async def save(self, memory: bytes) -> None:
        """Replace the document. Raises LeaseLost, StateError."""
        self.check()
        with said(self._place):
            await files.to_the_end(files.replace, self._place / "state.json", memory)

    async def record(self, entry: bytes) -> None:
        """Append one line to the journal. Raises LeaseLost, StateError; ValueError when it is not one line."""
        line = line_of(entry)
        self.check()
        with said(self._place):
            await files.to_the_end(self._append, self._place / "journal", line)

    def end(self) -> None:
        """The block has ended: nobody who kept the lease may use it."""
        self._lose("it was given back")

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason
        if self.fence_file:
            self.fence_file.unlink(missing_ok=True)


@contextmanager
def said(place: Path) -> Iterator[None]:
    """Turn a failure of the disk into a StateError that a person can act on."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        hint = "check that the disk has room and that this user may write there"
        raise StateError(f"state in {error.filename or place}: {what}; {hint}") from error
