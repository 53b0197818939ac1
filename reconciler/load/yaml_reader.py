"""YAML text to documents that know where each value was written.

libyaml parses the text. Building from its events, instead of PyYAML's nodes, is what makes thousands of files quick
and lets depth and size be bounded while reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from reconciler.domain import Document, Finding, Position
from reconciler.load.yaml_faults import MAX_BYTES, Unreadable, decoded, not_text, not_yaml
from reconciler.load.yaml_scalars import plain
from reconciler.naming import dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.domain import Body, Pointer

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_REPEATED", "parse"]

MAX_DEPTH = 64
MAX_REPEATED = 50_000

_CORE = "tag:yaml.org,2002:"
_TAGS = {f"{_CORE}{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_MERGE = "<<"
# Thousands of manifests say the same words at the same places: each is made once and shared.
_plain = lru_cache(maxsize=4096)(plain)
_NAMES: dict[type, str] = {int: "int", float: "float", bool: "bool", type(None): "null"}


def parse(text: bytes, file: str) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """Return the documents of a YAML file and everything wrong with it as YAML; empty documents are left out.

    ``file`` is what positions call it. A file that cannot be read to its end yields no documents at all: half a
    file must never pass for the whole.
    """
    findings: list[Finding] = []
    documents: list[Document] = []
    try:
        for data, origin in _Reader(decoded(text, file), file, findings).documents():
            if isinstance(data, dict):
                documents.append(Document(data, origin))
            else:
                findings.append(_not_a_mapping(data, origin[()]))
    except Unreadable as problem:
        return (), (*findings, problem.finding)
    return tuple(documents), tuple(findings)


def _not_a_mapping(data: Any, position: Position) -> Finding:
    return Finding(
        "wrong-type",
        position,
        "a document must be a mapping of fields",
        found="a list" if isinstance(data, list) else f"{data!r:.60}",
        required="a mapping, such as `name: churn`",
        hint="separate several manifests of one file by `---` lines" if isinstance(data, list) else None,
    )


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    at: Pointer
    size: int


class _Reader:
    """One pass over the events of one file. Positions, anchors and limits are those of the document it is in."""

    def __init__(self, text: str, file: str, findings: list[Finding]) -> None:
        self._text = text
        self._file = file
        self._findings = findings
        self._origin: dict[Pointer, Position] = {}
        self._anchors: dict[str, _Anchored | None] = {}
        self._merges: set[Pointer] = set()
        self._values = 0
        self._repeated = 0

    def documents(self) -> Iterator[tuple[Any, dict[Pointer, Position]]]:
        """Yield the data and the positions of each document that is not empty. Raises Unreadable."""
        try:
            self._next = yaml.CBaseLoader(self._text).get_event
            while (event := self._next()) is not None:
                if type(event) is DocumentStartEvent:
                    data, origin = self._document()
                    if data is not None:
                        yield data, origin
        except yaml.MarkedYAMLError as error:
            raise not_yaml(error, self._file) from error
        except yaml.reader.ReaderError as error:
            raise not_text(error, self._text, self._file) from error

    def _document(self) -> tuple[Any, dict[Pointer, Position]]:
        self._origin, self._anchors, self._merges = {}, {}, set()
        root = self._next()
        self._origin[()] = self._position(root)
        data = self._value(root, ())
        if self._merges:
            self._origin = {at: place for at, place in self._origin.items() if not self._merged_away(at)}
        return data, self._origin

    def _merged_away(self, at: Pointer) -> bool:
        return _MERGE in at and any(at[: depth + 1] in self._merges for depth, key in enumerate(at) if key == _MERGE)

    def _position(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(self._file, mark.line + 1, mark.column + 1)

    def _report(self, event: Any, at: Pointer, rule: str, message: str, hint: str | None = None) -> None:
        self._findings.append(Finding(rule, self._position(event), message, path=dotted(at), hint=hint))

    def _value(self, event: Any, at: Pointer) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event, at)
        self._values += 1
        if len(at) > MAX_DEPTH:
            raise Unreadable(self._position(event), f"nested deeper than {MAX_DEPTH} levels")
        anchor, before = event.anchor, self._values
        if anchor is not None:
            self._anchors[anchor] = None
        if kind is ScalarEvent:
            value = self._scalar(event, at)
        elif kind is MappingStartEvent:
            value = self._mapping(event, at)
        else:
            value = self._sequence(event, at)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(value, at, self._values - before + 1)
        return value

    def _sequence(self, event: Any, at: Pointer) -> list[Any]:
        self._check_tag(event, at, "seq")
        items: list[Any] = []
        while type(item := self._next()) is not SequenceEndEvent:
            here = _below(at, len(items))
            self._origin[here] = self._position(item)
            items.append(self._value(item, here))
        return items

    def _mapping(self, event: Any, at: Pointer) -> Body:
        self._check_tag(event, at, "map")
        data: Body = {}
        merge: Any = None
        while type(key_event := self._next()) is not MappingEndEvent:
            key = self._key(key_event, at)
            here = _below(at, key)
            position = self._position(key_event)
            merges = key == _MERGE and type(key_event) is ScalarEvent and key_event.implicit[0]
            if key in data or (merges and merge is not None):
                first = self._origin[here]
                message = f"key '{key}' is written twice, first at {first}"
                self._report(key_event, here, "duplicate-key", message, "keep one of the two")
            self._origin[here] = position
            value = self._value(self._next(), here)
            if merges:
                merge = value
            else:
                data[key] = value
        if merge is not None:
            self._merge(data, merge, at, event)
        return data

    def _key(self, event: Any, at: Pointer) -> str:
        kind = type(event)
        if kind is ScalarEvent:
            key = self._scalar(event, at)
            text = event.value
        elif kind is AliasEvent:
            key = text = self._alias(event, at, keep=False)
        else:
            key = text = self._value(event, (*at, "?"))
        if isinstance(key, str):
            return key
        if kind is ScalarEvent:
            self._report(event, at, "wrong-type", f"the key {text} is not text", f'put it in quotes: "{text}"')
        elif kind is MappingStartEvent and event.flow_style:
            hint = "render the template before committing; text that begins with { must be in quotes"
            self._report(event, at, "unrendered-template", "{{ }} is left from a template", hint)
        else:
            self._report(event, at, "wrong-type", "a key must be text")
        return str(text)

    def _merge(self, data: Body, source: Any, at: Pointer, event: Any) -> None:
        """Add what ``<<`` brings and the mapping does not say itself; of several sources the first one wins."""
        here = (*at, _MERGE)
        self._merges.add(here)
        for number, mapping in enumerate(source if isinstance(source, list) else [source]):
            there = (*here, number) if isinstance(source, list) else here
            if not isinstance(mapping, dict):
                self._report(event, here, "yaml", "<< must be given a mapping, or a list of mappings")
                continue
            for key, value in mapping.items():
                if key not in data:
                    data[key] = value
                    self._place(value, (*there, key), (*at, key))

    def _alias(self, event: Any, at: Pointer, *, keep: bool = True) -> Any:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            inside = event.anchor in self._anchors
            message = (
                f"*{event.anchor} is inside its own anchor" if inside else f"*{event.anchor} has no anchor before it"
            )
            raise Unreadable(self._position(event), message)
        self._values += anchored.size
        self._repeated += anchored.size
        if self._repeated > MAX_REPEATED:
            raise Unreadable(self._position(event), f"aliases repeat more than {MAX_REPEATED:,} values")
        if keep:
            for key, child in _children(anchored.value):
                self._place(child, (*anchored.at, key), (*at, key))
        return anchored.value

    def _place(self, value: Any, source: Pointer, at: Pointer) -> None:
        if len(at) > MAX_DEPTH:
            raise Unreadable(self._origin[source], f"aliases nest deeper than {MAX_DEPTH} levels")
        self._origin[at] = self._origin[source]
        for key, child in _children(value):
            self._place(child, (*source, key), (*at, key))

    def _scalar(self, event: Any, at: Pointer) -> Any:
        if event.tag is None:
            return _plain(event.value) if event.implicit[0] else event.value
        wanted = _TAGS.get(event.tag)
        if event.tag == "!" or wanted == "str":
            return event.value
        value = _plain(event.value)
        if wanted == "float" and type(value) is int:
            return float(value)
        if wanted is None:
            self._report(event, at, "yaml", f"tag {_shown(event.tag)} is not known", "remove the tag")
        elif wanted != _NAMES.get(type(value)):
            self._report(event, at, "yaml", f"'{event.value}' is not what its tag {_shown(event.tag)} says")
        return value

    def _check_tag(self, event: Any, at: Pointer, wanted: str) -> None:
        if event.tag is not None and event.tag != "!" and _TAGS.get(event.tag) != wanted:
            self._report(event, at, "yaml", f"tag {_shown(event.tag)} is not known here", "remove the tag")


@lru_cache(maxsize=4096)
def _below(at: Pointer, key: str | int) -> Pointer:
    return (*at, key)


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _shown(tag: str) -> str:
    return f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
