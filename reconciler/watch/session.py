"""The session of one environment with Azure: opened when it is needed first, kept from pass to pass."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from reconciler.arm.fence import Fence
from reconciler.errors import LeaseLost

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.arm.client import Arm
    from reconciler.state.store import Lease
    from reconciler.watch.world import World
    from schemas.project import ProjectEnvironment

log = logging.getLogger(__name__)


class Session:
    """``arm`` is None while it is not open."""

    def __init__(self, world: World) -> None:
        self.arm: Arm | None = None
        self._world = world
        self._stack = AsyncExitStack()
        self._target: object = None

    async def open(self, settings: ProjectEnvironment, root: Path, lease: Lease) -> Arm:
        """The open session, writing under ``lease``. Raises EmulatorError when its emulator is not running."""
        if self.arm is None or self._target != settings.target:
            await self.close()
            connection = self._world.connection(settings, root)
            session = self._world.session(
                connection, budget=self._world.budget(connection.target.subscription_id), fence=Fence()
            )
            self.arm = await self._stack.enter_async_context(session)
            self._target = settings.target
        self.arm.fence.check, self.arm.fence.file = lease.check, lease.fence_file
        return self.arm

    def shut(self) -> None:
        """Let nothing be written until the session is opened for the next pass."""
        if self.arm is not None:
            self.arm.fence.check = _nothing_more

    async def close(self) -> None:
        """End it; the next pass finds Azure anew. What fails while ending is told, and forgotten."""
        stack, self._stack, self.arm = self._stack, AsyncExitStack(), None
        try:
            await stack.aclose()
        except Exception:
            log.warning("the session did not close", exc_info=True)


def _nothing_more() -> None:
    raise LeaseLost("the pass is over")
