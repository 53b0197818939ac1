"""Which files two commits differ in."""

from __future__ import annotations

import os
from pathlib import PurePosixPath


def below(printed: bytes, folder: str) -> frozenset[str] | None:
    """What ``git diff-tree --name-only -z`` names below ``folder`` (posix), relative to it.

    None when something above the folder differs: the folder lies in a submodule that moved.
    """
    top = PurePosixPath(folder)
    found = set()
    for name in os.fsdecode(printed).split("\0"):
        path = PurePosixPath(name)
        if not name:
            continue
        if path == top or path in top.parents:
            return None
        if path.is_relative_to(top):
            found.add(path.relative_to(top).as_posix())
    return frozenset(found)
