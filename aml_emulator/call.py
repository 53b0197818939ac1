"""What a request handler gets: the emulator's parts, the request, and the names in its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aml_emulator.errors import Refused

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aml_emulator.blobs import Blobs
    from aml_emulator.dataplane.interface import DataPlane, DeploymentSpec
    from aml_emulator.operations import Operations
    from aml_emulator.settings import Settings
    from aml_emulator.store import Record, Store
    from aml_emulator.tokens import Identity
    from aml_emulator.wire import Request

PROVIDER = "Microsoft.MachineLearningServices"


@dataclass(frozen=True, slots=True)
class Live:
    """What is only true while this process runs: what the data plane has, and traffic counters.

    ``specs`` are the deployments that answer, by data-plane key; ``starting`` are those that are being started again
    after a restart of the emulator; ``credit`` is the state of the weighted round robin, per endpoint.
    """

    specs: dict[str, DeploymentSpec] = field(default_factory=dict)
    starting: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    credit: dict[str, dict[str, float]] = field(default_factory=dict)
    mirrors: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of one emulator."""

    settings: Settings
    identity: Identity
    store: Store
    blobs: Blobs
    dataplane: DataPlane
    operations: Operations
    live: Live


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through the emulator."""

    site: Site
    request: Request
    path: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        """The api-version that was asked; answers carry the same."""
        return self.request.query().get("api-version", "2024-04-01")

    def workspace(self) -> Record:
        """The workspace in the path. Raises Refused (404) in ARM's own words."""
        name, group = self.path["ws"], self.path["rg"]
        record = self.site.store.get(workspace_id(self.path["sub"], group, name))
        if record is None:
            message = (
                f"The Resource '{PROVIDER}/workspaces/{name}' under resource group '{group}' was not found. "
                "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            )
            raise Refused(404, "ResourceNotFound", message, plain=True)
        return record

    def self_url(self, record: Record) -> str:
        """Absolute URL of a resource, with the api-version of this call."""
        return f"{self.request.authority()}{record.body['id']}?api-version={self.api_version}"


def workspace_id(subscription: str, group: str, name: str) -> str:
    """ARM id of a workspace, in the service's casing."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{PROVIDER}/workspaces/{name}"
