"""The loop as a whole: commits come and go, things break, a stop is heard, and what must not be written is not."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from forge_stub import forge_stub
from watched import FolderSource
from watched_shop import (
    BLUE,
    KEY,
    Through,
    drift,
    edit,
    in_time,
    others_at_work,
    remembered,
    slowed,
    unanswered,
    until,
)

from reconciler.cli.run import _Stores
from reconciler.errors import SignatureRefused, SourceError, SourceUnavailable, StateError
from reconciler.notify.rules import LASTING_PASSES
from reconciler.notify.telling import Teller
from reconciler.watch.environment import Environment
from reconciler.watch.loop import Loop
from reconciler.watch.metrics import Metrics
from reconciler.watch.observer import Telling
from reconciler.watch.vitals import Vitals
from schemas.loop import Loop as Settings


def looped(shop, source=None, **world):
    return Loop(source or shop.source, lambda loop: replace(shop.world, refresh=loop.refresh, **world))


@asynccontextmanager
async def running(loop):
    """The loop as a task. It ends when it is told to stop, whatever happened to it."""
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        loop.stop()
        await in_time(task)


async def committed(shop, loop, revision, old="", new="", file="base/all.yml"):
    """A commit, and the look that finds it."""
    edit(shop, old, new, revision, file) if old else shop.source.commit(revision)
    shop.clock.now_s += 1
    await loop.look()


async def ended(environment):
    await environment.close()
    return environment.verdict


class Diffing(FolderSource):
    """A source that knows what changed: ``paths`` by commit, and what it was asked to keep. ``broken`` is raised."""

    def __init__(self, root):
        super().__init__(root)
        self.paths, self.kept, self.broken = {}, [], None

    async def paths_between(self, before, after):
        if self.broken:
            raise self.broken
        return self.paths.get(after.revision)

    async def keep(self, checkouts):
        self.kept.append([checkout.revision for checkout in checkouts])


class Silent(FolderSource):
    """A source that does not answer any more once ``silent`` is set."""

    def __init__(self, root):
        super().__init__(root)
        self.silent, self.asked = False, asyncio.Event()

    async def latest(self):
        if self.silent:
            self.asked.set()
            await asyncio.Event().wait()
        return await super().latest()


# -- environments come, go and break -----------------------------------------------------------------------------------


async def test_an_environment_that_left_and_came_back_goes_on_while_the_one_before_still_ends(shop):
    loop = looped(shop)
    gate, asked = unanswered(shop)
    async with running(loop):
        await asyncio.wait_for(asked.wait(), 20)
        before = loop.environments["test"]
        await committed(shop, loop, "r2", "environments:\n  test:", "environments:\n  other:", "gitops.yaml")
        assert set(loop.environments) == {"other"}
        await committed(shop, loop, "r3", "environments:\n  other:", "environments:\n  test:", "gitops.yaml")
        after = loop.environments["test"]
        assert after is not before
        gate.set()
        await until(lambda: before.verdict is not None)
        await committed(shop, loop, "r4")
        await until(lambda: after.verdict is not None and after.verdict.ready)
        assert remembered(shop).applied_revision == "r4"


async def test_an_environment_that_breaks_is_started_again(shop, caplog):
    broken = asyncio.Event()

    def now():
        if broken.is_set() and asyncio.current_task().get_name() == "test":
            broken.clear()
            raise OSError("the clock broke")
        return shop.clock.now_s

    loop = looped(shop, now=now)
    async with running(loop):
        await until(lambda: shop.hearing.passes)
        environment = loop.environments["test"]
        await until(lambda: shop.store.leases == {})
        broken.set()
        environment.force()
        await until(lambda: "an environment broke" in caplog.text)
        passes = len(shop.hearing.passes)
        await committed(shop, loop, "r2")
        await until(lambda: len(shop.hearing.passes) > passes)
        assert loop.environments["test"] is environment
        assert shop.last.revision == "r2"


async def test_a_session_that_fails_to_close_breaks_nothing(shop, caplog):
    @asynccontextmanager
    async def session(connection, *, budget, fence):
        async with shop.world.session(connection, budget=budget, fence=fence) as arm:
            yield arm
        raise OSError("the connection was reset")

    gate, asked = slowed(shop)
    loop = looped(shop, session=session)
    async with running(loop):
        await asyncio.wait_for(asked.wait(), 20)
        await committed(shop, loop, "r2")  # The wait is left, and the session with it.
        await until(lambda: "the session did not close" in caplog.text)
        gate.set()
        await until(lambda: shop.hearing.passes and shop.last.verdict.ready)
        assert shop.last.revision == "r2"
    assert "an environment broke" not in caplog.text


async def test_metrics_of_an_environment_that_left_do_not_come_back_with_its_last_pass(shop):
    metrics = Metrics()
    observer = Telling(metrics, Teller(Settings(), lambda _: ""), Vitals(), shop.clock)
    loop = looped(shop, observer=observer)
    await loop.look()
    environment = loop.environments["test"]
    gate, asked = slowed(shop)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    assert 'environment="test"' in metrics.text().decode()
    await committed(shop, loop, "r2", "environments:\n  test:", "environments:\n  other:", "gitops.yaml")
    await in_time(passing)
    gate.set()
    assert (await ended(environment)).reason == "Interrupted"
    assert 'environment="test"' not in metrics.text().decode()


# -- state and project are what was started under ----------------------------------------------------------------------


MOVES = [
    ("environments:", "state: {folder: elsewhere}\nenvironments:", "`state`"),
    ("project: shop", "project: store", "`project`"),
]


@pytest.mark.parametrize(("old", "new", "names"), MOVES, ids=["state", "project"])
async def test_a_commit_that_moves_who_may_write_halts_all_writing_until_a_new_process(shop, old, new, names):
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    assert (await environment.pass_once()).ready
    await drift(shop)
    sent = len(shop.sent)
    await committed(shop, loop, "r2", old, new, "gitops.yaml")
    assert isinstance(loop.followed.problem, SourceError)
    for back in ("", "r3"):
        shop.clock.now_s += 600
        verdict = await environment.pass_once()
        assert (verdict.reason, verdict.stalled) == ("SourceFailed", True)
        assert names in verdict.message
        assert len(shop.sent) == sent
        if not back:  # Going back is no way out either: others may have been started meanwhile.
            await committed(shop, loop, "r3", new, old, "gitops.yaml")
    await environment.close()
    started = looped(shop)
    verdicts = await started.once()
    assert verdicts["test"].ready
    assert shop.writes[-1] == ("PATCH", f"ws-emulator{BLUE}")


async def test_a_pass_under_way_is_ended_by_a_commit_that_moves_the_state(shop):
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    gate, asked = slowed(shop)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    writes = len(shop.writes)
    await committed(shop, loop, "r2", *MOVES[0][:2], "gitops.yaml")
    await in_time(passing)
    gate.set()
    assert (await environment.pass_once()).reason == "SourceFailed"
    assert len(shop.writes) == writes
    await environment.close()


async def test_state_in_a_folder_of_the_clone_is_refused_and_an_absolute_one_is_not(shop, tmp_path):
    stores = _Stores(followed=True)
    loop = looped(shop, store=stores.of)
    await loop.look()
    environment = loop.environments["test"]
    verdict = await environment.pass_once()
    assert (verdict.reason, verdict.stalled, shop.sent) == ("SourceFailed", True, [])
    assert "absolute" in verdict.message
    await environment.close()
    state = f"state: {{folder: {tmp_path / 'state'}}}\nenvironments:"
    edit(shop, "environments:", state, "r2", "gitops.yaml")
    verdicts = await looped(shop, store=stores.of).once()
    assert verdicts["test"].ready
    await stores.close()


async def test_state_in_a_folder_beside_a_working_copy_may_be_relative(shop):
    stores = _Stores(followed=False)
    verdicts = await looped(shop, store=stores.of).once()
    assert verdicts["test"].ready
    await stores.close()


# -- the source --------------------------------------------------------------------------------------------------------


async def test_the_same_trouble_in_other_words_forces_no_pass(shop):
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    await environment.pass_once()
    forced = []
    for problem in (
        SourceUnavailable("failed to connect after 3 ms"),
        SourceUnavailable("failed to connect after 4 ms"),
        SignatureRefused("r2 is not signed"),
        SignatureRefused("r2 is not signed"),
        SignatureRefused("r3 is not signed"),
    ):
        shop.source.failing = problem
        shop.clock.now_s += 1
        await loop.look()
        forced.append(environment.due_at == 0.0)
        if forced[-1]:
            await environment.pass_once()
            assert environment.due_at > shop.clock.now_s
    assert forced == [True, False, True, False, True]
    await environment.close()


async def test_a_commit_whose_paths_cannot_be_told_is_passed_at_once_when_they_can(shop):
    source = Diffing(shop.source.checkout.root)
    shop.source = source
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    await environment.pass_once()
    source.broken = SourceError("git diff-tree did not answer")
    await committed(shop, loop, "r2", "description: one", "description: two")
    assert loop.followed.problem is source.broken
    await environment.pass_once()
    assert shop.last.revision == "r1"
    assert environment.due_at > shop.clock.now_s
    source.broken = None
    shop.clock.now_s += 1
    await loop.look()
    assert environment.due_at == 0.0
    await environment.pass_once()
    assert (shop.last.revision, shop.last.verdict.reason) == ("r2", "Applied")
    await environment.close()


async def test_a_commit_whose_paths_were_told_late_ends_the_wait_for_the_one_before(shop):
    source = shop.source = Diffing(shop.source.checkout.root)
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    gate, asked = slowed(shop)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    source.broken = SourceError("git diff-tree did not answer")
    await committed(shop, loop, "r2", "description: one", "description: two")
    assert not passing.done()
    source.broken = None
    shop.clock.now_s += 1
    await loop.look()
    assert (await in_time(passing)).reason == "Interrupted"
    gate.set()
    shop.clock.now_s += 60
    assert (await in_time(environment.pass_once())).ready
    assert shop.last.revision == "r2"
    await environment.close()


async def test_what_a_slow_pass_reads_after_it_looked_anew_is_kept(shop):
    root = shop.source.checkout.root
    source = shop.source = Diffing(root)
    edit(shop, "environments:\n", "environments:\n  other: {target: {emulator: .e}, network: managed_vnet}\n", "r1", "gitops.yaml")  # fmt: skip  # noqa: E501
    source.paths = dict.fromkeys(("r3", "r4"), frozenset({"overlays/other/x.yml"}))
    loop = looped(shop)
    await loop.look()
    environment = loop.environments["test"]
    await environment.pass_once()
    # Another replica passed a commit that this one does not know: it looks anew within its pass, and finds r2.
    shop.store.documents[KEY] = replace(remembered(shop), revision="r0").to_json()
    _, asked = slowed(shop)
    edit(shop, "MODE: fast", "MODE: slow", "r2")
    shop.clock.now_s += 60
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(asked.wait(), 20)
    for revision in ("r3", "r4"):
        await committed(shop, loop, revision)
    assert set(source.kept[-1]) == {"r2", "r3", "r4"}
    assert not passing.done()
    loop.stop()
    await in_time(passing)
    assert shop.last.revision == "r2"
    for one in loop.environments.values():
        await one.close()


# -- the stop is heard -------------------------------------------------------------------------------------------------


async def test_a_stop_is_heard_while_the_source_hangs(shop):
    source = Silent(shop.source.checkout.root)
    source.silent = True
    loop = looped(shop, source)
    async with running(loop) as task:
        await asyncio.wait_for(source.asked.wait(), 20)
        loop.stop()
        await in_time(task)
    assert loop.environments == {}


async def test_a_stop_is_heard_by_a_pass_that_waits_for_the_source(shop):
    source = Silent(shop.source.checkout.root)
    loop = looped(shop, source)
    await loop.look()
    environment = loop.environments["test"]
    await environment.pass_once()
    shop.store.documents[KEY] = replace(remembered(shop), revision="r0").to_json()
    source.silent = True
    shop.clock.now_s += 60
    sent = len(shop.sent)
    passing = asyncio.create_task(environment.pass_once())
    await asyncio.wait_for(source.asked.wait(), 20)
    loop.stop()
    await in_time(passing)
    assert len(shop.sent) == sent
    await environment.close()


@pytest.mark.parametrize("when", ["orders", "session"])
async def test_a_stop_is_heard_before_the_session_is_open(shop, when):
    gate = await others_at_work(shop)

    async def orders(name):
        if when == "orders":
            environment.stop()
        return await shop.store.orders(name)

    @asynccontextmanager
    async def session(connection, *, budget, fence):
        if when == "session":
            environment.stop()
        async with shop.world.session(connection, budget=budget, fence=fence) as arm:
            yield arm

    store = Through(shop.store, orders=orders)
    environment = Environment("test", replace(shop.world, store=lambda _: store, session=session))
    environment.see(shop.revision, at_once=True)
    verdict = await in_time(environment.pass_once())
    assert not gate.is_set()
    assert not verdict.ready
    await environment.close()
    gate.set()


# -- what people hear --------------------------------------------------------------------------------------------------


async def test_a_state_that_lasts_unreachable_is_told_once_and_asked_less_and_less_often(shop):
    async with forge_stub() as stub:
        settings = Settings.model_validate({"notifications": [{"type": "webhook", "url": {"env": "hook"}}]})
        delivered = []
        teller = Teller(settings, lambda _: f"{stub.url}/hook/webhook", lambda *result: delivered.append(result))
        world = replace(shop.world, observer=Telling(Metrics(), teller, Vitals(), shop.clock))
        await shop.refresh(0)
        environment = Environment("test", world)
        environment.see(shop.revision, at_once=True)
        shop.store.failing = StateError("the container does not answer")
        pauses = []
        for number in range(1, 13):
            assert (await environment.pass_once()).reason == "StateUnavailable"
            pauses.append(environment.due_at - shop.clock.now_s)
            shop.clock.now_s = environment.due_at
            if number == LASTING_PASSES:
                await until(lambda: delivered)
            else:
                assert len(delivered) == (number > LASTING_PASSES)
        await teller.close()
        assert delivered == [("webhook", "delivered")]
        assert len(stub.hooks("webhook")) == 1
        longest = shop.world.settings.retry.longest_s
        assert pauses == [min(5.0 * 2**number, longest) for number in range(12)]
        await environment.close()
