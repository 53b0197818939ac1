"""Which fields a manifest may have at a place, read from the model of its kind.

Only asked once something is wrong, so a valid project never pays for it.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from schemas.kinds import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from reconciler.domain import Pointer
    from schemas.kinds import Kind


def fields_at(kind: Kind, pointer: Pointer) -> frozenset[str]:
    """Names of the fields that the mapping at ``pointer`` may have; empty when any name is allowed."""
    types = [found for annotation in _types_at(kind, pointer) for found in _alternatives(annotation)]
    return frozenset(name for model in types if _is_model(model) for name in _fields(model))


def describe(kind: Kind, pointer: Pointer) -> str | None:
    """The schema's own sentence about the field at ``pointer``."""
    if not pointer:
        return None
    for annotation in _types_at(kind, pointer[:-1]):
        for model in _alternatives(annotation):
            field = _fields(model).get(str(pointer[-1])) if _is_model(model) else None
            if field is not None and field.description:
                return field.description.rstrip(".")
    return None


@cache
def homes_of(kind: Kind, field: str) -> tuple[str, ...]:
    """Dotted places, one or two mappings deep, where a field of this name belongs."""
    places: list[str] = []
    for outer in sorted(fields_at(kind, ()) - {"gitops"}):
        inner_fields = fields_at(kind, (outer,))
        if field in inner_fields:
            places.append(f"{outer}.{field}")
        places.extend(
            f"{outer}.{inner}.{field}" for inner in sorted(inner_fields) if field in fields_at(kind, (outer, inner))
        )
    return tuple(places)


def _types_at(kind: Kind, pointer: Pointer) -> list[Any]:
    level: list[Any] = [MODELS[kind]]
    for key in pointer:
        level = [
            below
            for annotation in level
            for found in _alternatives(annotation)
            if (below := _below(found, key)) is not None
        ]
    return level


def _below(annotation: Any, key: str | int) -> Any:
    """Type of what stands under ``key`` in a value of this type; None when nothing may stand there."""
    if _is_model(annotation):
        field = _fields(annotation).get(str(key))
        return field.annotation if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict and len(arguments) == 2:
        return arguments[1]
    return arguments[0] if get_origin(annotation) in (tuple, list) and arguments else None


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}
