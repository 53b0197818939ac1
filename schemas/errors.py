"""What an error of a model means: which rule it breaks, and which value it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Pydantic adds the branch of a union to an error's place. No manifest has keys of these names by accident.
REFERENCE = "<reference>"
INLINE = "<inline>"
EMULATOR = "<emulator>"
AZURE = "<azure>"
FOLDER = "<folder>"
CONTAINER = "<container>"
_BRANCHES = frozenset({REFERENCE, INLINE, EMULATOR, AZURE, FOLDER, CONTAINER})

# Error type -> rule id. What is not here is a ``wrong-type``.
RULE_OF_ERROR: Mapping[str, str] = {
    "extra_forbidden": "unknown-field",
    "name": "name",
    "traffic": "traffic",
    "path_escape": "path-escape",
}
OTHER_RULE = "wrong-type"


def rule_of(error_type: str) -> str:
    """Return the id of the rule that an error of this Pydantic type breaks."""
    return RULE_OF_ERROR.get(error_type, OTHER_RULE)


def pointer_of(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the pointer into the document that a Pydantic error's ``loc`` means."""
    return tuple(part for part in location if part not in _BRANCHES)


def inline_or_reference(value: object) -> str:
    """Tell text (a reference or a path) from a mapping that is written in place."""
    return INLINE if isinstance(value, dict) or hasattr(value, "model_fields_set") else REFERENCE
