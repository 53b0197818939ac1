"""When an environment may be written to."""

from datetime import UTC, datetime

import pytest

from reconciler.windows import closed_because, problem_of
from schemas.project import SyncWindow


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(kind="allow", schedule="0 22 * * 1-5", minutes=480, zone="Europe/Amsterdam"):
    return SyncWindow(kind=kind, schedule=schedule, duration_minutes=minutes, time_zone=zone)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-11-20T20:59:59", False),  # Friday; Amsterdam is an hour ahead in winter
        ("2026-11-20T21:00:00", True),
        ("2026-11-21T04:59:59", True),
        ("2026-11-21T05:00:00", False),
        ("2026-11-21T21:30:00", False),  # Saturday
        ("2026-07-03T20:00:00", True),  # two hours ahead in summer
        ("2026-07-03T19:59:59", False),
    ],
)
def test_an_allow_window_opens_and_closes_by_its_own_clock(moment, open_):
    assert (closed_because([window()], at(moment)) == "") is open_


def test_without_windows_writes_are_allowed():
    assert closed_because([], at("2026-11-20T12:00:00")) == ""


def test_outside_of_a_deny_window_alone_writes_are_allowed():
    freeze = window("deny", "0 0 24 12 *", 60 * 24 * 3, "UTC")
    assert closed_because([freeze], at("2026-12-23T23:59:00")) == ""
    assert "deny window" in closed_because([freeze], at("2026-12-25T12:00:00"))
    assert "until 2026-12-27 00:00 UTC" in closed_because([freeze], at("2026-12-25T12:00:00"))


def test_a_deny_window_wins_over_an_allow_window():
    always = window("allow", "* * * * *", 5, "UTC")
    freeze = window("deny", "0 12 * * *", 60, "UTC")
    assert closed_because([always, freeze], at("2026-11-20T11:59:00")) == ""
    assert closed_because([always, freeze], at("2026-11-20T12:30:00")) != ""


def test_it_says_when_the_next_one_opens():
    assert (
        closed_because([window()], at("2026-11-21T12:00:00")) == "no allow window is open before 2026-11-23 21:00 UTC"
    )


def test_a_length_is_real_time_when_the_clocks_are_set_back():
    night = window("allow", "0 2 * * *", 120, "Europe/Amsterdam")
    # On 2026-10-25 the hour from 2 to 3 comes twice: open for two hours all the same.
    opened = [m for m in range(0, 360, 10) if not closed_because([night], at(f"2026-10-2{4 + (m + 1320) // 1440}T{(22 + m // 60) % 24:02}:{m % 60:02}:00"))]  # fmt: skip  # noqa: E501
    assert len(opened) == 12


@pytest.mark.parametrize(
    ("made", "field", "says"),
    [
        (window(schedule="x"), "schedule", "Wrong number of fields"),
        (window(schedule="0 0 31 2 *"), "schedule", "Bad day-of-month"),
        (window(schedule="99 * * * *"), "schedule", "Bad minute"),
        (window(zone="Mars/Olympus"), "time_zone", "no time zone is called 'Mars/Olympus'"),
        (window(zone="../../etc/passwd"), "time_zone", "no time zone is called"),
    ],
)
def test_what_is_wrong_with_a_window_is_said(made, field, says):
    found, message = problem_of(made)
    assert found == field
    assert says in message


def test_nothing_is_wrong_with_a_window_that_opens():
    assert problem_of(window()) is None
