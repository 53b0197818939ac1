"""The models as JSON Schema, for editors and CI. ``python -m schemas.json_schema`` writes ``schemas/json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from schemas.kinds import MODELS
from schemas.loop import Loop
from schemas.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "json"

_TITLES = {
    "endpoint": "Managed online endpoint",
    "deployment": "Managed online deployment",
    "model": "Model",
    "environment": "Environment",
}
# All else may come from the project's defaults or from an overlay.
_IDENTITY = ("name", "endpoint_name")
_VARIABLE: Schema = {
    "type": "string",
    "pattern": r"\$\{\{\s*var\.",
    "description": "A variable that gitops.yaml declares.",
}
_NULL: Schema = {"type": "null", "description": "Takes the field of the base manifest away."}
_CLOSED = frozenset({"integer", "number", "boolean"})


def json_schemas() -> Mapping[str, str]:
    """Return every generated file, name to text: one for each kind, its merge patches, the project and loop files."""
    texts = {}
    for kind, model in MODELS.items():
        schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
        schema["properties"]["kind"]["examples"] = [kind]
        schema["required"] = [name for name in schema["required"] if name in _IDENTITY]
        manifest = _rewritten(schema, _or_variable)
        manifest["$defs"]["variable"] = _VARIABLE
        texts[f"{kind}.schema.json"] = _text(_TITLES[kind], manifest)
        patch = _rewritten(manifest, _as_patch)
        patch["required"] = ["name"]
        texts[f"{kind}.patch.schema.json"] = _text(f"Patch of a {_TITLES[kind].lower()}", patch)
    project = Project.model_json_schema(schema_generator=_Generator)
    texts["project.schema.json"] = _text("GitOps project", project)
    texts["loop.schema.json"] = _text("Loop", Loop.model_json_schema(schema_generator=_Generator))
    return dict(sorted(texts.items()))


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without the nulls that stand for "not written" and the titles that repeat names."""

    def nullable_schema(self, schema: NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> Schema:
        result = super().default_schema(schema)
        return {key: value for key, value in result.items() if key != "default" or value is not None}

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _text(title: str, schema: Schema) -> str:
    return json.dumps({"$schema": DIALECT, **schema, "title": title}, indent=2) + "\n"


def _rewritten(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return the schema with ``change`` made to it and to every schema inside it, innermost first."""
    copy = dict(schema)
    for keyword in ("properties", "$defs"):
        if keyword in copy:
            copy[keyword] = {name: _rewritten(inner, change) for name, inner in copy[keyword].items()}
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in copy:
            copy[keyword] = [_rewritten(inner, change) for inner in copy[keyword]]
    for keyword in ("items", "additionalProperties"):
        if isinstance(copy.get(keyword), dict):
            copy[keyword] = _rewritten(copy[keyword], change)
    return change(copy)


def _or_variable(schema: Schema) -> Schema:
    """Let a variable stand where the schema is too narrow for the text ``${{ var.name }}``."""
    if schema.get("type") in _CLOSED or "enum" in schema or "pattern" in schema:
        return _alternative(schema, {"$ref": "#/$defs/variable"})
    return schema


def _as_patch(schema: Schema) -> Schema:
    """Let null stand for every field, and let every field be left out."""
    copy = {key: value for key, value in schema.items() if key not in ("required", "default", "minProperties")}
    if "properties" in copy:
        copy["properties"] = {name: _alternative(field, _NULL) for name, field in copy["properties"].items()}
    if isinstance(copy.get("additionalProperties"), dict):
        copy["additionalProperties"] = _alternative(copy["additionalProperties"], _NULL)
    return copy


def _alternative(schema: Schema, other: Schema) -> Schema:
    """Return a schema for either; what an editor shows of the field stays on the outside."""
    shown: Schema = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in shown}
    branches = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**shown, "anyOf": [*branches, *([] if other in branches else [other])]}


def _write() -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = json_schemas()
    for stale in FOLDER.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write()
