"""The source that loop.yaml names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from reconciler.source.checkout import Source
    from schemas.loop import Loop, Secret


def open_source(
    loop: Loop, beside: Path, project: Callable[[], Path], reveal: Callable[[Secret], str], ignored: Iterable[Path] = ()
) -> Source:
    """The repository of the loop file, or else the working copy of the project. Nothing is read from either yet.

    ``beside`` is the folder of loop.yaml, ``project`` finds the folder of gitops.yaml where there is no repository,
    ``reveal`` fetches a secret that loop.yaml names. Changes in ``ignored`` folders of a working copy do not count.
    Raises SourceError for settings that can never work.
    """
    if loop.source is None:
        from reconciler.source.local import WorkingCopy

        return WorkingCopy(project(), (beside / loop.folder, *ignored))
    from reconciler.source.remote import RemoteSource

    return RemoteSource(loop.source, beside / loop.folder, beside, reveal)
