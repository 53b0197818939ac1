"""Whether an answer is the expected one. Pure.

Numbers may differ by a tolerance, everything else must be equal; a 200 that carries an error text is not an answer.
"""

from __future__ import annotations

from typing import Any


def differences(expected: Any, found: Any, tolerance: float, path: str = "$") -> list[str]:
    """Every place where ``found`` is not ``expected``; empty when it is. ``tolerance`` is absolute."""
    if _is_number(expected) and _is_number(found):
        if abs(expected - found) <= tolerance:
            return []
        return [f"{path}: expected {expected} within {tolerance:g}, found {found}"]
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{path}: expected {len(expected)} items, found {len(found)}"]
        pairs = enumerate(zip(expected, found, strict=True))
        return [text for index, (e, f) in pairs for text in differences(e, f, tolerance, f"{path}[{index}]")]
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            return [f"{path}: expected keys {sorted(expected)}, found {sorted(found)}"]
        return [text for key in expected for text in differences(expected[key], found[key], tolerance, f"{path}.{key}")]
    if type(expected) is type(found) and expected == found:
        return []
    return [f"{path}: expected {expected!r}, found {found!r}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
