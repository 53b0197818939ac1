"""Whether the loop is alive and whether it is ready, for probes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SILENCE_S = 60.0
"""A loop that gives no sign of life for so long hangs."""


class Vitals:
    """What the loop tells about itself. ``now`` is a clock in seconds that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last_s = now()
        self._source_read = False
        self._store_reached = False

    def beat(self) -> None:
        """Give a sign of life: call it every few seconds."""
        self._last_s = self._now()

    def source_read(self) -> None:
        """Tell that the source was read once."""
        self._source_read = True

    def store_reached(self) -> None:
        """Tell that the store was reached once."""
        self._store_reached = True

    def hangs(self) -> str:
        """Why the process should be restarted; empty while the loop is alive."""
        silent_s = self._now() - self._last_s
        return f"no sign of life for {silent_s:.0f} s" if silent_s > LONGEST_SILENCE_S else ""

    def not_ready(self) -> str:
        """What has not worked even once; empty as soon as all has. What fails later is told by conditions."""
        missing = (
            ("the source was not read yet", self._source_read),
            ("the store was not reached yet", self._store_reached),
        )
        return "; ".join(reason for reason, done in missing if not done)
