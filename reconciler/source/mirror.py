"""A bare clone of ours, as shallow as can be: it holds the commits that are in use, without their history."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source.git import LOCAL_TIMEOUT_S, Ran, output_of, run_git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.source.access import Access
    from reconciler.source.follow import Target

NETWORK_TIMEOUT_S = 120.0
FETCH_TIMEOUT_S = 1_800.0
_FOLLOWED = "refs/aml-gitops/followed"
_SEARCHED = "refs/aml-gitops/searched/"
_KEPT = "refs/aml-gitops/kept/"
_OFFLINE = {"GIT_ALLOW_PROTOCOL": "none"}


@dataclass(frozen=True, slots=True)
class Mirror:
    """A bare clone in ``folder``. ``held`` is the descriptor of the lock under which it is worked on."""

    folder: Path
    access: Access
    held: int

    async def run(self, *arguments: str, environ: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ran:
        """Run git in the clone, without the network."""
        return await run_git(
            f"--git-dir={self.folder}", *arguments, environ=dict(environ or {}) | _OFFLINE, stdin=stdin,
            timeout_s=LOCAL_TIMEOUT_S, inherited=(self.held,),
        )  # fmt: skip

    async def ask(self, *arguments: str, environ: Mapping[str, str] | None = None, stdin: bytes = b"") -> bytes:
        """What git prints. Raises SourceError, mostly the Unclear of a clone that is damaged."""
        ran = await self.run(*arguments, environ=environ, stdin=stdin)
        return output_of(ran, f"git {arguments[0]} in the clone of {self.access.address.shown}")

    async def online(self, *arguments: str, timeout_s: float, within: bool = True) -> bytes:
        """What git prints that asks the server. Raises SourceUnavailable, SourceError."""
        access = self.access
        where = (f"--git-dir={self.folder}",) if within else ()
        ran = await run_git(
            *where, *arguments, config=access.config, environ=access.environ, timeout_s=timeout_s,
            inherited=(self.held,),
        )  # fmt: skip
        return output_of(ran, f"git {arguments[0]} of {access.address.shown}", access.secrets)


async def advertised(mirror: Mirror, *patterns: str) -> dict[str, str]:
    """What the server has: full ref to object, for an annotated tag also ``ref^{}``. Raises SourceUnavailable.

    All of it without ``patterns``.
    """
    url = mirror.access.address.url
    printed = await mirror.online("ls-remote", "--", url, *patterns, timeout_s=NETWORK_TIMEOUT_S, within=False)
    lines = (line.split("\t", 1) for line in os.fsdecode(printed).splitlines())
    return {ref: found for found, ref in lines}


async def fetch(mirror: Mirror, target: Target) -> tuple[str, str]:
    """Bring the target here: its commit, and the object of its annotated tag or nothing.

    The server may have moved on since it was asked: what came counts.
    """
    await _prepare(mirror, len(target.commit))
    if target.ref == target.commit:
        await _fetch_commit(mirror, target.commit)
    else:
        await _fetch(mirror, f"+{target.ref}:{_FOLLOWED}")
    ran = await mirror.run("rev-parse", "--verify", f"{_FOLLOWED}^{{commit}}")
    if ran.status != 0 and (await mirror.ask("cat-file", "-t", _FOLLOWED)).strip() != b"commit":
        raise SourceError(f"{target.ref} of {mirror.access.address.shown} is a tag of something that is no commit")
    commit = output_of(ran, f"git rev-parse in the clone of {mirror.access.address.shown}").decode().strip()
    followed = (await mirror.ask("rev-parse", "--verify", _FOLLOWED)).decode().strip()
    return commit, "" if followed == commit else followed


async def pin(mirror: Mirror, commit: str) -> None:
    """Keep a commit when the next one is fetched."""
    await mirror.ask("update-ref", f"{_KEPT}{commit}", commit)


async def unpin(mirror: Mirror, kept: frozenset[str]) -> None:
    """Let go of all commits but these, and of the space that they took."""
    refs = (await mirror.ask("for-each-ref", "--format=%(refname)", _KEPT)).decode().split()
    gone = [ref for ref in refs if ref.removeprefix(_KEPT) not in kept]
    if not gone:
        return
    await mirror.ask("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in gone).encode())
    # Only when much has piled up: more than 10 packs.
    await mirror.ask("-c", "gc.auto=1000", "-c", "gc.autoPackLimit=10", "-c", "gc.pruneExpire=now", "gc", "--auto",
                     "--quiet")  # fmt: skip


async def _prepare(mirror: Mirror, digits: int) -> None:
    """A clone that can be fetched into. What a killed git left locked is free: nobody else is at work here."""
    folder = mirror.folder
    if not (folder / "HEAD").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        algorithm = "sha256" if digits == 64 else "sha1"
        # A template brings hooks and descriptions that nobody needs.
        await mirror.ask("init", "--bare", "--quiet", "--template=", f"--object-format={algorithm}")
    for pattern in ("*.lock", "refs/**/*.lock", "objects/**/*.lock", "objects/pack/tmp_*", "objects/*/tmp_*"):
        for left in folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()


async def _fetch(mirror: Mirror, *refspecs: str, depth: tuple[str, ...] = ("--depth=1",)) -> None:
    url = mirror.access.address.url
    await mirror.online("fetch", "--quiet", "--no-tags", "--force", "--update-shallow", "--no-write-fetch-head", *depth,
                        "--", url, *refspecs, timeout_s=FETCH_TIMEOUT_S)  # fmt: skip


async def _fetch_commit(mirror: Mirror, commit: str) -> None:
    """Fetch a commit that need not be the tip of anything; a server may refuse that, but never all branches and tags.

    A commit that is pinned is here for good: nobody has to be asked.
    """
    if (await mirror.run("rev-parse", "--verify", "--quiet", f"{_KEPT}{commit}^{{commit}}")).status == 0:
        await mirror.ask("update-ref", _FOLLOWED, f"{_KEPT}{commit}")
        return
    try:
        await _fetch(mirror, f"+{commit}:{_FOLLOWED}")
    except SourceUnavailable as error:
        if not any(word in str(error) for word in ("not our ref", "unadvertised object")):
            raise
        await _fetch(mirror, f"+refs/heads/*:{_SEARCHED}heads/*", f"+refs/tags/*:{_SEARCHED}tags/*", depth=())
        found = await mirror.run("update-ref", _FOLLOWED, commit)
        await _forget_search(mirror)
        if found.status != 0:
            raise SourceError(
                f"{mirror.access.address.shown} has no commit {commit} on any branch or tag; was it force-pushed away?"
            ) from error


async def _forget_search(mirror: Mirror) -> None:
    refs = (await mirror.ask("for-each-ref", "--format=%(refname)", _SEARCHED)).decode().split()
    await mirror.ask("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in refs).encode())
