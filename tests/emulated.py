"""The emulator in the test's own process, without sockets: operations end when the test says so."""

from __future__ import annotations

import json
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.service import AzureML
from aml_emulator.settings import INSTANT, Settings
from aml_emulator.store import Store
from aml_emulator.wire import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aml_emulator.dataplane.interface import DeploymentSpec, ScoreRequest, ScoreResponse

HOST = "https://management.azure.com"
VERSION = "2024-04-01"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The innermost error code."""
        error = self.body["error"]
        return error["details"][0]["code"] if error.get("details") else error["code"]

    @property
    def text(self) -> str:
        return self.raw.decode()


class Scripted(InstantDataPlane):
    """A data plane that a test can make slow or broken: set ``on_start`` or ``on_score``."""

    def __init__(self) -> None:
        super().__init__()
        self.on_start: Callable[[DeploymentSpec], Awaitable[None]] | None = None
        self.on_score: Callable[[str, ScoreRequest], Awaitable[ScoreResponse | None]] | None = None

    async def start(self, spec: DeploymentSpec) -> None:
        if self.on_start:
            await self.on_start(spec)
        await super().start(spec)

    async def score(self, key: str, request: ScoreRequest) -> ScoreResponse:
        answer = await self.on_score(key, request) if self.on_score else None
        return answer or await super().score(key, request)


class Cloud:
    """One emulator, and a client with a token. A path is relative to the workspace unless it starts with a slash."""

    def __init__(self, folder: Path, store: Store | None = None, **settings: Any) -> None:
        self.dataplane = Scripted()
        self.settings = Settings(folder=folder, durations=INSTANT, **settings)
        if store is None:  # its own: closed when nothing needs this cloud any more
            store = Store.in_memory()
            weakref.finalize(self, store.close)
        self.service = AzureML(store, self.dataplane, self.settings)
        self.token = self.service.site.identity.token(HOST, 3600)

    def workspace(self, name: str | None = None) -> str:
        s = self.settings
        return (
            f"/subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name or s.workspace}"
        )

    async def send(self, method: str, url: str, body: bytes = b"", **headers: str) -> Reply:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        response = await self.service.handle(Request(method, url, named, body))
        return Reply(response.status, dict(response.headers), await response.read())

    async def call(self, method: str, path: str, body: Any = None, query: str = "", host: str = HOST) -> Reply:
        full = path if path.startswith("/") else f"{self.workspace()}/{path}"
        url = f"{host}{full}?api-version={VERSION}{query}"
        raw = b"" if body is None else json.dumps(body).encode()
        return await self.send(method, url, raw, Authorization=f"Bearer {self.token}")

    async def done(self, method: str, path: str, body: Any = None) -> Reply:
        """A call, and all that follows from it."""
        reply = await self.call(method, path, body)
        await self.service.settle()
        return reply

    async def get(self, path: str) -> Any:
        return (await self.call("GET", path)).body

    async def with_endpoint(self, name: str = "churn", **properties: Any) -> None:
        reply = await self.done("PUT", f"onlineEndpoints/{name}", endpoint(**properties))
        assert reply.status == 201, reply.text

    async def with_assets(self) -> None:
        """The model, code and environment that ``deployment`` names."""
        for path, body in (
            ("codes/code/versions/1", {"codeUri": "https://elsewhere.example/container/src"}),
            ("environments/env/versions/1", {"image": "acr.azurecr.io/serve:1"}),
            ("models/model/versions/1", {"modelUri": "azureml://datastores/workspaceblobstore/paths/m"}),
        ):
            assert (await self.call("PUT", path, {"properties": body})).status == 201

    async def with_deployment(self, name: str = "blue", endpoint_name: str = "churn", **properties: Any) -> None:
        path = f"onlineEndpoints/{endpoint_name}/deployments/{name}"
        reply = await self.done("PUT", path, self.deployment(**properties))
        assert reply.status == 201, reply.text

    def deployment(self, *, sku: Any = None, tags: Any = None, **properties: Any) -> dict[str, Any]:
        base = self.workspace()
        named = {
            "endpointComputeType": "Managed",
            "codeConfiguration": {"codeId": f"{base}/codes/code/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{base}/environments/env/versions/1",
            "model": f"{base}/models/model/versions/1",
            "instanceType": "Standard_DS3_v2",
        }
        kept = {key: value for key, value in (named | properties).items() if value is not ABSENT}
        sku = sku or {"name": "Default", "capacity": 1}
        return {"location": "westeurope", "properties": kept, "sku": sku, "tags": tags or {}}


ABSENT = object()


def endpoint(
    *, identity: Any = None, tags: Any = None, location: str | None = "westeurope", **properties: Any
) -> dict[str, Any]:
    named = {"authMode": "Key", "publicNetworkAccess": "Disabled"} | properties
    return {
        "location": location,
        "identity": {"type": "SystemAssigned"} if identity is None else identity,
        "properties": {key: value for key, value in named.items() if value is not ABSENT},
        "tags": tags or {},
    }
