"""A child process: its output as it comes, its exit as soon as it happens.

Not asyncio's subprocesses, whose wait() returns only when every pipe is closed too, while whatever the child had
started keeps its pipes open; and whose start never returns when it is cancelled while the pipes are being connected
(both seen with Python 3.11.7).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_READ_BYTES = 1 << 16


class Child:
    """A process in a session and process group of its own. Belongs to the event loop it was made in."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], receive: Callable[[bytes], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._silent = asyncio.Event()
        self._receive = receive
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._loop.add_reader(self._output.fileno(), self._read)
        # Nothing portable but a thread can wait for one process.
        threading.Thread(target=self._reap, name=f"reap-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process, and its group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """As in subprocess; None as long as the process is not known to have ended."""
        return self._exit.result() if self._exit.done() else None

    async def ended(self) -> int:
        """Wait until the process has ended; returns its returncode."""
        return await asyncio.shield(self._exit)

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group, which may have members when the process itself is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def close(self, patience_s: float) -> None:
        """Take the last output, for which a process that left the group may keep us waiting, and close the pipe."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), patience_s)
        if not self._output.closed:
            self._loop.remove_reader(self._output.fileno())
            self._output.close()

    def _read(self) -> None:
        try:
            chunk = os.read(self._output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        if chunk:
            self._receive(chunk)
        else:
            self._loop.remove_reader(self._output.fileno())
            self._silent.set()

    def _reap(self) -> None:
        returncode = self._process.wait()
        # The loop may be closed by now; then nobody waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._exit.set_result, returncode)
