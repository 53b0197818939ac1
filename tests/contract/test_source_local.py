"""A working copy that is watched: what counts as a change, and when."""

import asyncio
import contextlib
import os

import pytest
from git_server import GITOPS, git, needs_git

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source import local
from reconciler.source.local import WorkingCopy

pytestmark = needs_git
SOON_S = 20.0
# Longer than a change takes to be told: quiet time, and the step of the watch.
NOTHING_S = 1.2


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "shop"
    (folder / "base").mkdir(parents=True)
    (folder / "gitops.yaml").write_text(GITOPS)
    (folder / "base/a.yml").write_text("a: 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


@pytest.fixture
async def source(root):
    opened = WorkingCopy(root, [root / "ignored"])
    yield opened
    await opened.close()


async def changes(source, act):
    """Whether what ``act`` does is noticed by somebody who waits already."""
    waiting = asyncio.create_task(source.changed())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.3)
    assert not waiting.done()
    act()
    done, _ = await asyncio.wait([waiting], timeout=SOON_S)
    return bool(done) and waiting.result() is None


async def unnoticed(source, act):
    """Whether nothing is told of what ``act`` does, though the watch is there to tell."""
    waiting = asyncio.create_task(source.changed())
    await asyncio.sleep(0.3)
    act()
    done, _ = await asyncio.wait([waiting], timeout=NOTHING_S)
    waiting.cancel()
    await asyncio.wait([waiting])
    return not done


async def test_the_same_files_are_the_same_generation(source, root):
    first = await source.latest()
    assert (first.root, first.revision, first.generation) == (root, git(root, "rev-parse", "HEAD"), 1)
    assert first.author == "Ann <ann@example.org>"
    assert await source.latest() is first


@pytest.mark.parametrize(
    "act",
    [
        lambda root: (root / "base/a.yml").write_text("a: 2\n"),
        lambda root: (root / "base/new.yml").write_text("n: 1\n"),
        lambda root: (root / "base/a.yml").unlink(),
        lambda root: (root / "base/a.yml").rename(root / "base/b.yml"),
        lambda root: (root / "base/.amlignore").write_text("*.tmp\n"),
        lambda root: (root / "base/.hidden").mkdir() or (root / "base/.hidden/x").write_text("x"),
    ],
)
async def test_change_of_a_file_is_noticed(source, root, act):
    first = await source.latest()
    assert await changes(source, lambda: act(root))
    second = await source.latest()
    assert (second.revision, second.generation) == (f"{first.revision}-dirty", 2)
    assert await source.paths_between(first, second) is None


async def test_change_of_the_same_size_at_the_same_time_of_day_is_noticed(source, root):
    path = root / "base/a.yml"
    path.write_text("a: 3\n")
    was = path.stat()
    first = await source.latest()
    path.write_text("a: 2\n")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (await source.latest()).generation == first.generation + 1


async def test_commit_is_noticed_though_no_file_changes(source, root):
    (root / "base/a.yml").write_text("a: 2\n")
    dirty = await source.latest()
    assert await changes(source, lambda: git(root, "commit", "-q", "-a", "-m", "two"))
    clean = await source.latest()
    assert clean.revision == git(root, "rev-parse", "HEAD")
    assert clean.generation > dirty.generation


async def test_paths_between_commits(source, root):
    first = await source.latest()
    (root / "base/new.yml").write_text("n: 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "two")
    second = await source.latest()
    assert await source.paths_between(first, second) == {"base/new.yml"}
    assert await source.paths_between(second, second) == frozenset()
    (root / "base/link.yml").symlink_to("new.yml")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "three")
    assert await source.paths_between(second, await source.latest()) is None


async def test_project_below_the_top_of_the_repository(root):
    below = root / "deploy"
    below.mkdir()
    (below / "gitops.yaml").write_text(GITOPS)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "below")
    source = WorkingCopy(below)
    first = await source.latest()
    (below / "b.yml").write_text("b: 1\n")
    (root / "README").write_text("x")
    git(root, "add", "-A")
    await source.latest()
    assert await changes(source, lambda: git(root, "commit", "-q", "-m", "next"))
    assert await source.paths_between(first, await source.latest()) == {"b.yml"}
    await source.close()


async def test_linked_worktree(root, tmp_path):
    git(root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    source = WorkingCopy(tmp_path / "side")
    (tmp_path / "side/b.yml").write_text("b: 1\n")
    git(tmp_path / "side", "add", "-A")
    await source.latest()
    assert await changes(source, lambda: git(tmp_path / "side", "commit", "-q", "-m", "on the side"))
    assert (await source.latest()).revision == git(tmp_path / "side", "rev-parse", "HEAD")
    # Nothing but its own HEAD moves.
    assert await changes(source, lambda: git(tmp_path / "side", "checkout", "-q", "--detach"))
    await source.close()


@pytest.mark.parametrize("place", [".aml-gitops/journal", ".emulator/state.json", "ignored/x", ".git/objects/ab/cdef"])
async def test_what_does_not_count(source, root, place):
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / ".git/info/exclude").write_text(".*/\n")
    first = await source.latest()
    assert await unnoticed(source, lambda: (root / place).write_text("x"))
    assert await source.latest() is first
    # The watch is alive: what counts is still noticed.
    assert await changes(source, lambda: (root / "base/a.yml").write_text("a: 5\n"))


