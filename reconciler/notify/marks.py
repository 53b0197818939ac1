"""Which commits were marked how: the key is commit, environment and state, and nothing else."""

from __future__ import annotations

import re
from typing import Literal, TypeGuard

State = Literal["pending", "success", "failure", "error"]
STATES: tuple[State, ...] = ("pending", "success", "failure", "error")
Marks = tuple[tuple[str, State], ...]
"""Commit and its state in one environment, the latest last."""

REMEMBERED = 20
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def is_commit(revision: object) -> TypeGuard[str]:
    """Whether a forge can know it: ``-dirty`` and ``unversioned`` are no commits."""
    return isinstance(revision, str) and _COMMIT.fullmatch(revision) is not None


def due(marks: Marks, revision: str, state: State) -> bool:
    """Whether the commit does not say so yet. ``pending`` never takes a occasion back."""
    now = dict(marks).get(revision)
    if not is_commit(revision) or now == state:
        return False
    return state != "pending" or now is None


def marked(marks: Marks, revision: str, state: State) -> Marks:
    """The marks with this one, at most the last 20 commits."""
    return (*(mark for mark in marks if mark[0] != revision), (revision, state))[-REMEMBERED:]
