"""Which revision of the manifests this is. Git answers through its own binary; without it no commit can be named."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

UNVERSIONED = "unversioned"
GIT_TIMEOUT_S = 30


def revision_of(root: Path, *, beside: Path | None = None) -> str:
    """Commit of the checkout that ``root`` is in, with ``-dirty`` when anything below ``root`` differs from it.

    ``beside`` is a file that does not count, such as the saved plan itself.
    ``unversioned`` outside of a repository, before its first commit, and where there is no git. Raises SourceError
    when git is there and fails otherwise.
    """
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return UNVERSIONED
    but = [f":(exclude){beside.resolve().relative_to(root.resolve())}"] if beside and _lies_in(beside, root) else []
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *but)
    return head.strip() + ("-dirty" if changed else "")


def _lies_in(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_S,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"git {arguments[0]} did not answer within {GIT_TIMEOUT_S} s in {root}") from error
    if done.returncode == 0:
        return done.stdout
    if "not a git repository" in done.stderr or not done.stderr.strip():
        return None
    raise SourceError(f"git {arguments[0]} failed in {root}: {done.stderr.strip()}")
