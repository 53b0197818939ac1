from __future__ import annotations

import asyncio

import pytest

from aml_emulator.dataplane.admission import Admission, TooManyPending


async def hold(admission: Admission, log: list[int], number: int, release: asyncio.Event) -> None:
    async with admission.enter():
        log.append(number)
        await release.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_limit_runs_as_many_wait_in_order_and_one_more_is_turned_away():
    admission, entered, release = Admission(2), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, entered, number, release)) for number in range(4)]
    await settle()
    assert entered == [0, 1]
    with pytest.raises(TooManyPending):
        async with admission.enter():
            pass
    release.set()
    await asyncio.gather(*tasks)
    assert entered == [0, 1, 2, 3]


async def test_a_waiter_that_gives_up_frees_its_place_and_one_that_fails_too():
    admission, entered, release = Admission(1), [], asyncio.Event()
    running = asyncio.create_task(hold(admission, entered, 0, release))
    waiting = asyncio.create_task(hold(admission, entered, 1, release))
    await settle()
    waiting.cancel()
    await settle()
    next_one = asyncio.create_task(hold(admission, entered, 2, release))
    await settle()
    assert not next_one.done()
    release.set()
    await asyncio.gather(running, next_one)
    with pytest.raises(ZeroDivisionError):
        async with admission.enter():
            _ = 1 / 0
    await asyncio.wait_for(admission.drained(), 1)


async def test_drained_waits_for_the_last_one_and_at_rest_for_nobody():
    admission, release = Admission(1), asyncio.Event()
    await asyncio.wait_for(admission.drained(), 1)
    tasks = [asyncio.create_task(hold(admission, [], number, release)) for number in range(2)]
    await settle()
    drained = asyncio.create_task(admission.drained())
    await settle()
    assert not drained.done()
    release.set()
    await asyncio.gather(*tasks)
    await asyncio.wait_for(drained, 1)
