"""One deployment over its life: the process that serves, its successor during an update, its restarts after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp

from aml_emulator.dataplane.admission import TooManyPending
from aml_emulator.dataplane.container_log import ContainerLog
from aml_emulator.dataplane.interface import ScoreResponse, StartFailed
from aml_emulator.dataplane.layout import prepare
from aml_emulator.dataplane.process import ScoringProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aml_emulator.dataplane.interface import DeploymentSpec, ScoreRequest

# Kubernetes waits 10 s to 5 min between restarts; a local machine is less patient. The first is at once, as there.
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_STEADY_S = 60.0


T = TypeVar("T")


class Deployment:
    """Owns the processes of one key. All methods belong to one event loop."""

    def __init__(self, folder: Path, python: str, starting: asyncio.Semaphore) -> None:
        self.log = ContainerLog(folder)
        self._folder = folder
        self._python = python
        self._starting = starting
        self._updating = asyncio.Lock()
        self._serving: ScoringProcess | None = None
        self._processes: set[ScoringProcess] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._number = 0
        self._closed = False

    async def update(self, spec: DeploymentSpec) -> None:
        """Serve ``spec``; whatever served before goes on until that is ready, and further if it never is."""
        async with self._updating:
            successor = await self._unless_stopped(spec)
            predecessor, self._serving = self._serving, successor
            self._spawn(self._tend(successor))
            if predecessor is not None:
                self._spawn(self._retire(predecessor))

    async def _unless_stopped(self, spec: DeploymentSpec) -> ScoringProcess:
        launching = self._spawn(self._launch(spec))
        try:
            return await launching
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise _deleted(spec) from None

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """Answer one request by the process that serves now."""
        process = self._serving
        if process is None or not process.running:
            return _not_ready()
        try:
            async with asyncio.timeout(process.spec.request_timeout_s), process.admission.enter():
                return await process.transport.ask(request)
        except TooManyPending:
            return _own_answer(429, "too_many_pending_request", "")
        except TimeoutError:
            seconds = process.spec.request_timeout_s
            return _own_answer(408, "request_timeout", f"The model did not answer within {seconds:g} s.")
        except aiohttp.ClientError:
            return _not_ready()

    async def stop(self) -> None:
        """End every process, also one that is being started. The log stays."""
        self._closed = True
        self._serving = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(process) for process in tuple(self._processes)))

    async def forget(self) -> None:
        """Delete the log of a stopped deployment."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _launch(
        self, spec: DeploymentSpec, slot: AbstractAsyncContextManager[Any] | None = None
    ) -> ScoringProcess:
        if self._closed:
            raise _deleted(spec)
        async with slot or self._starting:
            process = await self._create(spec)
            try:
                await process.ready()
            except BaseException as error:
                await asyncio.shield(self._end(process))
                if isinstance(error, StartFailed):
                    self.log.record("ContainerFailed", error.message, warning=True)
                raise
        self.log.container_started = True
        self.log.record("ContainerReady", "Container is ready")
        return process

    async def _create(self, spec: DeploymentSpec) -> ScoringProcess:
        self._number += 1
        root = self._folder / str(self._number)
        preparing = asyncio.create_task(asyncio.to_thread(prepare, spec, root))
        try:
            layout = await asyncio.shield(preparing)
            self.log.record("Created", "Created container inference-server")
            process = ScoringProcess(spec, layout, self._python, self.log)
        except BaseException as error:
            await asyncio.wait({preparing})  # a thread is not cancelled
            shutil.rmtree(root, ignore_errors=True)
            if isinstance(error, OSError):
                raise StartFailed("InternalServerError", f"The container could not be created: {error}") from error
            raise
        self._processes.add(process)
        self.log.record("Started", "Started container inference-server")
        return process

    async def _tend(self, process: ScoringProcess) -> None:
        """Put a new process in the place of one that ends or hangs, for as long as it is the one that serves."""
        backoff_s = 0.0
        while True:
            began = time.monotonic()
            await self._until_lost(process)
            if self._serving is not process:
                return
            self.log.record("BackOff", "Restarting the container, which has ended", warning=True)
            await self._end(process)
            if time.monotonic() - began > _STEADY_S:
                backoff_s = 0.0
            successor, backoff_s = await self._restart(process, backoff_s)
            if successor is None:
                return
            process = successor

    async def _restart(self, lost: ScoringProcess, backoff_s: float) -> tuple[ScoringProcess | None, float]:
        """A ready successor and the pause before the next restart; no successor when an update was faster."""
        while self._serving is lost:
            await asyncio.sleep(backoff_s)
            backoff_s = min(max(2 * backoff_s, _FIRST_BACKOFF_S), _LONGEST_BACKOFF_S)
            with contextlib.suppress(StartFailed):
                # No slot: what served must not wait for others that start, who may hang as long as their probes allow.
                successor = await self._launch(lost.spec, contextlib.nullcontext())
                if self._serving is lost:
                    self._serving = successor
                    return successor, backoff_s
                await self._end(successor)
        return None, backoff_s

    async def _until_lost(self, process: ScoringProcess) -> None:
        """Return when the process has ended, or has failed its liveness probe too often in a row."""
        probe = process.spec.liveness
        failures = 0
        pause_s = probe.initial_delay_s
        while failures < probe.failure_threshold:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.ended(), pause_s)
                return
            pause_s = probe.period_s
            if await process.answers(probe.timeout_s):
                failures = 0
            else:
                failures += 1
                self.log.record("LivenessProbeFailed", "Liveness probe failed: no answer", warning=True)

    async def _retire(self, process: ScoringProcess) -> None:
        """End a process that no longer serves, once it has answered what it was asked."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.admission.drained(), process.spec.request_timeout_s)
        await self._end(process)

    async def _end(self, process: ScoringProcess) -> None:
        await process.end()
        self._processes.discard(process)

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _deleted(spec: DeploymentSpec) -> StartFailed:
    return StartFailed("OperationCanceled", f"Deployment {spec.deployment} was deleted while it started.")


def _own_answer(status: int, reason: str, text: str) -> ScoreResponse:
    # too_many_pending_request with an empty text/plain body, and model_not_ready, are the words of Azure ML's own
    # Envoy filters, which are public; request_timeout is assumed.
    headers = {"Content-Type": "text/plain", "ms-azureml-model-error-reason": reason}
    return ScoreResponse(status, headers, text.encode())


def _not_ready() -> ScoreResponse:
    # Probe failures of a dead container are reported with status 502 (mslearn-azure-ml issue 100); that a request
    # then gets 424 with this status code is assumed.
    answer = _own_answer(424, "model_not_ready", "The container of the deployment is not ready.")
    return ScoreResponse(answer.status, {**answer.headers, "ms-azureml-model-error-statuscode": "502"}, answer.body)
