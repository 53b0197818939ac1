"""A clock that goes on while the process is stopped and while the machine sleeps."""

from __future__ import annotations

import time


def awake_and_asleep_s() -> float:
    """Seconds since some fixed moment, time asleep included: of use only for differences on one machine.

    ``time.monotonic()`` stands still on Linux while the machine is suspended (clock_gettime(2)), so a lease that
    ended meanwhile would seem to last.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_MONOTONIC"):  # On macOS this one goes on in sleep, unlike time.monotonic().
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()
