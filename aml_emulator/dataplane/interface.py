"""What the control plane of the emulator may ask of a data plane, and the values that pass between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Probe:
    """A readiness or liveness probe, as ``ProbeSettings`` of the deployment body has it."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    failure_threshold: int
    success_threshold: int


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """Everything needed to run one deployment.

    ``key`` is unique in the emulator: the endpoint and deployment names, prefixed with the workspace id.
    ``code_dir`` holds the user's code (a private copy may be made); ``scoring_script`` is relative to it. Neither it
    nor ``model_dir`` may change while the deployment exists, since a restarted process reads them again.
    ``model_dir`` is the version folder that ``AZUREML_MODEL_DIR`` points to: it contains the registered file, or
    the registered folder under its own name. ``model_type`` is custom_model, mlflow_model or triton_model.
    """

    key: str
    deployment: str
    code_dir: Path | None
    scoring_script: str | None
    model_dir: Path | None
    model_name: str | None
    model_version: str | None
    model_type: str | None
    environment_variables: Mapping[str, str]
    request_timeout_s: float
    max_concurrent_requests: int
    readiness: Probe
    liveness: Probe


class StartFailed(Exception):
    """A deployment did not become ready.

    ``code`` is Azure's error code, e.g. ResourceNotReady; ``log_tail`` the container's last lines.
    """

    def __init__(self, code: str, message: str, log_tail: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.log_tail = log_tail


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One request to a deployment. ``path`` is below the deployment: ``/score``, ``/``, ``/swagger.json``."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ScoreResponse:
    """What the deployment answered. Header names are as the container wrote them."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class DataPlane(Protocol):
    """Runs deployments. Knows nothing of endpoints, traffic, keys or tokens."""

    async def start(self, spec: DeploymentSpec) -> None:
        """Run a deployment; it is ready when this returns.

        The same key again is a rolling in-place update: the old process answers until the new one is ready,
        and stays when the new one fails. Raises StartFailed.
        """
        ...

    async def stop(self, key: str) -> None:
        """Stop a deployment. Idempotent."""
        ...

    def logs(self, key: str, tail: int | None) -> str:
        """Text of the container's log: its last ``tail`` lines, or all that is kept."""
        ...

    async def score(self, key: str, request: ScoreRequest) -> ScoreResponse:
        """Pass one request to the deployment and return what it answered, whatever its status.

        An answer with the header ``ms-azureml-model-error-reason`` is the data plane's own (408 too slow, 424 no
        process, 429 too many pending) and goes to the caller as it is; a container's answer never has it.
        """
        ...

    async def close(self) -> None:
        """Stop everything."""
        ...
