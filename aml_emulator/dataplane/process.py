"""One scoring process: started, waited for, asked, ended. Nothing of it is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from aml_emulator.dataplane import leftovers
from aml_emulator.dataplane.admission import Admission
from aml_emulator.dataplane.environment import process_environment
from aml_emulator.dataplane.interface import StartFailed
from aml_emulator.dataplane.transport import Transport

if TYPE_CHECKING:
    from aml_emulator.dataplane.container_log import ContainerLog
    from aml_emulator.dataplane.interface import DeploymentSpec
    from aml_emulator.dataplane.layout import Layout

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_S = 0.02
_GRACE_S = 2.0
_LAST_OUTPUT_S = 1.0
_TAIL_LINES = 100
_LONGEST_TAIL_LINE = 2000
_READ_BYTES = 1 << 16
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*")


class ScoringProcess:
    """A running process with its log, its connections and its bounds."""

    def __init__(
        self, spec: DeploymentSpec, layout: Layout, child: asyncio.subprocess.Process, log: ContainerLog
    ) -> None:
        self.spec = spec
        self.layout = layout
        self.pid = child.pid
        self.admission = Admission(spec.max_concurrent_requests)
        self.transport = Transport(layout.socket)
        self._child = child
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._output = asyncio.create_task(self._collect(log))

    @classmethod
    async def launch(cls, spec: DeploymentSpec, layout: Layout, python: str, log: ContainerLog) -> ScoringProcess:
        """Start the process; it is not ready yet.

        Must be called on a thread that outlives the process: its end would end the process (see launcher.die_with).
        """
        child = await asyncio.create_subprocess_exec(
            *(python, "-P", "-u", str(_LAUNCHER), str(layout.socket), str(os.getpid())),
            cwd=layout.app_root,
            env=process_environment(spec, layout, python),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        leftovers.remember(layout, child.pid)
        return cls(spec, layout, child, log)

    @property
    def running(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._child.returncode is None

    async def ended(self) -> None:
        """Wait until the process has ended, whatever ended it."""
        await self._child.wait()

    async def ready(self) -> None:
        """Wait until the server answers its health route. Raises StartFailed.

        The readiness probe bounds the wait, initial delay + period x failure threshold; but it is asked from the
        first moment and far more often than every period (assumed that nobody relies on a slow start).
        """
        probe = self.spec.readiness
        patience_s = probe.initial_delay_s + probe.period_s * probe.failure_threshold
        give_up = time.monotonic() + patience_s
        successes = 0
        while successes < probe.success_threshold:
            if self.layout.socket.exists():
                successes = successes + 1 if await self.answers(probe.timeout_s) else 0
            if not self.running:
                raise await self._crashed()
            if successes < probe.success_threshold:
                if time.monotonic() >= give_up:
                    raise self._failed(f"Readiness probe failed: no answer within {patience_s:g} s.")
                await asyncio.sleep(_POLL_S)

    async def answers(self, timeout_s: float) -> bool:
        """Whether the health route answers in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.transport.healthy()
        except TimeoutError:
            return False

    async def end(self) -> None:
        """End the process and everything in its process group, politely at first, and delete its files."""
        if self.running:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), _GRACE_S)
        # Also when the process is gone already: what it started may not be. No other process can have got this
        # group's number while a member is left.
        self._signal(signal.SIGKILL)
        await self._child.wait()
        await self._last_output()
        await self.transport.close()
        await asyncio.to_thread(self.layout.remove)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def _collect(self, log: ContainerLog) -> None:
        output = self._child.stdout
        assert output is not None  # noqa: S101 - a pipe was asked for
        rest = ""
        while chunk := await output.read(_READ_BYTES):
            log.append(chunk)
            *lines, rest = (rest + chunk.decode("utf-8", errors="replace")).split("\n")
            rest = rest[-_LONGEST_TAIL_LINE:]
            self._tail.extend(line[:_LONGEST_TAIL_LINE] for line in lines)
        if rest:
            self._tail.append(rest)

    async def _last_output(self) -> None:
        # A process that left the group may hold the pipe open for ever.
        _, pending = await asyncio.wait({self._output}, timeout=_LAST_OUTPUT_S)
        for task in pending:
            task.cancel()

    async def _crashed(self) -> StartFailed:
        self._signal(signal.SIGKILL)
        await self._last_output()
        return self._failed(f"{describe_exit(self._child.returncode or 0)}. {self._cause()}".rstrip())

    def _failed(self, reason: str) -> StartFailed:
        # The first clause and the code are Azure's (how-to-troubleshoot-online-endpoints, ResourceNotReady).
        return StartFailed(
            "ResourceNotReady", f"User container has crashed or terminated: {reason}", "\n".join(self._tail)
        )

    def _cause(self) -> str:
        """The exception that ended the start: the user's own, not the server's wrapping of it."""
        found = [line for line in self._tail if _EXCEPTION.fullmatch(line)]
        own = [line for line in found if not line.startswith("azureml_inference_server_http.")]
        return (own or found or [""])[-1]


def describe_exit(returncode: int) -> str:
    """How a process ended, as words."""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"
