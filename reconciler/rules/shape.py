"""What the models in ``schemas`` say of a manifest, as findings: unknown-field, wrong-type, name, traffic."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reconciler.rules.fields import describe, fields_at, homes_of
from schemas.errors import pointer_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from reconciler.domain import Finding, Pointer
    from reconciler.rules.scope import Subject

# Azure writes these; files exported by az ml hold them.
_READ_ONLY = ("id", "provisioning_state", "scoring_uri", "openapi_uri", "creation_context", "swagger_uri")
_WORDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_too_short": "text that is not empty",
    "empty": "a value",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
# Fields that only make sense together, or only apart; and what is required of them.
_TOGETHER = {
    "image_or_build": (("image", "build"), "image or build, one of them"),
    "conda_needs_image": (("image", "conda_file"), "image beside conda_file"),
    "identity": (("type", "user_assigned_identities"), "type user_assigned and one resource_id, or neither"),
}
# Values below these are never repeated: people put secrets there.
_SILENT = ("environment_variables", "tags", "properties")
_SERVING_NAME = "3 to 32 letters, digits or '-', beginning with a letter and not ending with '-'"


def findings(subject: Subject, errors: list[ErrorDetails]) -> Iterator[Finding]:
    """One finding for each thing that Pydantic found wrong with ``subject``."""
    for error in errors:
        rule, place = rule_of(error["type"]), error["loc"]
        if rule == "unknown-field":
            # The last part is what a person wrote, even when it looks like one of Pydantic's own marks.
            yield _unknown_field(subject, (*pointer_of(place[:-1]), place[-1]))
            continue
        pointer = pointer_of(place)
        if pointer and pointer[-1] == "[key]":
            pointer = pointer[:-1]
        if not pointer:
            yield _wrong_value(subject, pointer, rule, error)
        elif error["type"] == "missing":
            yield _missing(subject, pointer)
        elif rule == "name":
            yield _name(subject, pointer)
        else:
            yield _wrong_value(subject, pointer, rule, error)


def _unknown_field(subject: Subject, pointer: Pointer) -> Finding:
    field = str(pointer[-1])
    known = sorted(fields_at(subject.kind, pointer[:-1]))
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field.replace("-", "_")).lower()
    homes = homes_of(subject.kind, snake)
    required = None
    if field in _READ_ONLY:
        hint = "Azure writes this itself: remove the line"
    elif snake in known:
        hint, required = f"did you mean {snake}? az ml YAML is written in snake_case", snake
    elif near := get_close_matches(snake, known, n=1, cutoff=0.7) or [k for k in known if k.startswith(f"{snake}_")]:
        hint, required = f"did you mean {near[0]}?", near[0]
    elif homes:
        hint, required = f"it belongs under {homes[0].rpartition('.')[0]}", homes[0]
    elif known:
        hint = f"known here: {', '.join(known)}"
    else:
        hint = "remove the line"
    where = (
        f"{pointer[-2]} has" if len(pointer) > 1 else f"{'an' if subject.kind[0] == 'e' else 'a'} {subject.kind} has"
    )
    return subject.finding(
        "unknown-field", pointer, f"{where} no field {field}", found=field, required=required, hint=hint
    )


def _missing(subject: Subject, pointer: Pointer) -> Finding:
    field = str(pointer[-1])
    return subject.finding(
        "wrong-type",
        pointer,
        f"{field} is required",
        found="missing",
        required=describe(subject.kind, pointer) or field,
        hint=f"add `{field}: ...`",
    )


def _name(subject: Subject, pointer: Pointer) -> Finding:
    value = subject.get(*pointer)
    serving = subject.kind in ("endpoint", "deployment") and len(pointer) == 1
    fixed = re.sub(r"[^A-Za-z0-9]+", "-", str(value)).strip("-0123456789")[:32].rstrip("-")
    return subject.finding(
        "name",
        pointer,
        "Azure does not accept this name",
        found=str(value),
        required=_SERVING_NAME
        if serving
        else "1 to 255 letters, digits, '-', '_' or '.', beginning with a letter or digit",
        hint=f"{pointer[-1]}: {fixed}" if serving and len(fixed) >= 3 and fixed != value else None,
    )


def _wrong_value(subject: Subject, pointer: Pointer, rule: str, error: ErrorDetails) -> Finding:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _TOGETHER:
        return _between_fields(subject, pointer, error)
    if pointer and pointer[0] in ("traffic", "mirror_traffic"):
        rule = "traffic"
    value = subject.get(*pointer)
    required: str | None
    hint: str | None = None
    if kind == "literal_error":
        expected = str(context.get("expected", "")).replace("'", "")
        message, required = "not one of the possible values", expected
        near = get_close_matches(str(value).lower(), re.split(r", | or ", expected), n=1)
        hint = f"{pointer[-1]}: {near[0]}" if near and pointer else None
    elif kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        required = f"{words} {context.get(key)}"
        message = f"must be {required}"
    elif kind in _WORDS:
        required = _WORDS[kind]
        message = "has no value" if value is None else f"must be {required}"
        if kind == "string_type" and isinstance(value, int | float):
            hint = "put the value in quotes"
    elif "total" in context:
        message, required = _plain(error["msg"]), "weights that add up to 100, or all 0"
        return subject.finding(rule, pointer, message, found=str(context["total"]), required=required)
    else:
        message = "is not written in the right form" if kind == "string_pattern_mismatch" else _plain(error["msg"])
        required = describe(subject.kind, pointer) or describe(subject.kind, pointer[:-1])
    return subject.finding(rule, pointer, message, found=_shown(value, pointer), required=required, hint=hint)


def _between_fields(subject: Subject, pointer: Pointer, error: ErrorDetails) -> Finding:
    names, required = _TOGETHER[error["type"]]
    written = [name for name in names if subject.get(*pointer, name) is not None]
    return subject.finding(
        "wrong-type",
        (*pointer, written[-1] if written else names[0]),
        _plain(error["msg"]),
        found=" and ".join(written) or f"neither {' nor '.join(names)}",
        required=required,
    )


def _plain(message: str) -> str:
    """Pydantic's sentence, beginning like our own."""
    return message[:1].lower() + message[1:]


def _shown(value: Any, pointer: Pointer) -> str:
    if isinstance(value, dict):
        weights = pointer[:1] in (("traffic",), ("mirror_traffic",))
        return ", ".join(f"{key}: {weight}" for key, weight in value.items()) if weights and value else "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if pointer and pointer[0] in _SILENT:
        return "text" if isinstance(value, str) else "true or false" if isinstance(value, bool) else "a number"
    return str(value).lower() if isinstance(value, bool) else str(value) or "empty text"
