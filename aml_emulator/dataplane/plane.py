"""The data plane whose deployments are real processes."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from typing import TYPE_CHECKING

from aml_emulator.dataplane.container_log import ContainerLog
from aml_emulator.dataplane.deployment import Deployment
from aml_emulator.dataplane.leftovers import sweep

if TYPE_CHECKING:
    from pathlib import Path

    from aml_emulator.dataplane.interface import DeploymentSpec, ScoreRequest, ScoreResponse


class ProcessDataPlane:
    """Runs every deployment as one process with Azure's inference server on a unix socket.

    ``folder`` belongs to this data plane alone; what an earlier run left there is swept first. ``python`` is the
    interpreter of the processes and needs azureml-inference-server-http. At most ``max_starting`` processes start
    at a time, since starting is what costs processor time; a restart of what served does not wait for that. All
    methods belong to one event loop, whose thread must outlive the processes.
    """

    def __init__(self, folder: Path, *, python: str = sys.executable, max_starting: int = 2) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(folder)
        self._folder = folder
        self._python = python
        self._starting = asyncio.Semaphore(max_starting)
        self._deployments: dict[str, Deployment] = {}

    async def start(self, spec: DeploymentSpec) -> None:
        """See DataPlane.start."""
        deployment = self._deployments.get(spec.key)
        if deployment is None:
            deployment = Deployment(self._home(spec.key), self._python, self._starting)
            self._deployments[spec.key] = deployment
        await deployment.update(spec)

    async def stop(self, key: str) -> None:
        """See DataPlane.stop. Its log is gone afterwards."""
        deployment = self._deployments.pop(key, None)
        if deployment is None:
            deployment = Deployment(self._home(key), self._python, self._starting)
        await deployment.stop()
        await deployment.forget()

    def logs(self, key: str, tail: int | None) -> str:
        """See DataPlane.logs. Output outlives a restart of the emulator; status and events do not."""
        deployment = self._deployments.get(key)
        log = ContainerLog(self._home(key)) if deployment is None else deployment.log
        return log.text(tail)

    async def score(self, key: str, request: ScoreRequest) -> ScoreResponse:
        """See DataPlane.score. Raises KeyError for a key that was never started."""
        return await self._deployments[key].score(request)

    async def close(self) -> None:
        """See DataPlane.close. Logs stay."""
        deployments = tuple(self._deployments.values())
        self._deployments.clear()
        await asyncio.gather(*(deployment.stop() for deployment in deployments))

    def _home(self, key: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9-]+", "-", key.rpartition("/")[2])[:32]
        return self._folder / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
