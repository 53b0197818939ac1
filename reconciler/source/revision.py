"""Which revision of the manifests this is. Git answers through its own binary; without it no commit can be named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SourceError
from reconciler.source.differ import below
from reconciler.source.environ import without_git

if TYPE_CHECKING:
    from collections.abc import Iterable

UNVERSIONED = "unversioned"
DIRTY = "-dirty"
GIT_TIMEOUT_S = 30


def revision_of(root: Path, *, beside: Path | None = None, ignored: Iterable[Path] = ()) -> str:
    """Commit of the checkout that ``root`` is in, with ``-dirty`` when anything below ``root`` differs from it.

    ``beside`` is a file that does not count, such as the saved plan itself; ``ignored`` are folders, such as our own.
    ``unversioned`` outside of a repository, before its first commit, and where there is no git. Raises SourceError
    when git is there and fails otherwise.
    """
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return UNVERSIONED
    aside = [path for path in (*([beside] if beside else []), *ignored) if _lies_in(path, root)]
    but = [f":(exclude){path.resolve().relative_to(root.resolve())}" for path in sorted(aside)]
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *but)
    return head.strip() + (DIRTY if changed else "")


def author_of(root: Path) -> str:
    """Author of the commit that ``root`` is at, as ``Name <mail>``; empty without one. Raises SourceError."""
    said = _git(root, "log", "-1", "--no-show-signature", "--format=%an <%ae>") or ""
    return "".join(character for character in said.strip() if character.isprintable())


def git_folders(root: Path) -> tuple[Path, ...]:
    """Where Git keeps what moves with a commit: HEAD, index and refs. None outside of a repository. Raises SourceError.

    They are two in a linked worktree.
    """
    said = _git(root, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    return tuple(sorted({Path(line).resolve() for line in (said or "").splitlines()}))


def paths_between(root: Path, before: str, after: str) -> frozenset[str] | None:
    """Files below ``root`` that two commits differ in, relative to it; None when Git cannot tell, or a link hides it.

    Raises SourceError.
    """
    folder = _git(root, "rev-parse", "--show-prefix")
    if folder is None:
        return None
    for commit in (before, after):
        listed = _git(root, "ls-tree", "-r", "-z", commit, ".")
        if listed is None or any(entry.startswith("120000 ") for entry in listed.split("\0")):
            return None
    named = _git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after)
    return None if named is None else below(os.fsencode(named), folder.strip().rstrip("/") or ".")


def _upward(root: Path) -> tuple[Path, ...]:
    return (root.resolve(), *root.resolve().parents)


def _lies_in(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
            env=without_git(os.environ),
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"git {arguments[0]} did not answer within {GIT_TIMEOUT_S} s in {root}") from error
    if done.returncode == 0:
        return os.fsdecode(done.stdout)
    said = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in said and (broken := next((p for p in _upward(root) if (p / ".git").exists()), None)):
        raise SourceError(f"{broken / '.git'} is there, but is no repository that git can read: {said}")
    if "not a git repository" in said or not said:
        return None
    raise SourceError(f"git {arguments[0]} failed in {root}: {said}")
