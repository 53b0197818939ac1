"""The route table: which handler answers which method and path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aml_emulator.call import Call
from aml_emulator.wire import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table. A segment in braces matches any one segment and gives it a name."""

    method: str
    segments: tuple[str, ...]
    handler: Handler

    def names(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """The named segments of ``path``, or None when it is another path. Case does not matter."""
        found: dict[str, str] = {}
        for pattern, segment in zip(self.segments, path, strict=True):
            if pattern.startswith("{"):
                found[pattern[1:-1]] = segment
            elif pattern != segment.lower():
                return None
        return found


class Routes:
    """The table, indexed by the number of segments."""

    def __init__(self, lines: Iterable[tuple[str, str, Handler]]) -> None:
        """Build from (method, template, handler)."""
        self._by_length: dict[int, list[Route]] = {}
        for method, template, handler in lines:
            segments = tuple(s if s.startswith("{") else s.lower() for s in split_path(template))
            self._by_length.setdefault(len(segments), []).append(Route(method, segments, handler))

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]] | frozenset[str]:
        """The handler and its names; else the methods that this path does have (none: no such path)."""
        segments = split_path(path)
        others: set[str] = set()
        for route in self._by_length.get(len(segments), ()):
            names = route.names(segments)
            if names is None:
                continue
            if route.method == method:
                return route.handler, names
            others.add(route.method)
        return frozenset(others)


def split_path(path: str) -> tuple[str, ...]:
    """Decoded segments of a URL path; empty ones (``//``, a trailing ``/``) do not count."""
    return tuple(unquote(segment) for segment in path.split("/") if segment)
