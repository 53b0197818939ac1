"""What a process holds at one moment: memory, descriptors, tasks, threads, objects, and what lies on its disk."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from dataclasses import astuple, dataclass
from pathlib import Path

LOOKS, BETWEEN_S = 10, 0.2
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """One look. ``rss_mb`` is resident memory; ``objects`` are those that the garbage collector tracks."""

    rss_mb: float
    objects: int
    descriptors: int
    sockets: int
    children: int
    tasks: int
    threads: int


async def lowest() -> Held:
    """The lowest of several looks: what only comes and goes, such as a git that is being asked, does not count."""
    looks = [_look()]
    for _ in range(LOOKS - 1):
        await asyncio.sleep(BETWEEN_S)
        looks.append(_look())
    return Held(*map(min, zip(*map(astuple, looks), strict=True)))


def _look() -> Held:
    gc.collect()
    opened = list(_opened())
    return Held(
        int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB,
        len(gc.get_objects()),
        len(opened),
        sum(what.startswith("socket:") for what in opened),
        len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        len(asyncio.all_tasks()),
        threading.active_count(),
    )


def _opened() -> list[str]:
    """What each descriptor is of, but for the one that looks."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def size_of(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes; what vanishes meanwhile does not count."""
    files = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(place) / name).lstat().st_size
            except FileNotFoundError:
                continue
            files += 1
    return files, size


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and the most that it ever had (proc_pid_status(5): VmRSS, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    return int(found["VmRSS"].split()[0]) / 1024, int(found["VmHWM"].split()[0]) / 1024
