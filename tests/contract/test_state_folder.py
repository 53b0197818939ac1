"""What only a folder can do to us: crashes that leave half a line, people who remove files, full disks, other eyes."""

import asyncio
import json
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import LeaseHeld, LeaseLost, StateError
from reconciler.state import files
from reconciler.state.fence import check_fence
from reconciler.state.folder import FolderStore

ENVIRONMENT = "shop/prod"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def place(folder):
    return folder / "shop" / "prod"


async def test_only_its_owner_can_look_and_git_looks_away(folder, place):
    store = FolderStore(folder)
    async with store.lease(ENVIRONMENT, "host:1") as lease:
        await lease.save(b"x")
        await lease.record(b"x")
        await store.order(ENVIRONMENT, lambda _: {"*": "freeze"})
        told = json.loads((place / "lease").read_text())
        assert (told["holder"], told["epoch"]) == ("host:1", 1)
    assert (folder / ".gitignore").read_text() == "*\n"
    modes = {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
        if path.name != ".gitignore"
    }
    assert {mode for path, mode in modes.items() if (folder / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if (folder / path).is_file()} == {0o600}
    assert len(modes) > 8


async def test_half_a_line_of_a_crash_is_no_line_and_does_not_spoil_the_next(folder, place):
    store = FolderStore(folder, now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    async with store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b'{"pass": 1}')
    journal = place / "journal" / "2026-11.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"pass": 2, "rev' + b"x" * 10_000)
    assert await store.journal(ENVIRONMENT, 10) == (b'{"pass": 1}',)
    async with store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b'{"pass": 3}')
    assert await store.journal(ENVIRONMENT, 10) == (b'{"pass": 3}', b'{"pass": 1}')
    journal.write_bytes(b"torn from the first byte on")
    assert await store.journal(ENVIRONMENT, 10) == ()
    async with store.lease(ENVIRONMENT, "a") as lease:
        await lease.record(b'{"pass": 4}')
    assert journal.read_bytes() == b'{"pass": 4}\n'


async def test_the_journal_does_not_grow_without_bound(folder, place):
    store = FolderStore(folder, part_bytes=100, parts=3, now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    async with store.lease(ENVIRONMENT, "a") as lease:
        for number in range(100):
            await lease.record(b"%08d" % number)
    names = sorted(file.name for file in (place / "journal").iterdir())
    assert names == ["2026-11_008.jsonl", "2026-11_009.jsonl", "2026-11_010.jsonl"]
    lines = await store.journal(ENVIRONMENT, 1000)
    assert lines == tuple(b"%08d" % number for number in range(99, 99 - len(lines), -1))
    assert len(lines) == 23


async def test_a_document_is_replaced_whole_or_not_at_all(folder, place):
    store = FolderStore(folder)
    async with store.lease(ENVIRONMENT, "a") as lease:
        await lease.save(b"one")
        (place / "state.json.new").write_bytes(b"what a crash left")
        assert await store.memory(ENVIRONMENT) == b"one"
        before = (place / "state.json").stat().st_ino
        await lease.save(b"2")
        assert (place / "state.json").stat().st_ino != before
    assert await store.memory(ENVIRONMENT) == b"2"


async def test_who_finds_its_lock_removed_stops_before_another_can_start(folder, place):
    store = FolderStore(folder)
    async with store.lease(ENVIRONMENT, "a") as lease:
        (place / "lease").unlink()
        async with store.lease(ENVIRONMENT, "b") as second:
            assert second.epoch == 2
            with pytest.raises(LeaseLost, match="its file was removed"):
                await lease.save(b"a")
            with pytest.raises(LeaseLost):
                check_fence(lease.fence_file)
            await second.save(b"b")
            second.check()
    assert await store.memory(ENVIRONMENT) == b"b"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who waits")
async def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path):
    path = tmp_path / "lock"
    inside, stay = threading.Event(), threading.Event()

    def wait_for_it():
        with files.locked(path):
            inside.set()
            stay.wait(30)

    first = files.try_lock(path)
    inode = f":{path.stat().st_ino} "
    waiting = asyncio.create_task(asyncio.to_thread(wait_for_it))
    async with asyncio.timeout(30):
        while not any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()):
            await asyncio.sleep(0.01)
    path.unlink()
    os.close(first)
    assert await asyncio.to_thread(inside.wait, 30)
    assert files.try_lock(path) is None
    stay.set()
    await waiting


async def test_a_lost_lock_stays_lost_when_the_file_is_put_back(folder, place):
    async with FolderStore(folder).lease(ENVIRONMENT, "a") as lease:
        (place / "lease").rename(place / "aside")
        with pytest.raises(LeaseLost):
            lease.check()
        (place / "aside").rename(place / "lease")
        with pytest.raises(LeaseLost):
            lease.check()


async def test_the_note_of_one_that_died_names_nobody(folder, place):
    store = FolderStore(folder)
    async with store.lease(ENVIRONMENT, "a"):
        note = (place / "lease").read_bytes()
    assert (place / "lease").read_bytes() == b""
    (place / "lease").write_bytes(note)
    assert await store.holder(ENVIRONMENT) == ""
    (place / "lease").write_bytes(b"\xff{")
    handle = files.try_lock(place / "lease")
    with pytest.raises(LeaseHeld, match="by somebody"):
        async with store.lease(ENVIRONMENT, "b"):
            pytest.fail("held")
    os.close(handle)


async def test_what_people_broke_by_hand_is_named(folder, place):
    store = FolderStore(folder)
    await store.order(ENVIRONMENT, lambda _: {"*": "freeze"})
    for text in (b"{", b"[]", b'{"suspended": ["x"]}', b'{"suspended": {"x": 1}}', b"\xff"):
        (place / "orders.json").write_bytes(text)
        with pytest.raises(StateError, match=r"shop/prod/orders.json cannot be read: wanted"):
            await store.orders(ENVIRONMENT)
        with pytest.raises(StateError, match=r"orders.json cannot be read"):
            await store.order(ENVIRONMENT, lambda orders: orders)
    (place / "epoch").write_text("many")
    with pytest.raises(StateError, match=r"shop/prod/epoch holds no number; write one"):
        async with store.lease(ENVIRONMENT, "a"):
            pytest.fail("held")
    (place / "epoch").write_text("41")
    async with store.lease(ENVIRONMENT, "a") as lease:
        assert lease.epoch == 42


async def test_a_folder_that_cannot_be_one_is_told(tmp_path):
    (tmp_path / "state").write_text("a file")
    store = FolderStore(tmp_path / "state")
    for use in (store.memory(ENVIRONMENT), store.order(ENVIRONMENT, dict), store.lease(ENVIRONMENT, "a").__aenter__()):
        with pytest.raises(StateError, match=r"state in .*/state.*; check that the disk has room"):
            await use


async def test_a_cancelled_write_ends_before_the_lease_does():
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        may_end.wait(30)
        ended.set()

    writing = asyncio.create_task(files.to_the_end(slow))
    await asyncio.to_thread(begun.wait, 30)
    writing.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not writing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended.is_set()
