"""What plain YAML text means. Pure.

Only what YAML 1.2's core schema calls a boolean, a number or null becomes one: ``no``, ``12:30``, ``2024-01-01``,
``0777`` and ``1_000`` stay what was typed (https://yaml.org/spec/1.2.2/#103-core-schema). Numbers that JSON cannot
hold (``.inf``, ``.nan``, ``1e999``) stay text too.
"""

from __future__ import annotations

import math
import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("+-.0123456789")
# A leading zero is not octal to a person (``0777``, ``007``). A hundred digits are no number to Azure either.
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})|0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def plain(text: str) -> str | int | float | bool | None:
    """Return the value of a scalar that has neither quotes nor a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        number = float(text)
        return number if math.isfinite(number) else text
    return text
