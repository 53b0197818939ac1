"""The files of a commit on disk: laid out, and compared with the commit byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.source.address import address_of, resolved
from reconciler.source.failures import Unclear
from reconciler.source.follow import Target
from reconciler.source.git import output_of
from reconciler.source.mirror import Mirror, fetch, pin

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.source.address import Address

_SUBMODULE = "160000"
_LINK = "120000"
_NESTED = 10


@dataclass(frozen=True, slots=True)
class Part:
    """The files of one repository in a checkout; ``within`` is where (posix), empty for the repository itself.

    ``number`` tells submodules of one checkout apart: ``.2.0`` is the first submodule of the third.
    """

    mirror: Mirror
    commit: str
    within: str = ""
    number: str = ""

    def index(self, of_checkout: Path) -> Path:
        """Git's note on the files of this part, beside that on the whole checkout."""
        return of_checkout.with_name(f"{of_checkout.name}{self.number}")


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    digest: str
    path: str


def mirror_folder(clones: Path, address: Address) -> Path:
    """Where the clone of a repository is kept."""
    return clones / hashlib.sha256(address.url.encode()).hexdigest()[:20]


async def entries(mirror: Mirror, commit: str) -> tuple[_Entry, ...]:
    """Everything in the commit. Raises SourceError."""
    printed = await mirror.ask("ls-tree", "-r", "-z", "--full-tree", commit)
    found = []
    for line in os.fsdecode(printed).split("\0"):
        if line:
            about, path = line.split("\t", 1)
            mode, _, digest = about.split()
            found.append(_Entry(mode, digest, path))
    return tuple(found)


def has_links(found: tuple[_Entry, ...], folder: str) -> bool:
    """Whether a file below ``folder`` (posix), or the folder itself, may be read under more than one name."""
    links = (PurePosixPath(entry.path) for entry in found if entry.mode == _LINK)
    top = PurePosixPath(folder)
    return any(link.is_relative_to(top) or top.is_relative_to(link) for link in links)


async def lay_out(
    part: Part, tree: Path, of_checkout: Path, submodules: Path | None, *, write: bool = True
) -> tuple[Part, ...]:
    """Write the files of a commit, with ``submodules`` (the folder of their clones) those of its submodules too.

    Without ``write`` they must be there. Either way each file is compared with the commit. Returns all parts.
    Raises Unclear when a file is not as it should be, SourceError; half of the files may be there then.
    """
    into, index = tree / part.within, part.index(of_checkout)
    if write:
        await asyncio.to_thread(into.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(index.unlink, missing_ok=True)
        await _git(part, into, index, "read-tree", "-u", "--reset", part.commit)
    if not await intact(part, tree, index, by_content=True):
        raise Unclear(f"the files of commit {part.commit} are not on disk as they are in the commit")
    await pin(part.mirror, part.commit)
    found = await entries(part.mirror, part.commit)
    links = [entry for entry in found if entry.mode == _SUBMODULE]
    await _refuse_pointers(part, into, index, found)
    if submodules is None or not links:
        return (part,)
    if part.number.count(".") >= _NESTED:
        raise SourceError(f"submodules of {part.mirror.access.address.shown} are nested more than {_NESTED} deep")
    addresses = await _modules(part)
    parts = [part]
    for number, link in enumerate(links):
        mirror = _submodule_mirror(part, link.path, addresses, submodules)
        await fetch(mirror, Target(link.digest, link.digest))
        within = f"{part.within}/{link.path}".lstrip("/")
        inner = Part(mirror, link.digest, within, f"{part.number}.{number}")
        parts += await lay_out(inner, tree, of_checkout, submodules, write=write)
    return tuple(parts)


async def intact(part: Part, tree: Path, index: Path, *, by_content: bool) -> bool:
    """Whether no file of the commit is missing or differs: by its content, or by what the system says of the file.

    Raises SourceError when git cannot tell.
    """
    into = tree / part.within
    # Without an index nothing differs from it.
    needed = [into] if by_content else [into, index]
    if not await asyncio.to_thread(lambda: all(path.exists() for path in needed)):
        return False
    if by_content:
        await _git(part, into, index, "read-tree", part.commit)
        await _git(part, into, index, "update-index", "-q", "--really-refresh", may_differ=True)
    return not await _git(part, into, index, "diff-files", "--name-only", "--ignore-submodules=all")


async def _git(
    part: Part, into: Path, index: Path, *arguments: str, may_differ: bool = False, stdin: bytes = b""
) -> str:
    ran = await part.mirror.run(
        "-c", "core.bare=false", f"--work-tree={into}", *arguments, environ={"GIT_INDEX_FILE": str(index)}, stdin=stdin
    )
    if may_differ and ran.status == 1:
        return ""
    what = f"git {arguments[0]} of commit {part.commit[:12]} of {part.mirror.access.address.shown}"
    return os.fsdecode(output_of(ran, what))


async def _refuse_pointers(part: Part, into: Path, index: Path, found: tuple[_Entry, ...]) -> None:
    """A pointer of Git LFS taken for the model that it stands for would be deployed as one."""
    if not any(entry.path.rpartition("/")[2] == ".gitattributes" for entry in found):
        return
    paths = "".join(f"{entry.path}\0" for entry in found if entry.mode not in (_SUBMODULE, _LINK))
    printed = await _git(part, into, index, "check-attr", "-z", "--stdin", "filter", stdin=os.fsencode(paths))
    words = printed.split("\0")
    for path, value in zip(words[0::3], words[2::3], strict=False):
        if value == "lfs":
            raise SourceError(
                f"commit {part.commit[:12]} of {part.mirror.access.address.shown} keeps {path} in Git LFS, which is "
                "not supported: what Git holds is only a pointer. Keep it in Git, or register it as an asset and name "
                "it with azureml:"
            )


async def _modules(part: Part) -> dict[str, str]:
    """Path of each submodule to its address, as .gitmodules has them."""
    ran = await part.mirror.run(
        "config", "--null", f"--blob={part.commit}:.gitmodules", "--get-regexp", r"^submodule\..*\.(path|url)$"
    )
    said: dict[str, dict[str, str]] = {}
    for line in os.fsdecode(ran.stdout if ran.status == 0 else b"").split("\0"):
        key, found, value = line.partition("\n")
        if found:
            name, _, field = key.rpartition(".")
            said.setdefault(name, {})[field] = value
    return {module["path"]: module["url"] for module in said.values() if {"path", "url"} <= module.keys()}


def _submodule_mirror(part: Part, path: str, addresses: dict[str, str], clones: Path) -> Mirror:
    mirror = part.mirror
    if path not in addresses:
        raise SourceError(
            f"commit {part.commit[:12]} of {mirror.access.address.shown} has a submodule at {path}, and .gitmodules "
            "names no address for it: add one, or set `submodules: false`"
        )
    said_in = f"the address of submodule {path} in .gitmodules of commit {part.commit[:12]}"
    address = address_of(resolved(addresses[path], mirror.access.address), said_in)
    if address.scheme == "file" and not mirror.access.local:
        raise SourceError(f"{said_in} is on this machine: another repository cannot say what is read here")
    return Mirror(mirror_folder(clones, address), mirror.access.to_submodule(address), mirror.held)
