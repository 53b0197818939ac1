"""The embedded Azure ML in a process of its own: real TLS sockets on loopback, no scoring processes.

Its processor time and the requests it answered are told apart from the reconciler's, and both are looked at from
outside: nothing in the reconciler is asked how much it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

READY_S = 300.0
LOOK_AGAIN_S = 0.5
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Region:
    """A running emulator, as seen from the process that measures."""

    pid: int
    _reads: Synchronized[int]
    _writes: Synchronized[int]

    @property
    def reads(self) -> int:
        """GET and HEAD requests answered so far."""
        return self._reads.value

    @property
    def writes(self) -> int:
        """All other requests answered so far, but for signing in."""
        return self._writes.value

    @property
    def cpu_s(self) -> float:
        """Processor time so far (proc_pid_stat(5): utime and stime), to a hundredth of a second."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@contextlib.contextmanager
def running(root: Path, *, filled: bool) -> Iterator[Region]:
    """Serve the emulator of the project in ``root`` until the block ends; ``filled`` with the project, or empty."""
    reads, writes, ready = _SPAWN.Value("q", 0), _SPAWN.Value("q", 0), _SPAWN.Event()
    process = _SPAWN.Process(target=_serve, args=(root, filled, reads, writes, ready), name="emulator")
    process.start()
    try:
        deadline = time.monotonic() + READY_S
        while not ready.wait(LOOK_AGAIN_S):
            if process.exitcode is not None or time.monotonic() > deadline:
                raise RuntimeError("the emulator did not get ready; its trace stands above")
        yield Region(process.pid or 0, reads, writes)
    finally:
        process.terminate()
        process.join()


class _Count(logging.Handler):
    """Counts what the emulator's own log says that it answered."""

    def __init__(self, reads: Synchronized[int], writes: Synchronized[int]) -> None:
        super().__init__()
        self._reads = reads
        self._writes = writes

    def emit(self, record: logging.LogRecord) -> None:
        method, path = getattr(record, "method", None), str(getattr(record, "path", ""))
        if method in ("GET", "HEAD"):
            self._reads.value += 1
        elif method is not None and not path.endswith("/oauth2/v2.0/token"):
            self._writes.value += 1


def _serve(root: Path, filled: bool, reads: Synchronized[int], writes: Synchronized[int], ready: Event) -> None:
    answered = logging.getLogger("aml_emulator.server")
    answered.setLevel(logging.DEBUG)
    answered.addHandler(_Count(reads, writes))
    answered.propagate = False
    asyncio.run(_until_terminated(root, filled, ready))


async def _until_terminated(root: Path, filled: bool, ready: Event) -> None:
    from aml_emulator.dataplane.instant import InstantDataPlane
    from aml_emulator.server import running as serving
    from aml_emulator.settings import INSTANT, Settings

    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    folder = root / world.EMULATOR
    async with serving(folder, lambda _: InstantDataPlane(), Settings(folder=folder, durations=INSTANT)) as (
        service,
        _,
    ):
        if filled:
            from fill import fill

            await fill(service, root, world.ENVIRONMENT)
        ready.set()
        await end.wait()
