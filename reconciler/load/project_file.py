"""``gitops.yaml``: read, checked, and what it says to one environment."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reconciler.compose.patch import merge_patch
from reconciler.domain import Document, Finding
from reconciler.errors import SourceError, UsageError
from reconciler.load.strict_file import Manner, StrictFile, checked, read_bytes
from reconciler.naming import dotted
from schemas.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from reconciler.compose.variables import Scalar
    from reconciler.domain import Pointer
    from schemas.project import ProjectEnvironment, Variable

FILE_NAME = "gitops.yaml"
_MANNER = Manner("project file", "project: my-project")

_ACCEPTED: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


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
    return read.content, read.findings


def read_project_file(root: Path) -> StrictFile[Project]:
    """Return the project file of the folder with the position of everything in it. Raises SourceError."""
    read = checked(read_bytes(root / FILE_NAME), FILE_NAME, Project, _MANNER)
    if read.content is None:
        return read
    found = (*_variable_findings(read.content, read.document), *_window_findings(read.content, read.document))
    return replace(read, findings=(*read.findings, *found))


def environment_of(project: Project, name: str) -> ProjectEnvironment:
    """Return the environment of that name. Raises UsageError with the one that was meant, or all there are."""
    if name not in project.environments:
        near = get_close_matches(name, project.environments, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(project.environments))}"
        raise UsageError(f"no environment '{name}' in {FILE_NAME}; {hint}")
    return project.environments[name]


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


def _window_findings(project: Project, document: Document) -> Iterator[Finding]:
    for environment, settings in project.environments.items():
        for number, window in enumerate(settings.sync_windows):
            from reconciler.windows import problem_of

            if problem := problem_of(window):
                field, message = problem
                at = ("environments", environment, "sync_windows", number, field)
                required = "minute hour day month weekday" if field == "schedule" else "an IANA time zone"
                hint = "0 22 * * 1-5" if field == "schedule" else "Europe/Amsterdam"
                found = getattr(window, field)
                yield Finding("wrong-type", document.at(*at), message, "", dotted(at), found, required, hint)


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
