"""A repository somewhere else, followed: asked what is new, and each commit laid out whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source.access import access_of, address_in
from reconciler.source.checkout import Checkout
from reconciler.source.clones import Clones
from reconciler.source.differ import below
from reconciler.source.failures import Unclear
from reconciler.source.follow import Target, asked_of, nothing_there, target_of
from reconciler.source.mirror import Mirror, advertised, fetch
from reconciler.source.signatures import check, trust_of
from reconciler.source.tree import Part, entries, has_links, mirror_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from reconciler.source.signatures import Trust
    from schemas.loop import GitSource, Secret

PROJECT_FILE = "gitops.yaml"


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process made sure of: the files are all there, and were signed by somebody whom ``trust`` names."""

    target: Target
    trust: Trust | None
    checkout: Checkout
    parts: tuple[Part, ...]


class RemoteSource:
    """The repository of loop.yaml. Everything it keeps is below ``folder``, and can be lost.

    ``beside`` is the folder of loop.yaml, ``reveal`` fetches a secret that it names. Processes may share ``folder``.
    """

    def __init__(self, settings: GitSource, folder: Path, beside: Path, reveal: Callable[[Secret], str]) -> None:
        """Raises SourceError for settings that can never work."""
        self._settings = settings
        self._beside = beside
        self._reveal = reveal
        self._address = address_in(settings, beside)
        asked_of(settings)
        self._store = Clones(folder.resolve(), submodules=settings.submodules)
        self._one_at_a_time = asyncio.Lock()
        self._known: _Known | None = None
        self._last: Checkout | None = None

    async def latest(self) -> Checkout:
        """The commit that the settings mean now. Raises as ``Source.latest``, and UsageError for a missing secret."""
        async with self._alone() as held:
            mirror = self._mirror(held)
            target = await self._target(mirror)
            trust = None if self._settings.verify is None else trust_of(self._settings.verify, self._beside)
            known = self._known
            if known and (known.target, known.trust) == (target, trust) and await self._still_whole(known, held):
                return known.checkout
            try:
                self._known = await self._obtain(mirror, target, trust)
            except Unclear:
                # Perhaps our clone is damaged. If it is not, the old one comes back.
                async with self._store.anew():
                    self._known = await self._obtain(mirror, target, trust)
            return self._known.checkout

    async def changed(self) -> None:
        """Wait for ever: a repository somewhere else has to be asked."""
        await asyncio.Event().wait()

    async def paths_between(self, before: Checkout, after: Checkout) -> frozenset[str] | None:
        """As ``Source.paths_between``; None also where links let a file be read under another name."""
        if before.revision == after.revision:
            return frozenset()
        folder = posixpath.normpath(self._settings.path)
        async with self._alone() as held:
            mirror = self._mirror(held)
            try:
                for commit in (before.revision, after.revision):
                    if has_links(await entries(mirror, commit), folder):
                        return None
                printed = await mirror.ask(
                    "diff-tree", "-r", "-z", "--no-renames", "--name-only", before.revision, after.revision
                )
            except SourceError:
                # The clone was made anew since, and has only what is followed now.
                return None
        return below(printed, folder)

    async def keep(self, checkouts: Iterable[Checkout]) -> None:
        """Remove all but these, and what a process that was killed left behind."""
        kept = frozenset(checkout.revision for checkout in checkouts)
        async with self._alone() as held:
            if self._known and self._known.checkout.revision not in kept:
                self._known = None
            await self._store.keep(kept, self._mirror(held))

    async def close(self) -> None:
        """Let go of the checkouts: another process may remove them then."""
        self._store.close()
        self._known = None

    async def _target(self, mirror: Mirror) -> Target:
        if self._settings.commit is not None:
            return Target(self._settings.commit, self._settings.commit)
        place = self._address.shown
        target = target_of(self._settings, await advertised(mirror, *asked_of(self._settings)), place)
        if target is None:
            raise nothing_there(self._settings, await advertised(mirror), place)
        return target

    async def _obtain(self, mirror: Mirror, target: Target, trust: Trust | None) -> _Known:
        """Fetch, check the signature, and only then let a file of the commit onto the disk."""
        commit, tag = await fetch(mirror, target)
        if trust is not None:
            await check(mirror, trust, commit, tag, target.ref)
        tree, parts = await self._store.files(Part(mirror, commit))
        root = await asyncio.to_thread(
            _root, tree, self._settings.path, f"commit {commit[:12]} of {self._address.shown}"
        )
        if self._last is None or self._last.revision != commit:
            generation = 1 if self._last is None else self._last.generation + 1
            self._last = Checkout(root, commit, generation, await _author(mirror, commit))
        return _Known(replace(target, commit=commit), trust, self._last, parts)

    async def _still_whole(self, known: _Known, held: int) -> bool:
        try:
            return await self._store.whole(known.checkout.revision, known.parts, held)
        except SourceError:
            return False

    def _mirror(self, held: int) -> Mirror:
        access = access_of(self._settings, self._address, self._beside, self._reveal)
        return Mirror(mirror_folder(self._store.clones, self._address), access, held)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[int]:
        try:
            async with self._one_at_a_time, self._store.alone() as held:
                yield held
        except OSError as error:
            where = error.filename or self._store.folder
            raise SourceUnavailable(f"cannot work in {where}, below `folder` of loop.yaml: {error.strerror}") from error


def _root(tree: Path, path: str, what: str) -> Path:
    """Folder of gitops.yaml in a checkout. Raises SourceError when it is not there, or a link leads out to it."""
    root = tree / path
    file = root / PROJECT_FILE
    if not file.is_file():
        found = sorted(near.parent.relative_to(tree).as_posix() for near in tree.glob(f"**/{PROJECT_FILE}"))[:5]
        hint = f"there is one in: {', '.join(found)}; set `path` to it" if found else f"it has no {PROJECT_FILE} at all"
        raise SourceError(f"{what} has no {PROJECT_FILE} in folder '{path}' (`source.path` in loop.yaml); {hint}")
    if not file.resolve().is_relative_to(tree.resolve()):
        raise SourceError(f"{what} has a symbolic link that leads out of it at {path}/{PROJECT_FILE}")
    return root


async def _author(mirror: Mirror, commit: str) -> str:
    printed = await mirror.ask("log", "-1", "--no-show-signature", "--format=%an <%ae>", commit)
    text = printed.decode(errors="replace").strip()
    return "".join(character for character in text if character.isprintable())
