"""The folder of clones and checkouts: what is at its final name is whole, and stays while somebody uses it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.source.failures import Unclear
from reconciler.source.git import check_version
from reconciler.source.lock import alone, share, unused
from reconciler.source.mirror import unpin
from reconciler.source.tree import Part, intact, lay_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from reconciler.source.mirror import Mirror

_LOCK_TIMEOUT_S = 300.0
_IN_USE = ".in-use"
# Names of what is being made, and of what is being removed. A process that is killed leaves them.
_UNFINISHED = ("new-", "gone-")
_OLD_CLONES = "git.old-"


class Clones:
    """Clones below ``folder``/git, checkouts below ``folder``/checkouts, and git's notes on them in ``folder``/index.

    All but ``close`` is called only within ``alone``.
    """

    def __init__(self, folder: Path, *, submodules: bool) -> None:
        self.folder = folder
        self.clones = folder / "git"
        self._checkouts = folder / "checkouts"
        self._indexes = folder / "index"
        self._submodules = submodules
        self._marks: dict[str, int] = {}
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._begun = False

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[int]:
        """No other process works in the folder within the block. Raises SourceUnavailable; SourceError without git."""
        if not self._begun:
            await check_version()
            await asyncio.to_thread(self._make)
        async with alone(self.folder / "lock", _LOCK_TIMEOUT_S) as held:
            if not self._begun:
                await asyncio.to_thread(self._clear)
                self._begun = True
            yield held

    @contextlib.asynccontextmanager
    async def anew(self) -> AsyncIterator[None]:
        """Begin with no clone at all; the old ones come back when the block fails."""
        aside = self.folder / f"{_OLD_CLONES}{uuid.uuid4().hex}"
        self.clones.rename(aside)
        try:
            yield
        except BaseException:
            await asyncio.to_thread(_remove, self.clones)
            aside.rename(self.clones)
            raise
        await asyncio.to_thread(_remove, aside)

    async def files(self, part: Part) -> tuple[Path, tuple[Part, ...]]:
        """The folder with the files of a commit, and the repositories they are of. Raises SourceError."""
        commit = part.commit
        place, index = self._checkouts / self._key(commit), self._indexes / self._key(commit)
        submodules = self.clones if self._submodules else None
        parts: tuple[Part, ...] = ()
        if place.exists():
            # Of another process, dead or alive: whole by content, or made again.
            with contextlib.suppress(Unclear):
                parts = await lay_out(part, place, index, submodules, write=False)
        if not parts:
            beside = self._checkouts / f"new-{uuid.uuid4().hex}"
            try:
                parts = await lay_out(part, beside, index, submodules)
                await asyncio.to_thread(self._throw_away, place)
                beside.rename(place)
            finally:
                await asyncio.to_thread(_remove, beside)
        if commit not in self._marks:
            self._marks[commit] = share(self._mark(place.name))
        self._parts[commit] = parts
        return place, parts

    async def whole(self, commit: str, parts: tuple[Part, ...], held: int) -> bool:
        """Whether nothing is missing or differs by now. Raises SourceError when git cannot tell."""
        place = self._checkouts / self._key(commit)
        for part in parts:
            now = replace(part, mirror=replace(part.mirror, held=held))
            if not await intact(now, place, part.index(self._indexes / self._key(commit)), by_content=False):
                return False
        return True

    async def keep(self, commits: frozenset[str], mirror: Mirror) -> None:
        """Remove all checkouts but these and those that another process uses; then what the clones no longer need."""
        for commit in [commit for commit in self._marks if commit not in commits]:
            os.close(self._marks.pop(commit))
            self._parts.pop(commit, None)
        still = await asyncio.to_thread(self._remove_but, frozenset(map(self._key, commits)))
        # A damaged clone is for the next fetch to find.
        with contextlib.suppress(SourceError):
            if still <= self._parts.keys():
                await self._keep_clones(mirror)
            elif mirror.folder.exists():
                await unpin(mirror, still)

    def close(self) -> None:
        """Let go of the checkouts."""
        for mark in self._marks.values():
            os.close(mark)
        self._marks.clear()

    async def _keep_clones(self, mirror: Mirror) -> None:
        needed: dict[str, set[str]] = {mirror.folder.name: set()}
        for part in (part for parts in self._parts.values() for part in parts):
            needed.setdefault(part.mirror.folder.name, set()).add(part.commit)
        for folder in await asyncio.to_thread(_listed, self.clones):
            if folder.name in needed:
                await unpin(replace(mirror, folder=folder), frozenset(needed[folder.name]))
            else:
                await asyncio.to_thread(_remove, folder)

    def _remove_but(self, kept: frozenset[str]) -> frozenset[str]:
        """Returns the commits that are still there."""
        self._clear()
        still = set(kept)
        for place in _listed(self._checkouts):
            if place.is_dir() and place.name not in kept:
                if unused(self._mark(place.name)):
                    self._throw_away(place)
                    self._mark(place.name).unlink(missing_ok=True)
                else:
                    still.add(place.name)
        for index in _listed(self._indexes):
            if index.name.partition(".")[0] not in still:
                index.unlink(missing_ok=True)
        return frozenset(name.partition("-")[0] for name in still)

    def _make(self) -> None:
        for folder in (self.folder, self._checkouts, self._indexes):
            folder.mkdir(parents=True, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            # It may lie in a working copy, and is nothing to commit.
            ignore.write_text("*\n")

    def _clear(self) -> None:
        for place in _listed(self._checkouts):
            if place.name.startswith(_UNFINISHED):
                _remove(place)
        for place in _listed(self.folder):
            if place.name.startswith(_OLD_CLONES):
                _remove(place)

    def _throw_away(self, place: Path) -> None:
        """Take its name first: half of a checkout is never under the name of a whole one."""
        if place.exists():
            _remove(place.rename(self._checkouts / f"gone-{uuid.uuid4().hex}"))

    def _key(self, commit: str) -> str:
        return f"{commit}-with-submodules" if self._submodules else commit

    def _mark(self, key: str) -> Path:
        return self._checkouts / f"{key}{_IN_USE}"


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
