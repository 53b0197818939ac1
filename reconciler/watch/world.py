"""What the environments of one loop share, and who hears of what they do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import random
from typing import TYPE_CHECKING, Literal, Protocol

from reconciler.arm.client import connect
from reconciler.connection import connection_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from reconciler.arm.budget import Budget
    from reconciler.arm.client import Arm, Connection
    from reconciler.domain import Action, Outcome, Plan, Report
    from reconciler.state.store import Store
    from reconciler.watch.memory import Memory
    from reconciler.watch.revision import Revision
    from reconciler.watch.verdict import Verdict
    from schemas.loop import Loop as Settings
    from schemas.project import ProjectEnvironment


HeldBy = Literal["us", "another", "nobody"]


class Observer(Protocol):
    """Hears what becomes of passes: metrics, messages, marks on commits. It must not raise, nor take long."""

    def began(self, environment: str, revision: str, memory: Memory) -> Memory:
        """A pass has begun; the pass goes on from the memory that is returned."""

    def passed(self, passed: Passed, memory: Memory) -> Memory:
        """A pass ended; the memory that is returned is what will be remembered."""

    def held(self, environment: str, by: HeldBy) -> None:
        """Whose lease the environment is under now; nobody's also when the store could not be asked."""

    def kept(self, environments: Collection[str]) -> None:
        """These are reconciled from now on, and no others."""

    def lost(self, environment: str) -> None:
        """The lease was lost in the middle of a pass."""

    def started(self, environment: str, action: Action) -> None:
        """The first request of an action is about to be sent."""

    def ended(self, environment: str, outcome: Outcome) -> None:
        """An action ended."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One pass: on which revision, what it came to, and the plan and report as far as it came.

    ``reads`` and ``writes`` are requests; ``budget`` is what the ``subscription`` has left, by operation.
    """

    environment: str
    project: str
    revision: str
    verdict: Verdict
    seconds: float = 0.0
    plan: Plan | None = None
    report: Report | None = None
    reads: int = 0
    writes: int = 0
    subscription: str = ""
    budget: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """What the environments of one loop share. ``refresh`` looks at the source anew and returns the newest revision.

    ``orders_every_s`` is how soon an apply under way heeds a suspension.
    """

    settings: Settings
    holder: str
    store: Callable[[Revision], Store]
    budget: Callable[[str], Budget]
    refresh: Callable[[float], Awaitable[Revision | None]]
    observer: Observer
    connection: Callable[[ProjectEnvironment, Path], Connection] = connection_to
    session: Callable[..., AbstractAsyncContextManager[Arm]] = connect
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random
    orders_every_s: float = 5.0

    def pause_s(self, seconds: float) -> float:
        """A pause, varied by the jitter so that replicas and environments spread out."""
        spread = self.settings.jitter_percent / 100
        return seconds * (1 - spread + 2 * spread * self.chance())

    def retry_s(self, failures: int) -> float:
        """The pause after that many failures in a row."""
        retry = self.settings.retry
        return min(self.pause_s(retry.first_s * 2.0 ** min(failures - 1, 30)), retry.longest_s)

    @property
    def longest_s(self) -> float:
        """No pause is longer; what seems to be comes from a clock that was set."""
        return 2.0 * max(self.settings.interval_s, self.settings.retry.longest_s)
