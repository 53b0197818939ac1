"""One live body as manifest values: the field table read backwards. Pure.

What leaving a field out would mean is asked of the differ itself, so that "left out" and "documented default" cannot
drift apart.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.compose.patch import fill
from reconciler.domain import Document, Position
from reconciler.kinds.forms import MAP
from reconciler.kinds.kind import UNSET, get, put
from reconciler.kinds.kind import flat as flattened
from reconciler.plan.diff import diff, writable
from reconciler.plan.ownership import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Body, Change, Pointer
    from reconciler.kinds.kind import Field, Kind

EMPTY: tuple[Any, ...] = (None, {}, [])


@dataclass(frozen=True, slots=True)
class Said:
    """What a manifest says of one live body, by dotted manifest key.

    ``unsaid`` is what no manifest can say. ``added`` is what the defaults of gitops.yaml say and live does not have,
    which no manifest can take back.
    """

    values: Mapping[str, Any]
    unsaid: tuple[Change, ...]
    added: tuple[Change, ...]


def said(kind: Kind, live: Body, offered: Mapping[str, Any]) -> Said:
    """The values that a manifest of ``kind`` must name to mean ``live``.

    ``offered`` is what it gets without naming anything: the defaults of gitops.yaml, as a nested mapping. References
    stay in ARM spelling.
    """
    body, known = writable(kind, live), dict(flattened(offered))
    omitted = {at_path(kind, change.path).arm for change in diff(kind, kind.body(known), live)}
    values: dict[str, Any] = {}
    for entry in kind.fields:
        value = _written(kind, entry, get(body, entry.arm))
        if not entry.manifest or value in EMPTY:
            continue
        if entry.form is MAP:
            there = known.get(entry.manifest) or {}
            value = {key: item for key, item in value.items() if there.get(key) != item}
            if value:
                values[entry.manifest] = value
        elif entry.arm in omitted or (entry.manifest not in known and entry.default is UNSET and _chosen(entry, body)):
            values[entry.manifest] = value
    left = diff(kind, kind.body(dict(flattened(filled(values, offered)))), live)
    added = tuple(change for change in left if _is_added(at_path(kind, change.path), change, known))
    return Said(values, tuple(change for change in left if change not in added), added)


def filled(values: Mapping[str, Any], offered: Mapping[str, Any]) -> Body:
    """The manifest of dotted ``values`` as it is composed: with the defaults in what it does not say."""
    nested: Body = {}
    for key, value in values.items():
        put(nested, key, deepcopy(value))
    nowhere: dict[Pointer, Position] = {(): Position("")}
    return fill(Document(nested, nowhere), Document(dict(offered), nowhere)).data


def at_path(kind: Kind, path: str) -> Field:
    """The field that a change of this ARM path is about."""
    while path not in kind.by_arm:
        path = path.rpartition(".")[0]
    return kind.by_arm[path]


def _written(kind: Kind, entry: Field, raw: Any) -> Any:
    value = None if raw is None else _backwards(entry, raw)
    if entry.arm == kind.tags_at and isinstance(value, dict):
        return {key: item for key, item in value.items() if not key.startswith(PREFIX)}
    return value


def _backwards(entry: Field, raw: Any) -> Any:
    """The manifest value, or ``None`` for what no person could write: its way back fails or does not lead there."""
    try:
        value = entry.form.from_arm(raw)
        entry.form.to_arm(value)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return value


def _chosen(entry: Field, body: Body) -> bool:
    """Whether somebody chose the value, as against Azure, which puts one where nobody did."""
    value = entry.form.canonical(get(body, entry.arm))
    return all(value != entry.form.canonical(item) for item in entry.filled)


def _is_added(entry: Field, change: Change, known: Mapping[str, Any]) -> bool:
    if change.before is not None or entry.manifest not in known:
        return False
    if entry.form is not MAP:
        return True
    return change.path.removeprefix(f"{entry.arm}.") in known[entry.manifest]


__all__ = ["EMPTY", "Said", "at_path", "filled", "said"]
