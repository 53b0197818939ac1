"""How long a lease is ours without asking anybody. Once lost, it stays lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from reconciler.errors import LeaseLost
from reconciler.state.fence import set_fence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)


class Deadline:
    """The time until which one lease surely holds; ``fence_file`` is kept in step for child processes."""

    def __init__(self, environment: str, fence_file: Path, clock: Callable[[], float]) -> None:
        self.fence_file = fence_file
        self._environment = environment
        self._clock = clock
        self._until_s = 0.0
        self._lost = ""

    def until(self) -> float:
        """The deadline in seconds of the clock; 0 once the lease is lost."""
        return 0.0 if self._lost else self._until_s

    def begin(self, until_s: float) -> None:
        """Set the first deadline."""
        self._move(until_s)

    def extend(self, until_s: float) -> None:
        """Move the deadline, never back. Raises LeaseLost when it has passed: another may have been in between."""
        self.check()
        if until_s > self._until_s:
            self._move(until_s)

    def check(self) -> None:
        """Raise LeaseLost unless the deadline lies ahead."""
        if not self._lost and self._clock() >= self._until_s:
            self.lose("it could not be renewed in time")
        if self._lost:
            raise self.lose("")

    def lose(self, reason: str) -> LeaseLost:
        """From now on the lease is lost, for the first reason given. Returns the error to raise."""
        if not self._lost:
            self._lost = reason
            self.fence_file.unlink(missing_ok=True)
        return LeaseLost(f"the lease of {self._environment} is lost: {self._lost}; nothing more is written")

    def _move(self, until_s: float) -> None:
        self._until_s = until_s
        try:
            set_fence(self.fence_file, until_s)
        except OSError as error:  # Children stop at the earlier deadline: late, but never wrong.
            log.warning("fence file cannot be written", extra={"file": str(self.fence_file), "error": str(error)})