async def test_status_of_git_wakes_nobody(source, root):
    os.utime(root / "base/a.yml", (1_700_000_000, 1_700_000_000))
    await source.latest()
    before = (root / ".git/index").stat().st_mtime_ns
    await source.latest()
    assert (root / ".git/index").stat().st_mtime_ns == before


async def test_change_before_anybody_waits_is_not_missed(source, root):
    await source.latest()
    (root / "base/a.yml").write_text("a: 2\n")
    await asyncio.wait_for(source.changed(), SOON_S)
    await source.latest()
    assert await changes(source, lambda: (root / "base/a.yml").write_text("a: 3\n"))
    # And between two waits.
    (root / "base/a.yml").write_text("a: 4\n")
    await asyncio.wait_for(source.changed(), SOON_S)


async def test_a_caller_that_gives_up_loses_nothing(source, root):
    await source.latest()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.changed(), 0.2)
    (root / "base/a.yml").write_text("a: 2\n")
    await asyncio.wait_for(source.changed(), SOON_S)


async def test_a_caller_that_gives_up_while_it_settles_loses_nothing(source, root):
    await source.latest()
    waiting = asyncio.create_task(source.changed())
    await asyncio.sleep(0.3)
    (root / "base/a.yml").write_text("a: 2\n")
    until = asyncio.get_running_loop().time() + SOON_S
    # What was seen is waited out now, so that it is not seen again.
    while not source._restless and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.005)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait_for(source.changed(), SOON_S)


async def test_file_that_is_being_written_is_waited_for(source, root):
    """An editor's dance: an empty file, half, whole, renamed over. Nobody is told before it is over."""
    await source.latest()
    waiting = asyncio.create_task(source.changed())
    await asyncio.sleep(0.3)
    beside, told_at = root / "base/.a.yml.swp", []
    waiting.add_done_callback(lambda _: told_at.append(asyncio.get_running_loop().time()))
    for step in ("", "a", "a: ", "a: 9", "a: 9\n"):
        beside.write_text(step)
        await asyncio.sleep(0.1)
        assert not waiting.done()
    beside.rename(root / "base/a.yml")
    over_at = asyncio.get_running_loop().time()
    await asyncio.wait_for(waiting, SOON_S)
    await asyncio.sleep(0)
    assert told_at[0] - over_at >= local.QUIET_S * 0.8
    assert ((await source.latest()).root / "base/a.yml").read_text() == "a: 9\n"


async def test_git_at_work_is_waited_for_and_not_for_ever(source, root, monkeypatch):
    lock = root / ".git/index.lock"
    lock.touch()
    asyncio.get_running_loop().call_later(0.3, lock.unlink)
    assert (await source.latest()).generation == 1
    lock.touch()
    monkeypatch.setattr(local, "_LOCK_TIMEOUT_S", 0.1)
    with pytest.raises(SourceUnavailable, match=r"git is at work in .*index.lock exists") as caught:
        await source.latest()
    assert caught.value.transient


async def test_project_that_vanishes_is_an_error(source, root):
    await source.latest()
    (root / "gitops.yaml").unlink()
    with pytest.raises(SourceError, match=r"no gitops.yaml in"):
        await source.latest()


async def test_folder_without_git(tmp_path):
    (tmp_path / "gitops.yaml").write_text(GITOPS)
    source = WorkingCopy(tmp_path)
    assert (await source.latest()).revision == "unversioned"
    assert await changes(source, lambda: (tmp_path / "a.yml").write_text("a"))
    assert (await source.latest()).generation == 2
    await source.close()


async def test_variables_of_a_hook_lead_nowhere_else(source, root, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert (await source.latest()).revision == git(root, "rev-parse", "HEAD")


async def test_own_configuration_of_the_user_counts_in_their_working_copy(source, root, monkeypatch, tmp_path):
    (tmp_path / ".gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/all\n")
    (tmp_path / "all").write_text(".DS_Store\n")
    (root / ".DS_Store").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (await source.latest()).revision == git(root, "rev-parse", "HEAD")


async def test_close_leaves_no_thread(source, root):
    await source.latest()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.changed(), 0.1)
    await asyncio.wait_for(source.close(), 5)
    await asyncio.wait_for(source.close(), 5)
    # It can be taken up again.
    await source.latest()
    assert await changes(source, lambda: (root / "base/a.yml").write_text("a: 7\n"))
