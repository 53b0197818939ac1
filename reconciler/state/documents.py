"""Names and texts that the folder and the container have in common."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from reconciler.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ENVIRONMENT = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")
JOURNAL_PART = re.compile(r"\d{4}-\d\d(_\d{3})?\.jsonl")
"""``2026-11.jsonl``, then ``2026-11_002.jsonl`` when that one is full: the order of names is the order of time."""


def checked(environment: str) -> str:
    """The name, which is also the path below the store. Raises ValueError unless it is ``project/environment``."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError(f"{environment!r} is not project/environment in lower-case letters, digits and hyphens")
    return environment


def orders_of(text: bytes, place: str) -> dict[str, str]:
    """The orders in a document. Raises StateError, which names ``place``, when it is none."""
    try:
        suspended = json.loads(text)["suspended"]
        return {resource: _reason(reason) for resource, reason in suspended.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = 'wanted {"version": 1, "suspended": {resource: reason}}; mend it, or delete it to resume everything'
        raise StateError(f"{place} cannot be read: {hint}") from error


def _reason(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a reason is text")
    return value


def orders_text(orders: Mapping[str, str]) -> bytes:
    """The document of some orders."""
    return json.dumps({"version": 1, "suspended": dict(sorted(orders.items()))}, indent=2).encode() + b"\n"


def line_of(entry: bytes) -> bytes:
    """The entry as one line of a journal. Raises ValueError when it is more than that, or nothing."""
    if not entry or b"\n" in entry:
        raise ValueError("an entry of the journal is one line")
    return entry + b"\n"


def journal_part(now: datetime, part: int) -> str:
    """The name of a month's journal, or of its part from the second on."""
    month = now.strftime("%Y-%m")
    return f"{month}.jsonl" if part == 1 else f"{month}_{part:03}.jsonl"


def part_of(name: str) -> int:
    """Which part of its month a journal is, from 1."""
    return int(name[8:11]) if name[7] == "_" else 1
