"""Traffic before and after, drawn: the one change of a plan that a picture tells better than two numbers. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reconciler.kinds.kind import get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.domain import Action

COLOURS = 5
_AT = "properties.traffic"


def split(action: Action) -> Iterator[str]:
    """Two bars of 100 %, live before and after, when the action shifts live traffic."""
    moved = {
        change.path.removeprefix(f"{_AT}."): change for change in action.changes if change.path.startswith(f"{_AT}.")
    }
    if action.ref.kind != "traffic" or not moved:
        return
    after = _weights(get(action.body, _AT, {}))
    before = {name: weight for name, weight in after.items() if name not in moved}
    before |= _weights({name: change.before for name, change in moved.items()})
    names = sorted({*before, *after})
    yield f"<figure><figcaption>Live traffic, before and after</figcaption>{_bar(before, names)}{_bar(after, names)}"
    yield '<ul class="legend">'
    for number, name in enumerate(names):
        dot = f'<svg viewBox="0 0 2 2" aria-hidden="true"><rect width="2" height="2" class="{_colour(number)}"/></svg>'
        yield f"<li>{dot}{escape(name)} {before.get(name, 0)} % → {after.get(name, 0)} %</li>"
    yield "</ul></figure>"


def _weights(found: Mapping[str, object]) -> dict[str, int]:
    return {name.lower(): weight for name, weight in found.items() if isinstance(weight, int) and weight}


def _colour(number: int) -> str:
    return f"t{min(number, COLOURS - 1)}"


def _bar(weights: Mapping[str, int], names: list[str]) -> str:
    parts, at = [], 0
    for number, name in enumerate(names):
        if width := weights.get(name, 0):
            parts.append(f'<rect x="{at}" width="{width}" height="4" class="{_colour(number)}"/>')
            at += width
    svg = '<svg class="split" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
    return svg + "".join(parts) + "</svg>"
