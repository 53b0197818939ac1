"""The journal of an environment in a folder: one file a month, more of them when they grow large."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.state import files
from reconciler.state.documents import JOURNAL_PART, journal_part, part_of
from reconciler.state.tail import last_lines

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def append(folder: Path, line: bytes, now: datetime, part_bytes: int, parts: int) -> None:
    """Add a line, by the lease's holder alone; the oldest files beyond ``parts`` are removed. Raises OSError."""
    folder.mkdir(files.PRIVATE_FOLDER, exist_ok=True)
    known = journals(folder)
    name = journal_part(now, 1)
    if known and known[-1] >= name:  # Later than now, when the clock was set back: the order of names stays true.
        name = known[-1]
        if (folder / name).stat().st_size + len(line) > part_bytes:
            name = f"{name[:7]}_{part_of(name) + 1:03}.jsonl"
    files.append(folder / name, line)
    for old in journals(folder)[:-parts]:
        (folder / old).unlink()


async def newest(folder: Path, limit: int) -> tuple[bytes, ...]:
    """The last lines, newest first. Raises OSError."""
    lines: list[bytes] = []
    for name in reversed(await asyncio.to_thread(journals, folder)):
        if len(lines) >= limit:
            break
        file = folder / name

        async def read(offset: int, length: int, file: Path = file) -> bytes:
            return await asyncio.to_thread(files.read_at, file, offset, length)

        lines += await last_lines(file.stat().st_size, read, limit - len(lines))
    return tuple(lines)


def journals(folder: Path) -> list[str]:
    """The names of the files, oldest first. Raises OSError."""
    if not folder.is_dir():
        return []
    return sorted(file.name for file in folder.iterdir() if JOURNAL_PART.fullmatch(file.name))
