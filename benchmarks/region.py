"""The embedded Azure ML in a process of its own: real TLS sockets on loopback, no scoring processes.

Its processor time and the requests it answered are told apart from the reconciler's, and both are looked at from
outside: nothing in the reconciler is asked how much it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
    from multiprocessing.synchronize import Event

    from aml_emulator.service import AzureML

READY_S = 300.0
LOOK_AGAIN_S = 0.5
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FAULTS = ("throttled", "unavailable", "refused", "lost")
_REMEMBERED = 4096
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What both processes see: counts, when each write was answered, and how often a request fails on purpose."""

    reads: Synchronized[int]
    writes: Synchronized[int]
    written_at_s: SynchronizedArray[float]
    fault_rate: Synchronized[float]
    faults: SynchronizedArray[int]


@dataclass(frozen=True, slots=True)
class Region:
    """A running emulator, as seen from the process that measures."""

    pid: int
    _shared: _Shared
    _hand: Connection

    @property
    def reads(self) -> int:
        """GET and HEAD requests answered so far."""
        return self._shared.reads.value

    @property
    def writes(self) -> int:
        """All other requests answered so far, but for signing in."""
        return self._shared.writes.value

    def written_at_s(self, number: int) -> float:
        """When a write was answered, in seconds since 1970; the first is number 0. Only the last 4096 are known."""
        return self._shared.written_at_s[number % _REMEMBERED]

    @property
    def cpu_s(self) -> float:
        """Processor time so far, to a hundredth of a second."""
        return cpu_s(self.pid)

    @property
    def faults(self) -> dict[str, int]:
        """How many requests failed on purpose, and how."""
        return {name: self._shared.faults[number] for number, name in enumerate(FAULTS)}

    def fail(self, rate: float) -> None:
        """From now on that share of all requests fails."""
        self._shared.fault_rate.value = rate

    def touch(self, environment: str, method: str, path: str, body: Any = None) -> None:
        """Another hand changes something in the workspace of an environment; its answer is not waited for."""
        self._hand.send((environment, method, path, body))


def cpu_s(pid: int) -> float:
    """Processor time of a process (proc_pid_stat(5): utime and stime), to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def place_of(root: Path, environment: str) -> Path:
    """The folder that leads to the workspace of an environment."""
    return root / world.EMULATOR if environment == world.ENVIRONMENT else root / world.REGIONS / environment


@contextlib.contextmanager
def running(root: Path, *, filled: bool, environments: Sequence[str] = (world.ENVIRONMENT,)) -> Iterator[Region]:
    """Serve the emulator of the project in ``root`` until the block ends; ``filled`` with the project, or empty.

    Each environment has a workspace of its own in it.
    """
    shared = _Shared(
        _SPAWN.Value("q", 0),
        _SPAWN.Value("q", 0),
        _SPAWN.Array("d", _REMEMBERED),
        _SPAWN.Value("d", 0.0),
        _SPAWN.Array("q", len(FAULTS)),
    )
    ready = _SPAWN.Event()
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(
        target=_serve, args=(root, filled, tuple(environments), shared, theirs, ready), name="emulator"
    )
    process.start()
    theirs.close()
    try:
        deadline = time.monotonic() + READY_S
        while not ready.wait(LOOK_AGAIN_S):
            if process.exitcode is not None or time.monotonic() > deadline:
                raise RuntimeError("the emulator did not get ready; its trace stands above")
        yield Region(process.pid or 0, shared, ours)
    finally:
        process.terminate()
        process.join()
        ours.close()


class _Count(logging.Handler):
    """Counts what the emulator's own log says that it answered."""

    def __init__(self, shared: _Shared) -> None:
        super().__init__()
        self._shared = shared

    def emit(self, record: logging.LogRecord) -> None:
        method, path = getattr(record, "method", None), str(getattr(record, "path", ""))
        if method in ("GET", "HEAD"):
            self._shared.reads.value += 1
        elif method is not None and not path.endswith("/oauth2/v2.0/token"):
            self._shared.written_at_s[self._shared.writes.value % _REMEMBERED] = time.time()
            self._shared.writes.value += 1


def _serve(
    root: Path, filled: bool, environments: tuple[str, ...], shared: _Shared, hand: Connection, ready: Event
) -> None:
    answered = logging.getLogger("aml_emulator.server")
    answered.setLevel(logging.DEBUG)
    answered.addHandler(_Count(shared))
    answered.propagate = False
    asyncio.run(_until_terminated(root, filled, environments, shared, hand, ready))


async def _until_terminated(
    root: Path, filled: bool, environments: tuple[str, ...], shared: _Shared, hand: Connection, ready: Event
) -> None:
    from faulty import Faulty

    from aml_emulator.dataplane.instant import InstantDataPlane
    from aml_emulator.server import running as serving
    from aml_emulator.settings import INSTANT, Settings

    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    folder = root / world.EMULATOR
    async with serving(
        folder,
        lambda _: InstantDataPlane(),
        Settings(folder=folder, durations=INSTANT),
        adapter=Faulty(shared.fault_rate, shared.faults),
    ) as (service, _):
        for environment in environments:
            _open(service, root, environment)
            if filled:
                from fill import fill

                await fill(service, root, environment, _workspace(service, environment))
        other_hand = _OtherHand(service)
        loop.add_reader(hand.fileno(), lambda: other_hand.act(*hand.recv()))
        ready.set()
        await end.wait()
        loop.remove_reader(hand.fileno())


def _workspace(service: AzureML, environment: str) -> str:
    return service.site.settings.workspace if environment == world.ENVIRONMENT else f"ws-{environment}"


def _open(service: AzureML, root: Path, environment: str) -> None:
    """Make the workspace of an environment, and the folder that leads to it."""
    if environment == world.ENVIRONMENT:
        return
    from aml_emulator.arm import workspaces

    s, name = service.site.settings, _workspace(service, environment)
    workspaces.create(service.site, s.subscription_id, s.resource_group, name, {"properties": workspaces.PRIVATE})
    facts = json.loads((root / world.EMULATOR / "connection.json").read_text())
    place = place_of(root, environment)
    place.mkdir(parents=True)
    (place / "connection.json").write_text(json.dumps(facts | {"workspace": name}))


class _OtherHand:
    """Somebody in the portal, who does not look at the answer."""

    def __init__(self, service: AzureML) -> None:
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()

    def act(self, environment: str, method: str, path: str, body: Any) -> None:
        task = asyncio.ensure_future(self._send(_workspace(self._service, environment), method, path, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, workspace: str, method: str, path: str, body: Any) -> None:
        from aml_emulator.call import workspace_id
        from aml_emulator.wire import Request

        s = self._service.site.settings
        token = self._service.site.identity.token("https://management.azure.com", 3600)
        scope = workspace_id(s.subscription_id, s.resource_group, workspace)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        await self._service.handle(Request(method, f"{s.url}{scope}{path}?api-version=2024-04-01", headers, data))
