"""Each field of one resource: who decides about it, what is desired, what is live, whether that differs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from reconciler.kinds import KINDS
from reconciler.kinds.kind import UNSET, Field
from reconciler.plan.diff import diff, get_or_null
from reconciler.plan.ownership import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconciler.domain import Body, Change, Position, Resource
    from reconciler.kinds.kind import Kind


NOT_SHOWN = "(not shown)"
_WRITE_ONLY = frozenset({"properties.keys"})
"""Taken at creation and never answered (azure-rest-api-specs: 'will always be returned as null')."""
_ELSEWHERE = ("properties.traffic", "properties.mirrorTraffic", *_WRITE_ONLY)
"""On the endpoint's body, and another resource's or nobody's to show."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """One field.

    ``classes`` begins with who decides: ``manifest``, ``documented default``, ``derived`` (from the project: a
    location, a content hash), ``ignored``, ``left to Azure``, ``server-owned``, ``bookkeeping``. Then what else is
    true of it: ``alias``, ``immutable``, ``secret``. ``source`` is where the rule is documented.
    """

    path: str
    classes: tuple[str, ...]
    desired: Any
    live: Any
    differs: bool
    sensitive: bool = False
    note: str = ""
    source: str = ""
    position: Position | None = None


def fields_of(
    resource: Resource, live: Body | None, planned: Sequence[Change], written: Callable[[str], Position | None]
) -> tuple[FieldState, ...]:
    """Every field that is desired or live, sorted by path; ``planned`` are the changes that the plan speaks of."""
    kind, base = KINDS[resource.ref.kind], live or {}
    ignore = resource.options.ignore
    compared = kind.name != "code" or live is None  # A code version is its content: it exists, or it does not.
    changes = {change.path: change for change in diff(kind, resource.body, base, ignore)} if compared else {}
    changes |= {change.path: change for change in planned}
    quiet = {change.path for change in diff(kind, resource.body, base)} - set(changes) if compared else set()
    table = _Table(kind, resource, base, changes, quiet, written)
    rows = [row for entry in kind.fields for row in table.of(entry)]
    if kind.name != "traffic":
        rows += _azures(kind, base)
    return tuple(sorted(rows, key=lambda row: row.path))


@dataclass(frozen=True, slots=True)
class _Table:
    kind: Kind
    resource: Resource
    live: Body
    changes: Mapping[str, Change]
    quiet: set[str]
    written: Callable[[str], Position | None]

    def of(self, entry: Field) -> Iterator[FieldState]:
        """The rows of one field: one, or one for each entry of a map."""
        wanted, raw = get_or_null(self.resource.body, entry.arm), get_or_null(self.live, entry.arm)
        if wanted is UNSET and raw is UNSET:
            return
        ours, theirs = _leaves(entry, wanted), _leaves(entry, raw)
        moved = {path for path in self.changes if path == entry.arm or path.startswith(f"{entry.arm}.")}
        paths = {entry.arm} if entry.arm in moved else set(ours) | set(theirs) | moved
        if moved and entry.arm not in moved:
            paths.discard(entry.arm)
        for path in sorted(paths):
            yield self._row(entry, path, ours.get(path, UNSET), theirs.get(path, UNSET))

    def _row(self, entry: Field, path: str, ours: Any, theirs: Any) -> FieldState:
        change = self.changes.get(path)
        desired, live = (change.after, change.before) if change else (_plain(ours), _plain(theirs))
        position = self.written(_key(entry, path)) if desired is not None or change else None
        classes = [self._decider(entry, path, ours, change, position)]
        note = ""
        if path in self.quiet:
            pattern = next(p for p in self.resource.options.ignore if _covers(p, path))
            note = f"differs, and `ignore: {pattern}` leaves it alone"
        elif change is None and _alias(entry, path, self.resource.body, self.live):
            classes.append("alias")
            note = "spelled differently, means the same"
        elif change is not None and change.reason == "drift":
            note = "changed outside Git"
        elif change is not None and change.after is None:
            note = "not in the manifest any more: it is to go"
        elif classes == ["left to Azure"] and entry.arm == self.kind.tags_at:
            note = "somebody else's tag: it stays"
        if entry.immutable and self.live and (ours is not UNSET or change is not None):
            classes.append("immutable")
            if change is not None and not (entry.additive and change.before is None):
                note = f"Azure does not change it on an existing resource. {entry.immutable}"
        if entry.secret:
            classes.append("secret")
        return FieldState(
            path,
            tuple(classes),
            desired,
            live,
            differs=change is not None,
            sensitive=entry.secret or (change is not None and change.sensitive),
            note=note,
            source=entry.source or self.kind.doc,
            position=position,
        )

    def _decider(self, entry: Field, path: str, ours: Any, change: Change | None, position: Position | None) -> str:
        name = path.removeprefix(f"{entry.arm}.")
        if entry.arm == self.kind.tags_at and name.startswith(PREFIX):
            return "bookkeeping"
        if any(_covers(pattern, path) for pattern in self.resource.options.ignore):
            return "ignored"
        if ours is UNSET and change is None:
            return "server-owned" if name in entry.server_keys else "left to Azure"
        if position is not None:
            return "manifest"
        if get_or_null(self.resource.body, entry.arm) == entry.default:
            return "documented default"
        return "derived" if not entry.manifest or entry.manifest in ("location", "hash", "hash_version") else "manifest"


def _azures(kind: Kind, live: Body) -> Iterator[FieldState]:
    """What is live and in no table: Azure's own fields, and those that this product does not know."""
    for path in kind.server_owned:
        value = get_or_null(live, path)
        if value is not UNSET and value is not None and path not in kind.by_arm and path not in _WRITE_ONLY:
            yield FieldState(path, ("server-owned",), None, value, differs=False, source=kind.doc)
    known = (*kind.by_arm, *kind.server_owned, *_ELSEWHERE)
    for steps, value in _flat(live, ()):
        name = ".".join(steps)
        if value not in (None, {}, []) and not any(name == other or name.startswith(f"{other}.") for other in known):
            note = "not known here, so its value is not shown; a PUT carries it along as it is"
            yield FieldState(name, ("left to Azure",), None, NOT_SHOWN, differs=False, note=note)


def _leaves(entry: Field, value: Any) -> dict[str, Any]:
    """A field's value by path: a map entry by entry as it is compared, anything else whole."""
    if value is UNSET:
        return {}
    canonical = None if value is None else entry.form.canonical(value)
    if not isinstance(value, dict) or not isinstance(canonical, dict):
        return {entry.arm: value}
    return {".".join((entry.arm, *path)): item for path, item in _flat(canonical, ())}


def _flat(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, (*path, str(key)))
        else:
            yield (*path, str(key)), item


def _plain(value: Any) -> Any:
    return None if value is UNSET else value


def _key(entry: Field, path: str) -> str:
    """The manifest key behind a path of the ARM body, as near as the table can tell."""
    return entry.manifest + path[len(entry.arm) :] if entry.manifest and not entry.structure else entry.manifest


def _alias(entry: Field, path: str, desired: Body, live: Body) -> bool:
    ours, theirs = get_or_null(desired, entry.arm), get_or_null(live, entry.arm)
    if path != entry.arm or ours in (UNSET, None) or theirs in (UNSET, None):
        return False
    return bool(ours != theirs)


def _covers(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern + ".*")
