"""The whole answer to "why?", as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.domain import Position, Ref, Refusal
    from reconciler.explain.fields import FieldState
    from reconciler.plan.said import Said

NOT_DECLARED = "NotDeclared"
"""Live, in no manifest, and nothing is to be done about it."""


@dataclass(frozen=True, slots=True)
class LastWrite:
    """Who touched the live resource, as Azure tells; what Azure does not tell is empty. Times are RFC 3339."""

    by: str = ""
    by_type: str = ""
    at: str = ""
    created_by: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a resource is as it is.

    ``sync`` is that of ``status``, or NotDeclared. ``said`` is everything the plan says of it. ``blocked`` are the
    refusals of other resources, which stop the whole plan. ``owner`` is the mark found live; ``ours`` whether it is
    this project's here. ``traffic`` and ``mirror`` are shares in percent.
    """

    ref: Ref
    sync: str
    health: str
    verdict: str
    causes: tuple[str, ...]
    said: Said
    fields: tuple[FieldState, ...] = ()
    position: Position | None = None
    owner: str = ""
    ours: bool = False
    protected: bool = False
    revision: str = ""
    last_write: LastWrite = LastWrite()
    traffic: int | None = None
    mirror: int | None = None
    blocked: tuple[Refusal, ...] = ()
    doc: str = ""

    @property
    def differing(self) -> tuple[FieldState, ...]:
        """The fields that are not as they should be."""
        return tuple(row for row in self.fields if row.differs)
