"""A revision of the manifests on this machine's disk, and where the next one comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of one revision.

    ``root`` is the folder of gitops.yaml. ``revision`` is the full commit, with ``-dirty`` for a working copy that
    differs from it, ``unversioned`` without one. ``generation`` grows with every change: two checkouts of one source
    with the same generation are the same bytes. ``author`` is ``Name <mail>``, empty when unknown.
    """

    root: Path
    revision: str
    generation: int
    author: str = ""


class Source(Protocol):
    """Where checkouts come from."""

    async def latest(self) -> Checkout:
        """The newest revision, complete and, when that is asked for, signed by somebody trusted.

        Raises SourceUnavailable for what may pass by itself, SignatureRefused and SourceError for what will not.
        """

    async def changed(self) -> None:
        """Return when something may have changed. Never, for a source that has to be asked."""

    async def paths_between(self, before: Checkout, after: Checkout) -> frozenset[str] | None:
        """Files that differ, posix and relative to ``root``; None when that cannot be told."""

    async def keep(self, checkouts: Iterable[Checkout]) -> None:
        """Remove from disk what is none of these."""

    async def close(self) -> None:
        """Stop watching. What is on disk stays."""
