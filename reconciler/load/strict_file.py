"""A settings file of one YAML document, read into a strict model: every mistake with its file, line and column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from reconciler.domain import Document, Finding, Position
from reconciler.errors import SourceError
from reconciler.load.yaml_reader import MAX_BYTES, parse
from reconciler.naming import dotted
from schemas.errors import pointer_of, rule_of
from schemas.strict import Strict

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.domain import Pointer

Model = TypeVar("Model", bound=Strict)


# How the messages of the YAML reader begin that hold nothing of the file; a new one is not quoted until it is here.
_QUOTES_NOTHING = (
    "not YAML: ", "byte 0x", "character U+", "the file is larger", "nested deeper", "aliases ", "a document must",
    "a key must", "<< must", "{{ }} is left",
)  # fmt: skip
_INSTEAD = {
    "duplicate-key": ("a key is written twice", "keep one of the two"),
    "wrong-type": ("a key is not text", "put it in quotes"),
}
_INSTEAD_OF_OTHERS = (
    "an alias or tag that means nothing here",
    "put text that begins with *, & or ! in quotes",
)


@dataclass(frozen=True, slots=True)
class StrictFile(Generic[Model]):
    """A settings file as it was written. ``content`` is None when its shape is wrong."""

    document: Document
    content: Model | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Manner:
    """How findings speak of the file: what it is, what to write into an empty one, whether they quote its values."""

    what: str
    example: str
    quotes: bool = True


def read_bytes(path: Path) -> bytes:
    """Return the start of a file, up to one byte more than a manifest may have. Raises SourceError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def checked(text: bytes, name: str, model: type[Model], manner: Manner) -> StrictFile[Model]:
    """Return the one document of a file with the position of everything in it. ``name`` is what positions call it."""
    documents, findings = parse(text, name)
    if not manner.quotes:
        findings = tuple(map(_unquoted, findings))
    if len(documents) != 1:
        if not findings:
            findings = (_not_one(documents, name, manner),)
        return StrictFile(Document({}, {(): Position(name)}), None, findings)
    document = documents[0]
    try:
        return StrictFile(document, model.model_validate(document.data), findings)
    except ValidationError as error:
        wrong = (
            _finding(document, model, manner, details["type"], details["loc"], details["msg"])
            for details in error.errors(include_input=False, include_url=False)
        )
        return StrictFile(document, None, (*findings, *wrong))


def _not_one(documents: tuple[Document, ...], name: str, manner: Manner) -> Finding:
    if not documents:
        return Finding("wrong-type", Position(name), f"the {manner.what} is empty", hint=manner.example)
    message = f"the {manner.what} must be one document"
    return Finding("wrong-type", documents[1].at(), message, hint="remove the `---` line")


def _finding(
    document: Document, model: type[Strict], manner: Manner, error_type: str, location: Pointer, message: str
) -> Finding:
    pointer = tuple(part for part in pointer_of(location) if part != "[key]")
    position, hint = document.at(*pointer), None
    if error_type == "extra_forbidden":
        near = get_close_matches(str(pointer[-1]), _field_names(model), n=1)
        message, hint = f"no field {pointer[-1]} is known here", f"did you mean {near[0]}?" if near else None
        if not manner.quotes:
            pointer, message = pointer[:-1], "this field is not known here"
    elif error_type == "missing":
        message, hint = f"{pointer[-1]} is required", f"add `{pointer[-1]}: ...`"
    elif error_type == "string_pattern_mismatch":
        key = "[key]" in location
        shown = f"'{pointer[-1] if key else _value(document, pointer)}'" if manner.quotes else "the value"
        message = f"{shown} has not the form required"
    elif error_type == "model_type":
        message = "must be a mapping of fields"
    elif error_type == "path_escape" and not manner.quotes:
        message = "the path leads out of the folder that it starts from"
    return Finding(rule_of(error_type), position, message[:1].lower() + message[1:], path=dotted(pointer), hint=hint)


def _unquoted(finding: Finding) -> Finding:
    """What is wrong with a file as YAML, in words of which none come from the file."""
    if finding.message.startswith(_QUOTES_NOTHING):
        return replace(finding, path="", found=None)
    message, hint = _INSTEAD.get(finding.rule, _INSTEAD_OF_OTHERS)
    return replace(finding, message=message, path="", found=None, hint=hint)


def _value(document: Document, pointer: Pointer) -> Any:
    value: Any = document.data
    for key in pointer:
        value = value[key]
    return value


def _field_names(model: type[Strict]) -> list[str]:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})
