"""Whenever a process is killed, what the next one finds is the commit, whole: never half of one."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from git_server import GITOPS, git, needs_git, serving

from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource

pytestmark = needs_git
KILLS = 24
FOLLOW = """
import asyncio, sys
from pathlib import Path
from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource

async def follow():
    folder = Path(sys.argv[2])
    source = RemoteSource(GitSource(url=sys.argv[1], submodules=True), folder, folder, lambda _: "")
    print("begin", flush=True)
    checkout = await source.latest()
    await source.keep([checkout])
    print("end", flush=True)

asyncio.run(follow())
"""


def start(url, folder):
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOW, url, str(folder)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )


def same(root, repository):
    """What git itself lays out, name by name and byte by byte."""
    listed = git(repository.work, "ls-files", "-z").split("\0")
    wanted = {name: (repository.work / name).read_bytes() for name in listed if name}
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == wanted


@pytest.fixture
def served(tmp_path):
    with serving(tmp_path / "served") as server:
        repository = server.repository()
        chance = random.Random(7)
        files = {f"base/{number}.bin": chance.randbytes(2_000) for number in range(400)}
        repository.commit({"gitops.yaml": GITOPS} | files)
        yield server, repository


@pytest.mark.slow
async def test_killed_at_any_point(served, tmp_path):
    """Kills spread over the whole time that one run takes."""
    server, repository = served
    folder = tmp_path / "clone"
    began = time.monotonic()
    process = start(server.url(), tmp_path / "measured")
    process.stdout.readline()
    ready = time.monotonic()
    process.communicate()
    takes_s = time.monotonic() - ready
    assert time.monotonic() - began < 60
    cut_short = 0
    for number in range(KILLS):
        repository.commit({f"base/{number}.bin": os.urandom(3_000), f"base/{number + 200}.bin": None})
        process = start(server.url(), folder)
        process.stdout.readline()
        timer = threading.Timer(takes_s * number / KILLS, process.send_signal, [signal.SIGKILL])
        timer.start()
        rest, _ = process.communicate()
        timer.cancel()
        timer.join()
        cut_short += b"end" not in rest
        for place in folder.glob("checkouts/*"):
            if place.is_dir() and not place.name.startswith(("new-", "gone-")):
                names = git(repository.work, "ls-tree", "-r", "--name-only", place.name.partition("-")[0]).split()
                assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()) == sorted(names)
        if number % 4 == 3:
            source = RemoteSource(GitSource(url=server.url(), submodules=True), folder, folder, lambda _: "")
            checkout = await source.latest()
            assert checkout.revision == repository.head
            same(checkout.root, repository)
            await source.keep([checkout])
            await source.close()
            left = [path.name for path in (folder / "checkouts").iterdir() if path.is_dir()]
            assert left == [checkout.root.name]
    assert cut_short > KILLS / 2


async def test_lock_files_of_a_killed_git_stop_nobody(served, tmp_path):
    server, repository = served
    source = RemoteSource(GitSource(url=server.url()), tmp_path / "clone", tmp_path, lambda _: "")
    await source.latest()
    clone = next((tmp_path / "clone/git").iterdir())
    was = clone.stat().st_ino
    for name in ("shallow.lock", "config.lock", "packed-refs.lock", "refs/aml-gitops/followed.lock"):
        (clone / name).touch()
    (clone / "objects/pack/tmp_pack_half").write_bytes(b"PACK")
    repository.commit({"base/a.yml": "a: 1\n"})
    assert (await source.latest()).revision == repository.head
    # Freed, not made anew.
    assert clone.stat().st_ino == was
    assert not list(clone.rglob("*.lock"))
    assert not list(clone.rglob("tmp_*"))
    await source.close()


async def test_child_of_a_killed_process_is_waited_for(served, tmp_path):
    """A git that outlives its parent still works in the clone: the lock is held as long as it does."""
    server, repository = served
    fetching, go_on = threading.Event(), threading.Event()

    def hold():
        server.before_pack = None
        fetching.set()
        go_on.wait(30)

    server.before_pack = hold
    process = start(server.url(), tmp_path / "clone")
    assert fetching.wait(30)
    process.kill()
    process.communicate()
    with (tmp_path / "clone/lock").open("r+") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        go_on.set()
    source = RemoteSource(GitSource(url=server.url()), tmp_path / "clone", tmp_path, lambda _: "")
    checkout = await source.latest()
    same(checkout.root, repository)
    await source.close()
