"""What differs between a desired and a live body, and the body that would end it. Pure.

Compared are the fields that the kind's table knows and the desired body names; what neither the manifest nor a
documented default says is Azure's, is never a difference, and is carried through a full PUT untouched.
"""

from __future__ import annotations

from copy import deepcopy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from reconciler.domain import Change
from reconciler.kinds.kind import UNSET, Field, Kind, get, put, steps
from reconciler.plan.ownership import PREFIX, remembered, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.domain import Body


def diff(kind: Kind, desired: Body, live: Body, ignore: Sequence[str] = ()) -> tuple[Change, ...]:
    """The changes that would bring ``live`` to ``desired``, sorted by path. Empty means equal in meaning."""
    found: list[Change] = []
    for entry in kind.fields:
        wanted = get_or_null(desired, entry.arm)
        if wanted is UNSET:
            continue
        raw = get(live, entry.arm)
        if raw == wanted and entry.arm != kind.tags_at:
            continue  # Spelled alike: most fields of most resources end here.
        before, after = _comparable(kind, entry, raw, wanted), _canonical(entry, wanted)
        if entry.arm == kind.tags_at:
            before = {key: value for key, value in (before or {}).items() if key in _own_tags(kind, desired, live)}
        elif entry.additive:
            before = {key: value for key, value in (before or {}).items() if key in (after or {})}
        if not _equal(before, after):
            found += [
                change for change in _changes(entry, before, after, live, wanted) if not _ignored(change.path, ignore)
            ]
    return tuple(sorted(found, key=lambda change: change.path))


def forbidden(kind: Kind, changes: Sequence[Change]) -> tuple[tuple[Change, Field], ...]:
    """Those changes that Azure does not allow on an existing resource, with the field that says so."""
    return tuple(
        (change, entry)
        for change in changes
        for entry in [_field_at(kind, change.path)]
        if entry.immutable and not (entry.additive and change.before is None)
    )


def merged(kind: Kind, desired: Body, live: Body, ignore: Sequence[str] = ()) -> Body:
    """The full body to PUT: what is desired, over everything live that is not ours to decide."""
    body = deepcopy(writable(kind, live))
    for entry in kind.fields:
        wanted = get_or_null(desired, entry.arm)
        if wanted is UNSET or (_ignored(entry.arm, ignore) and get_or_null(live, entry.arm) is not UNSET):
            continue
        plain = entry.arm != kind.tags_at and not entry.additive
        if plain and _equal(_comparable(kind, entry, get(body, entry.arm), wanted), _canonical(entry, wanted)):
            continue  # Equal in meaning: Azure's spelling stays as it is.
        if entry.arm == kind.tags_at:
            gone = _own_tags(kind, {}, live)
            wanted = {key: value for key, value in tags_of(kind, live).items() if key not in gone} | wanted
            wanted |= _ignored_items(entry, body, ignore)
        elif entry.additive:
            wanted = (get(body, entry.arm) or {}) | (wanted or {}) | _ignored_items(entry, body, ignore)
        elif isinstance(wanted, dict):
            wanted = wanted | _ignored_items(entry, body, ignore)
        put(body, entry.arm, deepcopy(wanted))
    return body


def without_nulls(body: Body) -> Body:
    """The body of a create: a field that is null by default need not be said."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in body.items()
        if value is not None
    }


def writable(kind: Kind, live: Body) -> Body:
    """A body without what Azure fills in itself. Mappings on the way to a change are new, the rest is shared."""
    body = live
    for path in kind.server_owned:
        body = _without(body, steps(path))
    for entry in kind.fields:
        value = get(body, entry.arm) if entry.server_keys else None
        if value:
            kept = {key: item for key, item in value.items() if key not in entry.server_keys}
            body = _with(body, steps(entry.arm), kept)
    return body


def _without(body: Body, path: Sequence[str]) -> Body:
    first, *rest = path
    if first not in body:
        return body
    if not rest:
        return {key: value for key, value in body.items() if key != first}
    inner = body[first]
    return {**body, first: _without(inner, rest)} if isinstance(inner, dict) else body


def _with(body: Body, path: Sequence[str], value: Any) -> Body:
    first, *rest = path
    return {**body, first: _with(body[first], rest, value) if rest else value}


def get_or_null(body: Body, path: str) -> Any:
    """Value at a dotted path, ``None`` when it is null, ``UNSET`` when it is not there."""
    value: Any = body
    for step in steps(path):
        if not isinstance(value, dict):
            return UNSET
        value = value.get(step, UNSET)
        if value is UNSET:
            return UNSET
    return value


def _own_tags(kind: Kind, desired: Body, live: Body) -> frozenset[str]:
    return remembered(tags_of(kind, live)) | frozenset(tags_of(kind, desired))


def _comparable(kind: Kind, entry: Field, raw: Any, wanted: Any) -> Any:
    """The live value as it is to be compared: without what Azure puts in beside what the manifest names."""
    value = _canonical(entry, raw)
    if not isinstance(value, dict):
        return value
    if entry.structure and isinstance(wanted, dict):
        return _restricted(value, _canonical(entry, wanted))
    named = wanted if isinstance(wanted, dict) else {}
    bookkeeping = PREFIX if entry.arm == kind.tags_at else None
    return {
        key: item
        for key, item in value.items()
        if (key in named or key not in entry.server_keys) and not (bookkeeping and key.startswith(bookkeeping))
    }


def _restricted(value: Any, wanted: Any) -> Any:
    """``value`` without nulls and without keys that ``wanted`` does not have, at every depth."""
    if not isinstance(value, dict) or not isinstance(wanted, dict):
        return value
    return {key: _restricted(item, wanted[key]) for key, item in value.items() if key in wanted and item is not None}


def _canonical(entry: Field, value: Any) -> Any:
    return None if value is None else entry.form.canonical(value)


def _equal(before: Any, after: Any) -> bool:
    return before == after or (before in (None, {}, []) and after in (None, {}, []))


def _changes(entry: Field, before: Any, after: Any, live: Body, wanted: Any) -> Iterator[Change]:
    reason = "documented default" if wanted == entry.default else "manifest"
    if isinstance(before, dict) and isinstance(after, dict):
        for path, old, new in _leaves(before, after):
            yield Change(".".join((entry.arm, *path)), old, new, reason, entry.secret)
    elif before in (None, {}) and isinstance(after, dict) and after:
        for key, value in after.items():
            yield Change(f"{entry.arm}.{key}", None, value, reason, entry.secret)
    else:
        shown = get(live, entry.arm)
        yield Change(entry.arm, shown, wanted, reason, entry.secret)


def _leaves(before: Body, after: Body) -> Iterator[tuple[list[str], Any, Any]]:
    from deepdiff import DeepDiff

    tree = DeepDiff(before, after, view="tree", ignore_numeric_type_changes=True, threshold_to_diff_deeper=0)
    for group in tree.values():
        for node in group:
            old = None if node.t1.__class__.__name__ == "NotPresent" else node.t1
            new = None if node.t2.__class__.__name__ == "NotPresent" else node.t2
            yield [str(step) for step in node.path(output_format="list")], old, new


def _field_at(kind: Kind, path: str) -> Field:
    while path not in kind.by_arm:
        path = path.rpartition(".")[0]
    return kind.by_arm[path]


def _ignored(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, pattern + ".*") for pattern in patterns)


def _ignored_items(entry: Field, body: Body, ignore: Sequence[str]) -> Body:
    """Entries of the map in ``body``, as it is live, that are to stay so although the map is written whole."""
    value = get(body, entry.arm)
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if _ignored(f"{entry.arm}.{key}", ignore)}
