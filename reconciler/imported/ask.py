"""What an import is asked, and what it answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Body, Document, LocalPath, Ref, Target
    from reconciler.manifest import Context


@dataclass(frozen=True, slots=True)
class Ask:
    """What to import, and what the project says already.

    ``owner`` is the mark of this project and environment. ``defaults`` are what gitops.yaml gives manifests, by kind.
    ``declared`` are the resources of the project, ``documents`` and ``survey`` what they were made from. ``select``
    are names or patterns of resources; empty is all endpoints and deployments and what they use.
    """

    owner: str
    target: Target
    context: Context
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    declared: frozenset[Ref] = frozenset()
    documents: tuple[Document, ...] = ()
    survey: Mapping[str, LocalPath] = field(default_factory=dict)
    select: tuple[str, ...] = ()
    adopt: bool = False

    def offered(self, kind: str) -> Mapping[str, Any]:
        """What a manifest of ``kind`` gets without naming anything."""
        return {**self._placed(kind), **self.defaults.get(kind, {})}

    def _placed(self, kind: str) -> Mapping[str, Any]:
        return {"location": self.target.location} if kind in ("endpoint", "deployment") else {}


@dataclass(frozen=True, slots=True)
class File:
    """One file to write: its path within the folder (posix), what it holds, and the manifest it belongs to."""

    path: str
    content: Body
    ref: Ref


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about an import: of which sort, of what, and what was done."""

    rule: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The files to write, and what a person must know.

    ``declared`` were asked for and are in the manifests already. ``missed`` were asked for and could not be imported;
    ``notes`` say why. ``unmatched`` are the patterns that mean nothing live.
    """

    files: tuple[File, ...] = ()
    notes: tuple[Note, ...] = ()
    declared: tuple[Ref, ...] = ()
    missed: tuple[Ref, ...] = ()
    unmatched: tuple[str, ...] = ()
