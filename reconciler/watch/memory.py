"""What is remembered of one environment between passes, across restarts and replicas. Pure.

Nothing here is needed to be right about Azure: live state and Git tell everything that counts. Losing it costs one
more try of what failed, and one more message.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

VERSION = 1
ConditionType = Literal["Ready", "Reconciling", "Stalled"]
CONDITIONS: tuple[ConditionType, ...] = ("Ready", "Reconciling", "Stalled")
DEEPEST = 20
"""What notifications remember is nested less than this; what is nested more could be read and not written again."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the three conditions. ``reason`` is PascalCase; ``since`` is when ``status`` last changed (ISO, UTC)."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class Stall:
    """An action that failed for good: it is not tried again until ``desired``, what was to be done, is another."""

    message: str
    code: str
    desired: str


@dataclass(frozen=True, slots=True)
class Memory:
    """One environment. Times are Unix seconds.

    ``revision`` was looked at last, ``applied_revision`` was the last to be in sync. ``due_at`` is when the next pass
    is due; ``failures`` counts passes in a row that failed for a reason that may pass. ``stalled`` is by resource.
    ``retried`` is the last order to retry that was followed. ``warnings`` are those of the last plan, by rule and
    resource. ``told`` is what notifications remember, as JSON.
    """

    revision: str = ""
    applied_revision: str = ""
    conditions: tuple[Condition, ...] = ()
    passed_at: float = 0.0
    due_at: float = 0.0
    failures: int = 0
    stalled: Mapping[str, Stall] = field(default_factory=dict)
    retried: str = ""
    warnings: tuple[str, ...] = ()
    told: Any = None

    def to_json(self) -> bytes:
        """The document that a store keeps."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, document: bytes | None) -> Memory:
        """What a document says; what it does not say, or says in a way unknown here, is as if never remembered."""
        try:
            read = json.loads(document or b"{}")
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(read, dict):
            return cls()
        return cls(
            revision=_text(read.get("revision")),
            applied_revision=_text(read.get("applied_revision")),
            conditions=tuple(_conditions(read.get("conditions"))),
            passed_at=_number(read.get("passed_at")),
            due_at=_number(read.get("due_at")),
            failures=int(_number(read.get("failures"))),
            stalled=_stalls(read.get("stalled")),
            retried=_text(read.get("retried")),
            warnings=tuple(_texts(read.get("warnings"))),
            told=_shallow(read.get("told")),
        )

    def condition(self, type_: ConditionType) -> Condition | None:
        """The condition of that type, when there is one."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return float(value) if usable else 0.0


def _shallow(value: Any) -> Any:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for entry in level for inner in _inside(entry)]
        if not level:
            return value
    return None


def _inside(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _conditions(value: Any) -> list[Condition]:
    found = []
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict) and entry.get("type") in CONDITIONS and isinstance(entry.get("status"), bool):
            said = (_text(entry.get(key)) for key in ("reason", "message", "since"))
            found.append(Condition(entry["type"], entry["status"], *said))
    return found


def _stalls(value: Any) -> dict[str, Stall]:
    entries = value.items() if isinstance(value, dict) else ()
    return {
        name: Stall(*(_text(entry.get(key)) for key in ("message", "code", "desired")))
        for name, entry in entries
        if isinstance(entry, dict)
    }
