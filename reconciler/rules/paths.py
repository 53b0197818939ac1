"""path-escape, unresolved-reference of files: every path a manifest names lies in the project and exists."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler.domain import Severity
from reconciler.rules.packages import mlmodel_in
from reconciler.rules.resolve import model_type
from reconciler.rules.scope import Part
from reconciler.rules.templates import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding, LocalPath, Pointer
    from reconciler.rules.scope import Scope, Subject

RULE = "unresolved-reference"
_FOLDER, _FILE, _EITHER = ("folder",), ("file",), ("file", "folder")


def check(subject: Subject, scope: Scope) -> Iterator[Finding]:
    """Require every local path to lie inside the project and to exist, and the files named within folders too."""
    yield from _path(subject, ("gitops", "sample", "request"), _FILE, scope)
    if subject.kind == "model":
        yield from _model(Part(subject, ()), scope)
    if subject.kind == "environment":
        yield from _environment(Part(subject, ()), scope)
    if subject.kind == "deployment":
        yield from _code(subject, scope)
        if isinstance(subject.get("model"), dict):
            yield from _model(Part(subject, ("model",)), scope)
        if isinstance(subject.get("environment"), dict):
            yield from _environment(Part(subject, ("environment",)), scope)


def _code(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    at = ("code_configuration", "code")
    yield from _path(deployment, at, _FOLDER, scope)
    yield from _inside(deployment, ("code_configuration", "scoring_script"), scope.local(deployment, *at), scope)


def _environment(environment: Part, scope: Scope) -> Iterator[Finding]:
    subject = environment.subject
    yield from _path(subject, environment.pointer("conda_file"), _FILE, scope)
    yield from _readable_conda(subject, environment.pointer("conda_file"), scope)
    at = environment.pointer("build", "path")
    yield from _path(subject, at, _FOLDER, scope)
    context = scope.local(subject, *at)
    dockerfile = environment.pointer("build", "dockerfile_path")
    if subject.get(*dockerfile) is not None:
        yield from _inside(subject, dockerfile, context, scope)
    elif context is not None and context.kind == "folder" and "Dockerfile" not in context.files:
        yield subject.finding(
            RULE,
            at,
            "the build folder has no Dockerfile",
            found="no Dockerfile",
            required="a Dockerfile, or dockerfile_path",
            hint="dockerfile_path: <path inside the folder>",
        )


def _readable_conda(subject: Subject, at: Pointer, scope: Scope) -> Iterator[Finding]:
    """A conda file is sent to Azure as data, so one that cannot be read as YAML is no conda file at all."""
    held = scope.local(subject, *at)
    if held is not None and held.kind == "file" and not isinstance(held.data, dict):
        yield subject.finding(
            "yaml",
            at,
            f"{held.path} cannot be read as a conda file",
            found="no YAML mapping",
            required="a mapping with `dependencies:`",
            hint="correct its YAML; every editor with a YAML mode shows where it breaks",
        )


def _model(model: Part, scope: Scope) -> Iterator[Finding]:
    subject, at = model.subject, model.pointer("path")
    yield from _path(subject, at, _EITHER, scope)
    folder = scope.local(subject, *at)
    if folder is None or folder.kind not in _EITHER:
        return
    mlflow = model_type(model, scope) == "mlflow_model"
    if mlflow and "MLmodel" not in folder.files:
        yield subject.finding(
            RULE,
            at,
            "an MLflow model is a folder with a file MLmodel at its top; azure-ai-ml uploads it without looking",
            found=f"a {folder.kind} without MLmodel",
            required="a folder that holds MLmodel",
            hint=_mlmodel_hint(folder, str(subject.get(*at))),
        )
    text = folder.texts.get("MLmodel")
    for name in mlmodel_in(text).files if text is not None else ():
        if PurePosixPath(name).as_posix() not in folder.files:
            yield subject.finding(
                RULE,
                at,
                f"MLmodel names {name}, which is not in the folder",
                found=f"no {name}",
                required="every environment file that MLmodel names",
                hint="log or download the whole model folder again",
                severity=Severity.ERROR if mlflow else Severity.WARNING,
            )


def _mlmodel_hint(folder: LocalPath, written: str) -> str:
    nested = next((file for file in folder.files if file.endswith("/MLmodel")), None)
    if nested is None:
        return "type: custom_model, or the folder that mlflow saved"
    return f"path: {(PurePosixPath(written) / nested).parent}"


def _path(subject: Subject, pointer: Pointer, kinds: tuple[str, ...], scope: Scope) -> Iterator[Finding]:
    text = subject.get(*pointer)
    if not isinstance(text, str) or MARKER.search(text):
        return
    if text.lower().startswith("file:"):
        yield _escape(subject, pointer, "file: URI", "the file's path relative to this manifest")
        return
    local = scope.local(subject, *pointer)
    if local is None:
        return
    if local.kind == "outside":
        # A folder that only holds a link to the outside names that link.
        yield _escape(
            subject,
            pointer,
            f"the link {local.files[0]}" if local.files else text,
            "move it into the project and name it relative to this manifest",
        )
    elif local.kind == "missing":
        yield subject.finding(
            RULE,
            pointer,
            f"{local.path} does not exist",
            found=text,
            required=f"an existing {' or '.join(kinds)}, relative to this manifest",
            hint="correct the path, or commit the file",
        )
    elif local.kind not in kinds:
        yield subject.finding(
            RULE, pointer, f"{local.path} is a {local.kind}", found=local.kind, required=f"a {' or '.join(kinds)}"
        )


def _inside(subject: Subject, pointer: Pointer, folder: LocalPath | None, _scope: Scope) -> Iterator[Finding]:
    """Require the file named at ``pointer`` to be a member of ``folder``."""
    text = subject.get(*pointer)
    if not isinstance(text, str) or MARKER.search(text):
        return
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        yield _escape(subject, pointer, text, "a path inside the folder")
    elif folder is not None and folder.kind == "folder" and path.as_posix() not in folder.files:
        near = get_close_matches(path.as_posix(), folder.files, n=1)
        yield subject.finding(
            RULE,
            pointer,
            f"{folder.path} has no file {text}",
            found=text,
            required=f"a file inside {folder.path}",
            hint=f"did you mean {near[0]}?" if near else "correct the name, or commit the file",
        )


def _escape(subject: Subject, pointer: Pointer, found: str, hint: str) -> Finding:
    return subject.finding(
        "path-escape",
        pointer,
        "the path leaves the project, so the commit does not say what is deployed",
        found=found,
        required="a relative path inside the project",
        hint=hint,
    )
