"""Which environments a change of files can matter to. PURE."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.project import Project


def touched(paths: frozenset[str] | None, project: Project, environments: Iterable[str]) -> frozenset[str]:
    """Return those of ``environments`` whose plan may differ when these files do; all when that is not known (None).

    ``paths`` are posix and relative to the folder of gitops.yaml; what lies above it matters to nobody. The overlay
    folder of an environment matters to that one alone. That holds as long as no manifest of another one names a
    path into it; the sweep that comes anyway sees that.
    """
    every = frozenset(environments)
    if paths is None:
        return every
    found: set[str] = set()
    for path in paths:
        if path == ".." or path.startswith(("../", "/")):
            continue
        owner = _owner(PurePosixPath(path), project)
        found |= every if owner is None else every & {owner}
    return frozenset(found)


def _owner(path: PurePosixPath, project: Project) -> str | None:
    """The one environment that reads the file, None when it may be any."""
    overlays = PurePosixPath(project.overlays)
    # What lies in an overlay folder and is read as a manifest as well is everybody's.
    if any(
        path.is_relative_to(folder) for folder in map(PurePosixPath, project.manifests) if _inside(folder, overlays)
    ):
        return None
    if not path.is_relative_to(overlays):
        return None
    parts = path.relative_to(overlays).parts
    return parts[0] if len(parts) > 1 and parts[0] in project.environments else None


def _inside(folder: PurePosixPath, overlays: PurePosixPath) -> bool:
    return folder.is_relative_to(overlays)
