"""A working copy on this machine: what is on disk counts, committed or not, and a change is noticed when it settles."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source import revision as git
from reconciler.source.checkout import Checkout

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from watchfiles import Change

    _Watch = AsyncGenerator[object, None]

# A save is several steps (write beside, rename over); what is quiet for this long is taken to be done.
QUIET_S = 0.3
# Somebody who never stops writing is not waited for longer than this.
LONGEST_S = 3.0
_LOCK_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.05
# Of all that Git keeps, these move with a commit, a checkout, a rebase.
_MOVES = frozenset({"HEAD", "index", "packed-refs", "refs"})


class WorkingCopy:
    """The project folder ``root``. Hidden folders directly in it, and ``ignored`` ones, are not looked at."""

    def __init__(self, root: Path, ignored: Iterable[Path] = ()) -> None:
        self._root = root.resolve()
        self._ignored = frozenset(folder.resolve() for folder in ignored)
        self._last: tuple[str, Checkout] | None = None
        self._watch: _Watch | None = None
        self._next: asyncio.Task[object] | None = None
        self._restless = False

    async def latest(self) -> Checkout:
        """The files as they are. Raises SourceUnavailable while git is at work on them, SourceError without any."""
        await self._git_is_done()
        seen = await asyncio.to_thread(self._fingerprint)
        revision = await self._revision()
        if self._last is None or (self._last[0], self._last[1].revision) != (seen, revision):
            generation = 1 if self._last is None else self._last[1].generation + 1
            author = await asyncio.to_thread(git.author_of, self._root) if revision != git.UNVERSIONED else ""
            self._last = seen, Checkout(self._root, revision, generation, author)
        return self._last[1]

    async def changed(self) -> None:
        """Return when files, or the commit, have changed since ``latest``, and are quiet. Raises SourceUnavailable."""
        watch = self._watch
        if watch is None:
            self._watch = watch = await self._begin()
            self._listen(watch)
            # The watch begins in its first step; what changed before then, since `latest`, is still to be seen.
            await asyncio.sleep(0)
            self._restless = True
            self._restless = await self._moved()
        try:
            if not self._restless:
                # A caller that gives up must not take the watch along, nor what it has seen.
                await asyncio.shield(self._listen(watch))
                self._heard()
            await self._settle(watch)
        except (OSError, RuntimeError, StopAsyncIteration) as error:
            await self.close()
            raise SourceUnavailable(f"cannot watch {self._root}: {error}") from error
        self._restless = False

    async def paths_between(self, before: Checkout, after: Checkout) -> frozenset[str] | None:
        """As ``Source.paths_between``; None unless both are commits, as they are."""
        if before.generation == after.generation:
            return frozenset()
        if not all(_is_commit(checkout.revision) for checkout in (before, after)):
            return None
        return await asyncio.to_thread(git.paths_between, self._root, before.revision, after.revision)

    async def keep(self, checkouts: Iterable[Checkout]) -> None:
        """Nothing is removed: the files are the user's."""

    async def close(self) -> None:
        """Stop watching."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
            self._next = None
        if self._watch is not None:
            await self._watch.aclose()
            self._watch = None
        self._restless = False

    def _listen(self, watch: _Watch) -> asyncio.Task[object]:
        if self._next is None:
            self._next = asyncio.ensure_future(anext(watch))
        return self._next

    def _heard(self) -> None:
        task, self._next, self._restless = self._next, None, True
        if task is not None:
            task.result()

    async def _settle(self, watch: _Watch) -> None:
        """Wait until nothing changes for a while. watchfiles cannot: one file written twice is one change to it."""
        until = asyncio.get_running_loop().time() + LONGEST_S
        while asyncio.get_running_loop().time() < until:
            done, _ = await asyncio.wait([self._listen(watch)], timeout=QUIET_S)
            if not done:
                return
            self._heard()

    async def _moved(self) -> bool:
        if self._last is None:
            return True
        seen = await asyncio.to_thread(self._fingerprint)
        return (seen, await self._revision()) != (self._last[0], self._last[1].revision)

    async def _revision(self) -> str:
        return await asyncio.to_thread(git.revision_of, self._root, ignored=self._ignored)

    async def _begin(self) -> _Watch:
        from watchfiles import awatch

        folders = await asyncio.to_thread(git.git_folders, self._root)
        outside = [folder for folder in folders if not folder.is_relative_to(self._root)]

        def counts(_: Change, path: str) -> bool:
            return self._counts(Path(path), folders)

        return awatch(self._root, *outside, watch_filter=counts, debounce=100, step=20, ignore_permission_denied=True)

    def _counts(self, path: Path, git_folders: tuple[Path, ...]) -> bool:
        # A linked worktree has its own folder inside the common one.
        kept = [path.relative_to(folder).parts for folder in git_folders if path.is_relative_to(folder)]
        if kept:
            return not path.name.endswith(".lock") and any(parts and parts[0] in _MOVES for parts in kept)
        inside = path.relative_to(self._root).parts if path.is_relative_to(self._root) else ()
        hidden = len(inside) > 1 and inside[0].startswith(".")
        return bool(inside) and not hidden and not any(path.is_relative_to(folder) for folder in self._ignored)

    async def _git_is_done(self) -> None:
        """Half of a `git checkout` on disk is no revision. Git holds this lock until it has written all files."""
        folders = await asyncio.to_thread(git.git_folders, self._root)
        until = asyncio.get_running_loop().time() + _LOCK_TIMEOUT_S
        while locks := [folder / "index.lock" for folder in folders if (folder / "index.lock").exists()]:
            if asyncio.get_running_loop().time() > until:
                raise SourceUnavailable(
                    f"git is at work in {self._root}: {locks[0]} exists. If no git runs any more, remove that file"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    def _fingerprint(self) -> str:
        """Changes with every file: its name, size, times and inode. Raises SourceError."""
        if not (self._root / "gitops.yaml").is_file():
            raise SourceError(f"no gitops.yaml in {self._root}: was the working copy moved, or is it being made?")
        digest = hashlib.sha256()
        for line in self._lines(self._root, ""):
            digest.update(os.fsencode(line))
        return digest.hexdigest()

    def _lines(self, folder: Path, within: str) -> Iterator[str]:
        try:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SourceError(f"cannot read {folder}: {error.strerror}") from error
        for entry in found:
            name = f"{within}{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and (entry.name == ".git" or (not within and entry.name.startswith("."))):
                continue
            if is_folder and Path(entry.path) in self._ignored:
                continue
            yield f"{name}\0{_told(entry)}\n"
            if is_folder:
                yield from self._lines(Path(entry.path), f"{name}/")


def _told(entry: os.DirEntry[str]) -> str:
    """What the system says of a file; of a link, what it says of the file it leads to. A folder is its members."""
    try:
        found = entry.stat(follow_symlinks=True)
    except OSError:
        return "gone"
    if stat.S_ISDIR(found.st_mode):
        return str(Path(entry.path).readlink()) if entry.is_symlink() else "folder"
    return f"{found.st_mode} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _is_commit(revision: str) -> bool:
    return revision != git.UNVERSIONED and not revision.endswith(git.DIRTY)
