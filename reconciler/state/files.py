"""Files that are whole or not there: replaced at once, appended by the line, private to their owner."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
P = ParamSpec("P")

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def replace(file: Path, content: bytes) -> None:
    """Put the content in place of the file: after a crash it is the old or the new one. Raises OSError."""
    new = file.with_name(f"{file.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    try:
        _write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(file)
    _sync_folder(file.parent)


def append(file: Path, line: bytes) -> None:
    """Add a line in one write, after cutting off what a crash left of the last. One writer only. Raises OSError."""
    existed = file.exists()
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    try:
        os.ftruncate(handle, _end_of_last_line(handle))
        _write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)
    if not existed:
        _sync_folder(file.parent)


def read_at(file: Path, offset: int, length: int) -> bytes:
    """Some bytes of a file. Raises OSError."""
    with file.open("rb") as handle:
        handle.seek(offset)
        return handle.read(length)


def try_lock(file: Path) -> int | None:
    """A handle that holds the lock on a file, None when another does; the lock ends with the handle or the process.

    Raises OSError. flock excludes two handles of one process too, and its lock is not inherited by programs started.
    """
    try:
        return _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock on a file, after waiting for it. Raises OSError."""
    handle = _lock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _lock(file: Path, how: int) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(handle, how)
        except OSError:
            os.close(handle)
            raise
        if is_file(handle, file):
            return handle
        os.close(handle)  # Somebody removed the file between our two steps: the lock is on nothing.


def is_file(handle: int, file: Path) -> bool:
    """Whether the open file is still the one at that path."""
    try:
        there = file.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(handle), there)


async def to_the_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it in a thread and, even when cancelled, wait for it: nothing is written after a lease is given back."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _write(handle: int, content: bytes) -> None:
    if os.write(handle, content) != len(content):
        raise OSError(f"only a part of {len(content)} bytes could be written; is the disk full?")


def _end_of_last_line(handle: int) -> int:
    end = os.fstat(handle).st_size
    while end:
        start = max(0, end - 4096)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    """A rename, and a new name, are on disk only when the folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
