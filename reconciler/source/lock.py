"""Locks between processes that share one folder of clones. They end with their holder, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from reconciler.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LOOK_EVERY_S = 0.05


@contextlib.asynccontextmanager
async def alone(file: Path, timeout_s: float) -> AsyncIterator[int]:
    """Hold the lock within the block; the descriptor is for children that work under it. Raises SourceUnavailable."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = asyncio.get_running_loop().time() + timeout_s
        while not _taken(descriptor, fcntl.LOCK_EX):
            if asyncio.get_running_loop().time() > until:
                raise SourceUnavailable(f"another process has been at work in {file.parent} for {timeout_s:g} s")
            await asyncio.sleep(_LOOK_EVERY_S)
        yield descriptor
    finally:
        os.close(descriptor)


def share(file: Path) -> int:
    """Mark something as in use, until the descriptor that this returns is closed. Only under ``alone``."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def unused(file: Path) -> bool:
    """Whether nobody has marked it. Only under ``alone``, or the answer is old when it is given."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return _taken(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
