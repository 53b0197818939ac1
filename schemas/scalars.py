"""Scalar types that several kinds share: names, versions, enums in any spelling az ml accepts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# azure-ai-ml 1.35.2, constants/_endpoint.py::EndpointConfigurations. Stricter than the ARM path pattern; the
# service applies the strict one (learn.microsoft.com/azure/machine-learning/how-to-manage-quotas).
SERVING_NAME = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
# azure-rest-api-specs, machinelearning: path pattern of asset containers. The dot is assumed to be fine:
# curated environments of the public registry have it in their names (sklearn-1.5).
ASSET_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$"


def _serving_name(value: str) -> str:
    if not 3 <= len(value) <= 32 or not re.fullmatch(SERVING_NAME, value):
        raise PydanticCustomError(
            "name",
            "'{name}' must have 3 to 32 letters, digits or '-', begin with a letter and not end with '-'",
            {"name": value},
        )
    return value


def _asset_name(value: str) -> str:
    if not re.fullmatch(ASSET_NAME, value):
        raise PydanticCustomError(
            "name",
            "'{name}' must have 1 to 255 letters, digits, '-', '_' or '.', and begin with a letter or digit",
            {"name": value},
        )
    return value


def _version(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        # az ml turns the number into text, so 1.10 would silently become version 1.1.
        raise PydanticCustomError(
            "version", "a version with a dot must be in quotes, or 1.10 and 1.1 are the same number"
        )
    return str(value)


def _version_text(value: str) -> str:
    if not re.fullmatch(ASSET_NAME, value):
        raise PydanticCustomError("version", "'{version}' must be letters, digits, '-', '_' or '.'", {"version": value})
    return value


def _folded(value: str) -> str:
    return value.replace("_", "").lower()


def spelled(*canonical: str) -> Callable[[object], object]:
    """Return a function that gives a value its canonical spelling, and leaves what it does not know as it is.

    az ml accepts ``Key``, ``AADToken`` and ``SystemAssigned`` as well as ``key``, ``aad_token`` and
    ``system_assigned`` (azure-ai-ml 1.35.2, ``_schema/core/fields.py::StringTransformedEnum``).
    """
    spellings = {_folded(name): name for name in canonical}

    def fold(value: object) -> object:
        return spellings.get(_folded(value), value) if isinstance(value, str) else value

    return fold


def not_empty(value: Collection[str]) -> Collection[str]:
    """Refuse an empty collection, once its members are fine (``min_length`` counts only those that are)."""
    if not value:
        raise PydanticCustomError("nothing", "must have at least one entry")
    return value


def _switch(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


ServingName = Annotated[
    str,
    AfterValidator(_serving_name),
    Field(json_schema_extra={"pattern": SERVING_NAME, "minLength": 3, "maxLength": 32}),
]
AssetName = Annotated[str, AfterValidator(_asset_name), Field(json_schema_extra={"pattern": ASSET_NAME})]
Version = Annotated[
    str,
    BeforeValidator(_version),
    AfterValidator(_version_text),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": ASSET_NAME}, {"type": "integer", "minimum": 0}]}),
]
# az ml writes these as text ('True'); a plain boolean means the same.
Switch = Annotated[
    bool, BeforeValidator(_switch), WithJsonSchema({"enum": [True, False, "True", "False", "true", "false"]})
]
Text = Annotated[str, Field(min_length=1)]
Texts = dict[str, str]
