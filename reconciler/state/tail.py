"""The last lines of a journal, read backwards: a month of it can be large."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST_READ_BYTES = 1 << 16


async def last_lines(
    size: int,
    read: Callable[[int, int], Awaitable[bytes]],
    limit: int,
    first_read_bytes: int = FIRST_READ_BYTES,
) -> list[bytes]:
    """The last ``limit`` whole lines of ``size`` bytes, newest first; ``read`` takes offset and length.

    A line without an end is what a crash left of it, and no line.
    """
    length = first_read_bytes
    while True:
        start = max(0, size - length)
        lines = (await read(start, size - start)).split(b"\n")[:-1] if size else []
        whole = lines if start == 0 else lines[1:]
        if start == 0 or len(whole) >= limit:
            return [line for line in reversed(whole) if line][:limit]
        length *= 4
