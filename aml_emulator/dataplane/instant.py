"""A data plane without processes, for tests of the control plane: it answers at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aml_emulator.dataplane.interface import ScoreResponse, StartFailed

if TYPE_CHECKING:
    from aml_emulator.dataplane.interface import DeploymentSpec, ScoreRequest

FAIL = "EMULATOR_FAIL_INIT"


class InstantDataPlane:
    """Keeps specs in memory. A deployment with EMULATOR_FAIL_INIT among its variables does not start."""

    def __init__(self) -> None:
        self.running: dict[str, DeploymentSpec] = {}
        self._logs: dict[str, list[str]] = {}

    async def start(self, spec: DeploymentSpec) -> None:
        """Run a deployment, or raise StartFailed with the variable's text in the log."""
        log = self._logs.setdefault(spec.key, [])
        log.append("Invoking user's init function")
        if FAIL in spec.environment_variables:
            log.append(f"RuntimeError: {spec.environment_variables[FAIL]}")
            message = "User container has crashed or terminated: init() failed."
            raise StartFailed("ResourceNotReady", message, "\n".join(log))
        log.append("Users's init has completed successfully")
        self.running[spec.key] = spec

    async def stop(self, key: str) -> None:
        """Forget a deployment."""
        self.running.pop(key, None)
        self._logs.pop(key, None)

    def logs(self, key: str, tail: int | None) -> str:
        """The lines since the first start, in the layout of getLogs."""
        lines = self._logs.get(key, [])
        shown = "\n".join(lines if tail is None else lines[len(lines) - min(tail, len(lines)) :])
        status = "Succeeded" if key in self.running else "Waiting"
        return f"Instance status:\nUserContainerStart: {status}\n\nContainer logs:\n{shown}\n\n\n"

    async def score(self, key: str, request: ScoreRequest) -> ScoreResponse:
        """Say who answered, and what was asked."""
        said = {
            "deployment": self.running[key].deployment,
            "path": request.path,
            "asked": request.body.decode("utf-8", "replace"),
        }
        return ScoreResponse(200, {"Content-Type": "application/json"}, json.dumps(said).encode())

    async def close(self) -> None:
        """Forget everything."""
        self.running.clear()
