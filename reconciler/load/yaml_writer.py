"""YAML as a person would write it, that the reader of this product reads as the very same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from reconciler.load.yaml_reader import parse
from reconciler.load.yaml_scalars import plain

if TYPE_CHECKING:
    from reconciler.domain import Body

_WIDTH = 4096
_BREAKS = "\r\x85\u2028\u2029\ufeff"
"""What YAML 1.1 breaks lines at, or drops: only escapes keep it."""


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, nothing is an alias, and text that could be read as a number is quoted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML knows YAML 1.1 only: 1e3, 0o17 and 0x1g of a commit id mean something else in 1.2.
    style = "'" if plain(value) != value else "|" if "\n" in value else None
    if any(character in value for character in _BREAKS):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def text_of(data: Body) -> str:
    """``data`` as one YAML document, keys in their order. Raises ValueError for what YAML cannot hold."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    try:
        documents, _ = parse(text.encode(), "")
    except UnicodeEncodeError as error:
        raise ValueError(str(error)) from error
    if [document.data for document in documents] != [data]:
        raise ValueError("its values are not the same when they are read back")
    return text
