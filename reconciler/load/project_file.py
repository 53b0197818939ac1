"""``gitops.yaml``: read, checked, and what it says to one environment."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reconciler.compose.patch import merge_patch
from reconciler.domain import Document, Finding, Position
from reconciler.errors import SourceError, UsageError
from reconciler.load.yaml_reader import MAX_BYTES, parse
from reconciler.naming import dotted
from schemas.errors import pointer_of, rule_of
from schemas.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from reconciler.compose.variables import Scalar
    from reconciler.domain import Pointer
    from schemas.project import ProjectEnvironment, Variable

FILE_NAME = "gitops.yaml"

_ACCEPTED: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """The project file as it was written. ``project`` is None when its shape is wrong."""

    document: Document
    project: Project | None
    findings: tuple[Finding, ...]


def find_project(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that has a gitops.yaml. Raises SourceError."""
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate
    raise SourceError(f"no {FILE_NAME} in {folder} or in any folder above it")


def load_project(root: Path) -> tuple[Project | None, tuple[Finding, ...]]:
    """Return the project of the folder, or None when its shape is wrong, and all findings. Raises SourceError."""
    read = read_project_file(root)
    return read.project, read.findings


def read_project_file(root: Path) -> ProjectFile:
    """Return the project file of the folder with the position of everything in it. Raises SourceError."""
    documents, findings = parse(read_bytes(root / FILE_NAME), FILE_NAME)
    if len(documents) != 1:
        if not findings:
            findings = (_not_one(documents),)
        return ProjectFile(Document({}, {(): Position(FILE_NAME)}), None, findings)
    document = documents[0]
    try:
        project = Project.model_validate(document.data)
    except ValidationError as error:
        wrong = (_finding(document, details["type"], details["loc"], details["msg"]) for details in error.errors())
        return ProjectFile(document, None, (*findings, *wrong))
    return ProjectFile(document, project, (*findings, *_variable_findings(project, document)))


def environment_of(project: Project, name: str) -> ProjectEnvironment:
    """Return the environment of that name. Raises UsageError with the one that was meant, or all there are."""
    if name not in project.environments:
        near = get_close_matches(name, project.environments, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(project.environments))}"
        raise UsageError(f"no environment '{name}' in {FILE_NAME}; {hint}")
    return project.environments[name]


def read_bytes(path: Path) -> bytes:
    """Return the start of a file, up to one byte more than a manifest may have. Raises SourceError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def variables_of(project: Project, environment: str) -> dict[str, Scalar]:
    """Return the value of every variable that has one in the environment."""
    values = {name: variable.default for name, variable in project.variables.items()}
    values.update(project.environments[environment].variables)
    return {name: value for name, value in values.items() if value is not None}


def defaults_of(document: Document, environment: str) -> dict[str, Document]:
    """Return the defaults of each kind in the environment: its own, as a merge patch on the project's."""
    merged = merge_patch(_part(document, ("defaults",)), _part(document, ("environments", environment, "defaults")))
    return {kind: _part(merged, (kind,)) for kind in merged.data}


def _part(document: Document, pointer: Pointer) -> Document:
    """Return the mapping at ``pointer`` as a document of its own; an empty one when nothing was written there."""
    data: Any = document.data
    for key in pointer:
        data = data.get(key, {})
    size = len(pointer)
    origin = {at[size:]: place for at, place in document.origin.items() if at[:size] == pointer}
    return Document(data, {(): document.at(*pointer), **origin})


def _not_one(documents: tuple[Document, ...]) -> Finding:
    if not documents:
        return Finding("wrong-type", Position(FILE_NAME), "the project file is empty", hint="project: my-project")
    message = "the project file must be one document"
    return Finding("wrong-type", documents[1].at(), message, hint="remove the `---` line")


def _finding(document: Document, error_type: str, location: tuple[str | int, ...], message: str) -> Finding:
    pointer = tuple(part for part in pointer_of(location) if part != "[key]")
    rule, hint = rule_of(error_type), None
    if error_type == "extra_forbidden":
        near = get_close_matches(str(pointer[-1]), _field_names(), n=1)
        message, hint = f"no field {pointer[-1]} is known here", f"did you mean {near[0]}?" if near else None
    elif error_type == "missing":
        message, hint = f"{pointer[-1]} is required", f"add `{pointer[-1]}: ...`"
    elif error_type == "string_pattern_mismatch":
        message = f"'{pointer[-1] if '[key]' in location else _value(document, pointer)}' has not the form required"
    return Finding(rule, document.at(*pointer), message[:1].lower() + message[1:], path=dotted(pointer), hint=hint)


def _value(document: Document, pointer: Pointer) -> Any:
    value: Any = document.data
    for key in pointer:
        value = value[key]
    return value


def _field_names() -> list[str]:
    schema = Project.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    return sorted({name for part in parts for name in part.get("properties", {})})


def _variable_findings(project: Project, document: Document) -> Iterator[Finding]:
    for name, variable in project.variables.items():
        if variable.default is not None and not _fits(variable, variable.default):
            yield _wrong_type(document, ("variables", name, "default"), variable, variable.default)
    for environment, settings in project.environments.items():
        at = ("environments", environment, "variables")
        for name, value in settings.variables.items():
            declared = project.variables.get(name)
            if declared is None:
                yield _undeclared(document, (*at, name), name, project.variables)
            elif not _fits(declared, value):
                yield _wrong_type(document, (*at, name), declared, value)
        for name, variable in project.variables.items():
            if variable.default is None and name not in settings.variables:
                yield Finding(
                    "unresolved-reference",
                    document.at(*at),
                    f"environment {environment} gives variable '{name}' no value, and it has no default",
                    path=dotted((*at, name)),
                    required=f"a value of type {variable.type}",
                    hint=f"variables: {{{name}: ...}}",
                )


def _fits(variable: Variable, value: object) -> bool:
    accepted = _ACCEPTED[variable.type]
    return isinstance(value, accepted) and (variable.type == "boolean" or not isinstance(value, bool))


def _wrong_type(document: Document, at: Pointer, variable: Variable, value: object) -> Finding:
    hint = "put it in quotes" if variable.type == "string" else None
    message = f"the variable is declared as {variable.type}"
    return Finding("wrong-type", document.at(*at), message, "", dotted(at), f"{value!r}", variable.type, hint)


def _undeclared(document: Document, at: Pointer, name: str, declared: Mapping[str, Variable]) -> Finding:
    near = get_close_matches(name, declared, n=1)
    hint = f"did you mean {near[0]}?" if near else f"declare it: `variables: {{{name}: {{type: string}}}}`"
    message = f"variable '{name}' is not declared under variables"
    return Finding("unknown-field", document.at(*at), message, path=dotted(at), found=name, hint=hint)
