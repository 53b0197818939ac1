"""The budget of requests: it follows what Azure tells, and waits before Azure says no."""

import asyncio
from types import SimpleNamespace

import pytest

from reconciler.arm.budget import Budget, Budgeted, operation_of


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def taken(budget, operation="reads", most=1000):
    count = 0
    while count < most and budget.wait_s(operation) == 0:
        count += 1
    return count


def test_a_full_bucket_and_then_its_refill(clock):
    budget = Budget(clock)
    assert taken(budget) == 250
    assert budget.wait_s("reads") == pytest.approx(1 / 25)
    clock.now_s += 2
    assert taken(budget) == 50


def test_operations_have_their_own_buckets(clock):
    budget = Budget(clock)
    assert taken(budget) == 250
    assert taken(budget, "writes") == 200
    assert taken(budget, "deletes") == 200


def test_what_azure_tells_counts_and_what_is_under_way_is_taken_off(clock):
    budget = Budget(clock)
    for _ in range(4):
        assert budget.wait_s("writes") == 0
    budget.ended("writes", told=10)
    assert taken(budget, "writes") == 7
    assert budget.remaining == {"writes": 10}


def test_a_larger_allowance_than_documented_is_believed(clock):
    budget = Budget(clock)
    budget.wait_s("reads")
    budget.ended("reads", told=11_999)
    assert taken(budget, most=12_000) == 11_999


def test_after_429_nothing_is_sent_until_azure_said(clock):
    budget = Budget(clock)
    budget.wait_s("writes")
    budget.ended("writes", retry_after_s=17)
    assert budget.wait_s("writes") == pytest.approx(17)
    assert budget.wait_s("reads") == 0
    clock.now_s += 17
    assert budget.wait_s("writes") == 0


@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("GET", "reads"),
        ("HEAD", "reads"),
        ("PUT", "writes"),
        ("PATCH", "writes"),
        ("POST", "writes"),
        ("DELETE", "deletes"),
    ],
)
def test_methods_and_buckets(method, operation):
    assert operation_of(method) == operation


class Answers:
    """What comes after the budget in the pipeline: every request is answered at once."""

    def __init__(self):
        self.answered = 0

    async def send(self, request):
        self.answered += 1
        return SimpleNamespace(http_response=SimpleNamespace(headers={}, status_code=200))


async def test_many_that_wait_wake_one_at_a_time(clock):
    budget, after, pauses, waiting = Budget(clock), Answers(), [], 0

    async def pause(seconds):
        nonlocal waiting
        waiting += 1
        assert waiting == 1
        pauses.append(seconds)
        await asyncio.sleep(0)
        clock.now_s += seconds + 1e-9  # As a real clock, it is never too early.
        waiting -= 1

    def request(method):
        policy = Budgeted(budget, pause)
        policy.next = after
        return policy.send(SimpleNamespace(http_request=SimpleNamespace(method=method)))

    assert taken(budget) == 250
    async with asyncio.timeout(20):
        await asyncio.gather(*(request("GET") for _ in range(400)))
    assert after.answered == 400
    assert len(pauses) == 400  # Each of them waking for each token would be 80,000.
    assert sum(pauses) == pytest.approx(400 / 25)


async def test_who_waits_for_reads_does_not_keep_writes_from_being_sent(clock):
    budget, after, gate, paused = Budget(clock), Answers(), asyncio.Event(), asyncio.Event()

    async def pause(seconds):
        paused.set()
        await gate.wait()
        clock.now_s += seconds

    def request(method):
        policy = Budgeted(budget, pause)
        policy.next = after
        return policy.send(SimpleNamespace(http_request=SimpleNamespace(method=method)))

    taken(budget)
    async with asyncio.timeout(20):
        reading = asyncio.ensure_future(request("GET"))
        await paused.wait()
        await request("PUT")
        await request("DELETE")
        assert not reading.done()
        gate.set()
        await reading
