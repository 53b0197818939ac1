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
from aml_emulator.dataplane.child import Child
from aml_emulator.dataplane.environment import process_environment
from aml_emulator.dataplane.interface import StartFailed
from aml_emulator.dataplane.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aml_emulator.dataplane.container_log import ContainerLog
    from aml_emulator.dataplane.interface import DeploymentSpec
    from aml_emulator.dataplane.layout import Layout

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_S = 0.02
_GRACE_S = 2.0
_LAST_OUTPUT_S = 1.0
_TAIL_LINES = 100
_LONGEST_TAIL_LINE = 2000
_INIT = "Invoking user's init function"
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*")


class ScoringProcess:
    """A running process with its log, its connections and its bounds."""

    def __init__(self, spec: DeploymentSpec, layout: Layout, python: str, log: ContainerLog) -> None:
        """Start the process; it is not ready yet.

        Must be called on a thread that outlives the process: its end would end the process (see launcher.die_with).
        """
        self.spec = spec
        self.layout = layout
        self._log = log
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._unfinished_line = ""
        self._child = Child(
            (python, "-P", "-u", str(_LAUNCHER), str(layout.socket), str(os.getpid())),
            cwd=layout.app_root,
            env=process_environment(spec, layout, python),
            receive=self._receive,
        )
        leftovers.remember(layout, self._child.pid)
        self.admission = Admission(spec.max_concurrent_requests)
        self.transport = Transport(layout.socket)

    @property
    def running(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._child.returncode is None

    async def ended(self) -> None:
        """Wait until the process has ended, whatever ended it."""
        await self._child.ended()

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
            self._child.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.ended(), _GRACE_S)
        # Also when the process is gone already: what it had started may not be. Nobody else can have got this group's
        # number while a member is left.
        self._child.signal(signal.SIGKILL)
        await self._child.ended()
        await self._child.close(_LAST_OUTPUT_S)
        await self.transport.close()
        await asyncio.to_thread(self.layout.remove)

    def _receive(self, output: bytes) -> None:
        self._log.append(output)
        *lines, rest = (self._unfinished_line + output.decode("utf-8", errors="replace")).split("\n")
        self._unfinished_line = rest[-_LONGEST_TAIL_LINE:]
        self._tail.extend(line[:_LONGEST_TAIL_LINE] for line in lines)

    async def _crashed(self) -> StartFailed:
        self._child.signal(signal.SIGKILL)
        await self._child.close(_LAST_OUTPUT_S)
        return self._failed(f"{describe_exit(self._child.returncode or 0)}. {self._cause()}".rstrip())

    def _failed(self, reason: str) -> StartFailed:
        # The first clause and the code are Azure's (how-to-troubleshoot-online-endpoints, ResourceNotReady).
        return StartFailed(
            "ResourceNotReady",
            f"User container has crashed or terminated: {reason}",
            "\n".join([*self._tail, self._unfinished_line]).rstrip("\n"),
        )

    def _cause(self) -> str:
        return cause_in([*self._tail, self._unfinished_line])


def cause_in(lines: Sequence[str]) -> str:
    """The exception that ended a start: the user's own, not the server's wrapping of it; empty for none.

    What was printed before the last init() began is not searched: an import may log errors and go on.
    """
    began = max((number for number, line in enumerate(lines) if _INIT in line), default=0)
    found = [line for line in lines[began:] if _EXCEPTION.fullmatch(line)]
    own = [line for line in found if not line.startswith("azureml_inference_server_http.")]
    return (own or found or [""])[-1]


def describe_exit(returncode: int) -> str:
    """How a process ended, as words."""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"
