"""What happens to a loop from outside, each thing once in so many passes, one after the other."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import Counter
from typing import TYPE_CHECKING

from soaked_shop import ENVIRONMENTS, PROJECT

from reconciler.errors import LeaseHeld
from reconciler.state.folder import FolderStore
from reconciler.watch.orders import resumed, suspended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from region import Region
    from soaked_shop import Shop

    from reconciler.watch.loop import Loop

FAULTS = 0.01
OUTAGE_S = 4.0
HELD_S = 0.3
SUSPENDED_S = 1.5
NOT_THERE_S = 1.5


class BadDays:
    """Everything that goes on beside the loop. ``door`` is where the loop listens, ``secret`` that of its webhooks."""

    def __init__(self, loop: Loop, region: Region, shop: Shop, state: Path, door: str, secret: str) -> None:
        self.happened: Counter[str] = Counter()
        self.metrics = b""
        self._loop, self._region, self._shop = loop, region, shop
        self._state, self._door, self._secret = state, door, secret
        self._turn = 0
        every: dict[int, Callable[[], Awaitable[None]]] = {
            20: self.commit,
            13: self._drift,
            50: self._scrape,
            61: self._lease_lost,
            110: self._order,
            170: self._lease_held,
            200: self._outage,
            250: self._source_gone,
        }
        self._every = every
        self._next = dict(zip(every, every, strict=True))

    async def after(self, passes: int) -> None:
        """Do what is due after so many passes."""
        for every, act in self._every.items():
            if passes >= self._next[every]:
                self._next[every] = passes + every
                self._turn += 1
                await act()

    @property
    def _environment(self) -> str:
        return ENVIRONMENTS[self._turn % len(ENVIRONMENTS)]

    async def commit(self) -> None:
        about = await asyncio.to_thread(self._shop.commit)
        self.happened[f"commits: {about}"] += 1
        await self.push()

    async def push(self) -> None:
        """Tell the loop by its webhook."""
        body = b'{"ref": "refs/heads/main", "after": "' + b"a" * 40 + b'"}'
        signature = "sha256=" + hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
        await self._ask("POST", "/webhooks/github", body, headers)

    async def _scrape(self) -> None:
        self.metrics = await self._ask("GET", "/metrics")
        await self._ask("GET", "/healthz")

    async def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        import aiohttp

        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{self._door}{path}", data=body or None, headers=headers) as answer,
        ):
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path} was answered with {answer.status}")
            return await answer.read()

    async def _drift(self) -> None:
        adder = f"/onlineEndpoints/adder-{self._environment}"
        match self._turn % 3:
            case 0:
                self._region.touch(
                    self._environment,
                    "PATCH",
                    f"{adder}/deployments/green",
                    {"sku": {"name": "Default", "capacity": 7}},
                )
                self.happened["drift: capacity"] += 1
            case 1:
                traffic = {"properties": {"traffic": {"green": 100}}}
                self._region.touch(self._environment, "PATCH", adder, {"tags": {"who": "me"}, **traffic})
                self.happened["drift: tags"] += 1
            case _:
                self._region.touch(self._environment, "DELETE", f"/onlineEndpoints/extra-{self._environment}")
                self.happened["drift: deleted"] += 1

    async def _lease_lost(self) -> None:
        """Somebody removes the file of a lease that is held."""
        file = self._state / PROJECT / self._environment / "lease"
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            if file.exists() and file.stat().st_size:
                file.unlink()
                self.happened["leases taken away"] += 1
                return
            await asyncio.sleep(0.001)

    async def _lease_held(self) -> None:
        """Another process has the environment for a while."""
        try:
            async with FolderStore(self._state).lease(f"{PROJECT}/{self._environment}", "another"):
                await asyncio.sleep(HELD_S)
            self.happened["leases held by another"] += 1
        except LeaseHeld:
            self._next[170] -= 169

    async def _order(self) -> None:
        store, name = FolderStore(self._state), f"{PROJECT}/{self._environment}"
        await store.order(name, lambda orders: suspended(orders, ("deployment/*",), "soak"))
        await asyncio.sleep(SUSPENDED_S)
        await store.order(name, lambda orders: resumed(orders, (), str(time.time())))
        self.happened["suspended and resumed"] += 1

    async def _outage(self) -> None:
        """Nothing in Azure answers as it should."""
        self._region.fail(1.0)
        await asyncio.sleep(OUTAGE_S)
        self._region.fail(FAULTS)
        self.happened["outages"] += 1

    async def _source_gone(self) -> None:
        away = self._shop.bare.with_name("away")
        self._shop.bare.rename(away)
        await self.push()
        await asyncio.sleep(NOT_THERE_S)
        away.rename(self._shop.bare)
        await self.push()
        self.happened["repository gone"] += 1

    async def good_again(self) -> str:
        """No more faults, no orders, and a commit as it should be; its hash."""
        self._region.fail(0.0)
        store = FolderStore(self._state)
        for environment in ENVIRONMENTS:
            await store.order(f"{PROJECT}/{environment}", lambda orders: resumed(orders, (), str(time.time())))
        commit = await asyncio.to_thread(self._shop.settle)
        await self.push()
        return commit
