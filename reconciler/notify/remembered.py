"""What telling remembers of one environment from pass to pass, as JSON: replicas share it, and restarts keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.notify.marks import STATES, Marks, is_commit
from reconciler.notify.rules import Failure, Told

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
MOST_PASSES = 1_000_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """The failure that lasts, what each target was told of it, and the marks on commits."""

    failure: Failure | None = None
    told: Mapping[str, Told] = field(default_factory=dict)
    marks: Marks = ()

    def to_json(self) -> Json:
        """As JSON that ``remembered_from`` reads."""
        return {
            "failure": None if self.failure is None else [self.failure.since_s, self.failure.passes],
            "told": {
                target: {"open": told.open, "at": told.at_s, "revision": told.revision, "reasons": [*told.reasons]}
                for target, told in sorted(self.told.items())
            },
            "marks": [[*mark] for mark in self.marks],
        }


def remembered_from(value: object) -> Remembered:
    """What was remembered; whatever is not of the expected shape counts as never known. Raises nothing."""
    document = value if isinstance(value, dict) else {}
    told = document.get("told")
    marks = document.get("marks")
    return Remembered(
        _failure(document.get("failure")),
        {str(target): _told(one) for target, one in told.items()} if isinstance(told, dict) else {},
        tuple(mark for one in (marks if isinstance(marks, list) else ()) for mark in _mark(one)),
    )


def _failure(value: object) -> Failure | None:
    match value:
        case [since, int() as passes] if (since_s := _seconds(since)) is not None:
            return Failure(since_s, min(passes, MOST_PASSES))
    return None


def _seconds(value: object) -> float | None:
    # A time of thousands of years is a broken document, and some such numbers no float can hold.
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None


def _told(value: object) -> Told:
    match value:
        case {"open": bool() as is_open, "at": at, "revision": str() as revision, **others}:
            reasons = others.get("reasons")
            known = reasons if isinstance(reasons, list) else ()
            if (at_s := _seconds(at)) is not None:
                return Told(is_open, at_s, revision, tuple(one for one in known if isinstance(one, str)))
    return Told()


def _mark(value: object) -> Marks:
    match value:
        case [revision, str() as state] if is_commit(revision):
            return tuple((revision, known) for known in STATES if known == state)
    return ()
