"""Read what is live: concurrently, over all pages, and whole. Unreadable raises; it is never taken for absent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.domain import Live, Ref
from reconciler.errors import NotFound, Unavailable
from reconciler.kinds.kind import ASSET_CONTAINERS, arm_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from reconciler.arm.client import Arm
    from reconciler.domain import Body, KindName, Resource

T = TypeVar("T")

READERS = 16
"""Requests in flight at once: reads refill at 25 a second per principal and region (learn.microsoft.com:
request-limits-and-throttling), and more does not read faster over one session."""


async def read(arm: Arm, resources: Sequence[Resource], *, prune: bool) -> Live:
    """The workspace, every endpoint and deployment in it, and the assets that ``resources`` name or need.

    With ``prune`` every model and environment version is listed too, since what left the manifests is named nowhere.
    """
    gate = asyncio.Semaphore(READERS)
    named = sorted({ref for resource in resources for ref in (resource.ref, *resource.needs)})
    reading = (
        asyncio.ensure_future(_gated(gate, lambda: arm.get(""))),
        asyncio.ensure_future(_serving(arm, gate)),
        asyncio.ensure_future(_assets(arm, gate, named, prune=prune)),
    )
    try:
        workspace, serving, assets = await asyncio.gather(*reading)
    finally:
        await _ended(reading)
    if workspace is None:
        raise NotFound(f"workspace {arm.target.workspace} does not exist in {arm.target.resource_group}", status=404)
    return Live(workspace, serving | assets)


async def read_assets(arm: Arm, refs: Iterable[Ref]) -> dict[Ref, Body]:
    """The asset versions of these refs; what does not exist is left out."""
    return await _assets(arm, asyncio.Semaphore(READERS), sorted(refs), prune=False)


async def _gated(gate: asyncio.Semaphore, call: Callable[[], Awaitable[T]]) -> T:
    async with gate:
        return await call()


async def _serving(arm: Arm, gate: asyncio.Semaphore) -> dict[Ref, Body]:
    endpoints = {Ref("endpoint", body["name"].lower()): body for body in await arm.list("/onlineEndpoints")}

    async def deployments(endpoint: str) -> dict[Ref, Body]:
        path = f"/onlineEndpoints/{endpoint}/deployments"
        found = await _gated(gate, lambda: _listed(arm, path))
        return {Ref("deployment", endpoint.lower(), body["name"].lower()): body for body in found}

    return endpoints | await _joined(deployments(body["name"]) for body in endpoints.values())


async def _assets(arm: Arm, gate: asyncio.Semaphore, named: Iterable[Ref], *, prune: bool) -> dict[Ref, Body]:
    async def one(ref: Ref) -> dict[Ref, Body]:
        body = await _gated(gate, lambda: arm.get(arm_path(ref)))
        return {} if body is None else {ref: body}

    async def versions(kind: KindName, name: str) -> dict[Ref, Body]:
        path = f"/{ASSET_CONTAINERS[kind]}/{name}/versions"
        found = await _gated(gate, lambda: _listed(arm, path))
        return {Ref(kind, name, body["name"]): body for body in found}

    async def containers(kind: KindName) -> dict[Ref, Body]:
        found = await _gated(gate, lambda: arm.list(f"/{ASSET_CONTAINERS[kind]}"))
        return await _joined(versions(kind, body["name"]) for body in found)

    single = [ref for ref in named if ref.kind in ASSET_CONTAINERS]
    everything: list[KindName] = ["model", "environment"] if prune else []
    listed = await _joined(containers(kind) for kind in everything)
    return listed | await _joined(one(ref) for ref in single if ref not in listed)


async def _listed(arm: Arm, path: str) -> list[Body]:
    """What lies below something that was there a moment ago. Raises Unavailable when it is gone: read all anew."""
    try:
        return await arm.list(path)
    except NotFound as error:
        raise Unavailable(f"{path}: deleted by another hand while it was read") from error


async def _joined(calls: Iterable[Awaitable[dict[Ref, Body]]]) -> dict[Ref, Body]:
    """Run all, fail with the first that fails, merge what they found."""
    joined: dict[Ref, Body] = {}
    reading = [asyncio.ensure_future(call) for call in calls]
    try:
        for part in await asyncio.gather(*reading):
            joined |= part
    finally:
        await _ended(reading)
    return joined


async def _ended(reading: Iterable[asyncio.Future[Any]]) -> None:
    """When one read failed, the others end too: nothing is sent any more once the reader has raised."""
    for one in reading:
        one.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
