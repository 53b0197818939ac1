"""Sync windows: when an environment may be written to. Pure; the time comes from the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.project import SyncWindow


@cache
def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called '{name}'") from error


def problem_of(window: SyncWindow) -> tuple[str, str] | None:
    """The field of a window that its schema cannot judge, and what is wrong with it; None when nothing is."""
    try:
        zone_of(window.time_zone)
    except ValueError as error:
        return "time_zone", str(error)
    try:
        _next(window, datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, StopIteration) as error:
        return "schedule", str(error) or "it never opens"
    return None


def closed_because(windows: Sequence[SyncWindow], now: datetime) -> str:
    """Why nothing may be written at ``now`` (aware), and when that ends; empty when writes are allowed.

    A ``deny`` window wins over every ``allow``. Outside of all windows writes are allowed, unless there is an
    ``allow`` window: then only inside of one.
    """
    denied = [window for window in windows if window.kind == "deny" and (_ends(window, now))]
    if denied:
        end = max(end for window in denied if (end := _ends(window, now)))
        return f"a deny window ({denied[0].schedule} {denied[0].time_zone}) is open until {_text(end)}"
    allowed = [window for window in windows if window.kind == "allow"]
    if not allowed or any(_ends(window, now) for window in allowed):
        return ""
    return f"no allow window is open before {_text(min(_next(window, now) for window in allowed))}"


def _ends(window: SyncWindow, now: datetime) -> datetime | None:
    """When the window that is open at ``now`` ends; None when it is not open."""
    lasts = timedelta(minutes=window.duration_minutes)
    begin, end = _next(window, now - lasts), None
    while begin <= now:
        end = begin + lasts
        begin = _next(window, begin)
    return end


def _next(window: SyncWindow, after: datetime) -> datetime:
    """The first opening strictly after ``after``, in UTC. Lengths are real time, also when clocks are set."""
    return next(CronSim(window.schedule, after.astimezone(zone_of(window.time_zone)))).astimezone(UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
