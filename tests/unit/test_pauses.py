"""How long the loop pauses: varied by chance within the jitter, doubled after failures, never beyond the limit."""

from types import SimpleNamespace

import pytest

from reconciler.watch.world import World
from schemas.loop import Loop


def world(chance, **settings):
    nothing = SimpleNamespace()
    return World(Loop.model_validate(settings), "one", nothing, nothing, nothing, nothing, chance=lambda: chance)


@pytest.mark.parametrize(("chance", "pause_s"), [(0.0, 90.0), (0.5, 100.0), (1.0, 110.0)])
def test_a_pause_varies_by_the_jitter(chance, pause_s):
    assert world(chance, jitter_percent=10).pause_s(100) == pytest.approx(pause_s)


def test_without_jitter_a_pause_is_what_it_is():
    assert world(0.9, jitter_percent=0).pause_s(100) == pytest.approx(100)


def test_pauses_after_failures_double_up_to_the_limit():
    found = [world(0.5).retry_s(failures) for failures in (1, 2, 3, 7, 8, 1000)]
    assert found == pytest.approx([5, 10, 20, 300, 300, 300])


def test_no_pause_after_a_failure_is_longer_than_the_limit_by_chance():
    assert world(1.0, jitter_percent=50).retry_s(1000) == 300
