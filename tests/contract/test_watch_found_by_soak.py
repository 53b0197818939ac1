"""What 2,000 passes on bad days found, made small."""

import asyncio

import pytest
import worlds
from in_process import Faults, Transport, apply_of, connection_of, wanted_of
from memory_store import MemoryStore
from watched import Clock, Cloud, FolderSource, Process

from reconciler.arm.client import connect
from reconciler.errors import ArmError, SourceUnavailable, Unavailable
from reconciler.live import read

PROJECT = {
    name: {
        "auth": "key",
        "description": "one",
        "tags": {},
        "traffic": {"blue": 100},
        "deployments": {
            "blue": {"mode": "fast", "count": 1, "model": "1", "code": "src", "timeout_ms": None, "tags": {}}
        },
    }
    for name in ("alpha", "beta")
}


@pytest.fixture
def cloud(tmp_path):
    worlds.write(tmp_path / "shop", PROJECT)
    with Cloud(tmp_path / "cloud") as cloud:
        yield cloud


class OneFails(Transport):
    """The list of models is refused; nothing else is ever answered."""

    async def send(self, request, **kwargs):
        if "/models?" in request.url:
            return await super().send(request, **kwargs)
        return await asyncio.Event().wait()


async def test_when_one_read_fails_the_others_end_before_the_reader_raises(cloud, tmp_path):
    transport = OneFails(cloud.service, faults=Faults(dict.fromkeys(range(100), "refused")))
    async with asyncio.timeout(20), connect(connection_of(cloud), transport=transport) as arm:
        wanted = wanted_of(arm, tmp_path / "shop")
        with pytest.raises(ArmError):
            await read(arm, wanted.resources, prune=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}


class DeletedMeanwhile(Transport):
    """Another hand deletes an endpoint right after the endpoints were listed."""

    def __init__(self, cloud):
        super().__init__(cloud.service)
        self.cloud = cloud

    async def send(self, request, **kwargs):
        if "/onlineEndpoints/alpha/deployments?" in request.url:
            await self.cloud.raw("DELETE", "/onlineEndpoints/alpha")
        return await super().send(request, **kwargs)


async def test_an_endpoint_that_is_deleted_while_it_is_read_is_no_failure_for_good(cloud, tmp_path):
    await apply_of(cloud, tmp_path / "shop")
    async with connect(connection_of(cloud), transport=DeletedMeanwhile(cloud)) as arm:
        wanted = wanted_of(arm, tmp_path / "shop")
        with pytest.raises(Unavailable, match=r"alpha.*deleted by another hand"):
            await read(arm, wanted.resources, prune=True)
        found = await read(arm, wanted.resources, prune=True)
    assert {str(ref) for ref in found.resources if ref.kind == "endpoint"} == {"endpoint/beta"}


async def test_a_commit_that_was_seen_is_applied_when_the_source_fails_right_after_it(cloud, tmp_path):
    clock, source = Clock(), FolderSource(tmp_path / "shop")
    process = Process(cloud, MemoryStore(clock), clock, source, "one")
    await process.look()
    await process.pass_when_due()
    source.commit("r2")
    await process.look()
    source.failing = SourceUnavailable("gone")
    await process.look()
    await process.pass_when_due()
    assert process.last.revision == "r2"
    assert process.last.verdict.reason == "SourceUnavailable"
    await process.environment.close()


async def test_a_commit_of_another_replica_that_cannot_be_had_is_not_undone(cloud, tmp_path):
    clock = Clock()
    store = MemoryStore(clock)
    ours, theirs = (FolderSource(tmp_path / "shop") for _ in range(2))
    one, two = Process(cloud, store, clock, ours, "one"), Process(cloud, store, clock, theirs, "two")
    await one.look()
    await one.pass_when_due()
    theirs.commit("r2")
    await two.look()
    await two.pass_when_due()
    assert two.last.revision == "r2"
    ours.failing = SourceUnavailable("gone")
    await one.look()
    sent = len(one.sent)
    await one.pass_when_due()
    assert len(one.sent) == sent
    for process in (one, two):
        await process.environment.close()
