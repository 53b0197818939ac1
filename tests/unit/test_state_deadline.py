"""A lease's deadline: what it allows, and that nothing brings a lost lease back."""

from pathlib import Path

import pytest

from reconciler.errors import LeaseLost
from reconciler.state.clock import awake_and_asleep_s
from reconciler.state.deadline import Deadline
from reconciler.state.fence import check_fence


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def deadline(clock, tmp_path):
    found = Deadline("shop/prod", tmp_path / "fence", clock)
    found.begin(110.0)
    return found


def test_before_its_begin_nothing_is_allowed(clock, tmp_path):
    with pytest.raises(LeaseLost):
        Deadline("shop/prod", tmp_path / "fence", clock).check()
    with pytest.raises(LeaseLost):
        check_fence(tmp_path / "fence", clock)


def test_it_holds_until_the_deadline_and_not_at_it(deadline, clock):
    clock.now_s = 109.9
    deadline.check()
    check_fence(deadline.fence_file, clock)
    clock.now_s = 110.0
    with pytest.raises(LeaseLost):
        check_fence(deadline.fence_file, clock)
    with pytest.raises(LeaseLost, match="lease of shop/prod is lost: it could not be renewed in time; nothing more"):
        deadline.check()


def test_it_moves_forward_and_never_back(deadline, clock):
    deadline.extend(120.0)
    deadline.extend(115.0)  # The answer to an earlier renewal, late.
    assert deadline.until() == 120.0
    clock.now_s = 119.0
    deadline.check()
    check_fence(deadline.fence_file, clock)


def test_a_renewal_that_is_granted_too_late_is_too_late(deadline, clock):
    clock.now_s = 111.0
    with pytest.raises(LeaseLost):
        deadline.extend(125.0)
    assert deadline.until() == 0
    with pytest.raises(LeaseLost):
        check_fence(deadline.fence_file, clock)


def test_what_is_lost_stays_lost_for_its_first_reason(deadline, clock):
    assert "somebody broke it" in str(deadline.lose("somebody broke it"))
    assert "somebody broke it" in str(deadline.lose("it was given back"))
    with pytest.raises(LeaseLost, match="somebody broke it"):
        deadline.check()
    with pytest.raises(LeaseLost, match="somebody broke it"):
        deadline.extend(200.0)
    assert not deadline.fence_file.exists()


def test_a_clock_that_was_late_once_is_not_believed_again(deadline, clock):
    clock.now_s = 110.5
    with pytest.raises(LeaseLost):
        deadline.check()
    clock.now_s = 100.0
    with pytest.raises(LeaseLost):
        deadline.check()


def test_a_fence_that_cannot_be_written_stops_children_and_not_the_holder(deadline, clock, caplog):
    deadline.fence_file.with_name("fence.new").mkdir()
    deadline.extend(120.0)
    clock.now_s = 115.0
    deadline.check()
    with pytest.raises(LeaseLost):
        check_fence(deadline.fence_file, clock)
    assert "fence file cannot be written" in caplog.text


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"until_s": "x", "pid": 1}', '{"until_s": null, "pid": 1}', "\x00"])
def test_a_fence_that_is_none_lets_nobody_write(tmp_path, text):
    (tmp_path / "fence").write_text(text)
    with pytest.raises(LeaseLost, match="given back"):
        check_fence(tmp_path / "fence")


@pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="only Linux tells")
def test_the_clock_counts_the_time_asleep():
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])  # Linux counts it in the same way.
    assert awake_and_asleep_s() == pytest.approx(uptime_s, abs=1)
