"""RFC 7386 merge patches on documents that know where each value was written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.domain import Document

if TYPE_CHECKING:
    from reconciler.domain import Body, Pointer, Position

Origin = dict["Pointer", "Position"]


def merge_patch(target: Document, patch: Document) -> Document:
    """Return ``target`` with ``patch`` applied as RFC 7386 says: mappings merge, null removes, the rest replaces.

    What the patch wrote has the patch's positions. A mapping that both have keeps the target's.
    https://www.rfc-editor.org/rfc/rfc7386
    """
    origin = dict(target.origin)
    return Document(_merge(target.data, patch, patch.data, (), origin), origin)


def fill(document: Document, defaults: Document) -> Document:
    """Return ``document`` with what it does not say taken from ``defaults``, mapping by mapping.

    Unlike a patch, a null counts as said: an unfinished line must be found, not be filled in.
    """
    origin = dict(document.origin)
    return Document(_fill(document.data, defaults, defaults.data, (), origin), origin)


def _merge(target: Any, patch: Document, changes: Body, at: Pointer, origin: Origin) -> Body:
    merged: Body = dict(target) if isinstance(target, dict) else {}
    for key, value in changes.items():
        here = (*at, key)
        old = merged.get(key)
        if value is None:
            _forget(origin, here, merged.pop(key, None))
        elif not isinstance(value, dict):
            _forget(origin, here, old)
            _place(origin, patch, here, value)
            merged[key] = value
        else:
            if not isinstance(old, dict):
                _forget(origin, here, old)
                origin[here] = patch.at(*here)
            merged[key] = _merge(old, patch, value, here, origin)
    return merged


def _fill(said: Body, defaults: Document, offers: Body, at: Pointer, origin: Origin) -> Body:
    filled = dict(said)
    for key, value in offers.items():
        here = (*at, key)
        if key not in filled:
            filled[key] = value
            _place(origin, defaults, here, value)
        elif isinstance(filled[key], dict) and isinstance(value, dict):
            filled[key] = _fill(filled[key], defaults, value, here, origin)
    return filled


def _place(origin: Origin, source: Document, at: Pointer, value: Any) -> None:
    origin[at] = source.at(*at)
    for key, child in _children(value):
        _place(origin, source, (*at, key), child)


def _forget(origin: Origin, at: Pointer, value: Any) -> None:
    origin.pop(at, None)
    for key, child in _children(value):
        _forget(origin, (*at, key), child)


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
