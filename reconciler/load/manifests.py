"""The files of a checkout as documents. What is in them is for ``compose`` and ``validate`` to judge."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from reconciler.compose.overlays import local_paths
from reconciler.domain import Document, Finding, Position, Severity
from reconciler.errors import SourceError, UsageError
from reconciler.load.once import Once, SourceFile
from reconciler.load.project_file import (
    FILE_NAME,
    defaults_of,
    environment_of,
    read_project_file,
    variables_of,
)
from reconciler.load.strict_file import read_bytes
from reconciler.load.yaml_reader import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.compose.variables import Scalar
    from schemas.project import Project


_SUFFIXES = (".yml", ".yaml")
# In a file that cannot be parsed: does it want to be a manifest? When in doubt it does, for a manifest that goes
# unseen would look as if it had been deleted.
_SAYS_KIND = re.compile(rb"(\$schema|\bkind)[\"']?\s*:")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read for one environment. All but ``findings`` is what ``compose`` takes."""

    base: tuple[Document, ...]
    overlays: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()
    defaults: Mapping[str, Document] = field(default_factory=dict)
    variables: Mapping[str, Scalar] = field(default_factory=dict)


def load_environment(root: Path, project: Project, environment: str, once: Once | None = None) -> Loaded:
    """Return the manifests and the patches of one environment, as they were written.

    YAML files are found by name (.yml, .yaml, any case) in every folder that is not hidden. A file that says
    neither ``$schema`` nor ``kind`` is left out when a manifest names it, or a folder it lies in (conda files,
    files of a model or of scoring code); otherwise it is kept, for ``validate`` to report. ``once`` keeps what was
    parsed for other environments of the same revision.

    Raises UsageError for an environment that the project does not have, SourceError for unreadable files.
    """
    environment_of(project, environment)
    once = once or Once()
    written = read_project_file(root).document
    findings: list[Finding] = []
    overlays = root / project.overlays
    folders: list[Path] = []
    for number, name in enumerate(project.manifests):
        if (root / name).exists():
            folders.append(root / name)
        else:
            findings.append(_nothing_there(written, number, name))
    manifests = _read_all(root, _walk(folders, root, findings, leave=(overlays,)), findings, once)
    patches = _read_all(root, _walk([overlays / environment], root, findings), findings, once)
    findings.extend(_strays(root, overlays, project))
    named = _named((*manifests, *patches))
    base = _manifests(manifests, named, findings)
    overlaid = _manifests(patches, named, findings)
    return Loaded(
        base,
        overlaid,
        tuple(findings),
        defaults_of(written, environment),
        variables_of(project, environment),
    )


def load_files(paths: Sequence[Path], root: Path) -> Loaded:
    """Return the documents of loose files; folders are searched as in a project. ``root`` is what holds them all.

    A file is read whatever its name is. Raises UsageError for a path that does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}")
    findings: list[Finding] = []
    sources = _read_all(root, _walk(paths, root, findings), findings, Once())
    documents = _manifests(sources, _named(sources), findings)
    return Loaded(documents, (), tuple(findings))


def _walk(places: Iterable[Path], root: Path, findings: list[Finding], leave: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files that are asked for and the YAML files of the folders that are, hidden ones left out.

    Links to folders of the project are followed. What cannot be looked into raises SourceError, and a link that leads
    out is a finding: taken for empty, either would look as if its manifests had been deleted.
    """
    seen: set[Path] = set()
    for place in places:
        if place.is_file():
            yield place
            continue
        for name, folders, files in os.walk(place, onerror=_unreadable, followlinks=True):
            folder = Path(name)
            real = folder.resolve()
            if real in seen or not real.is_relative_to(root.resolve()):
                folders.clear()
                if real not in seen:
                    findings.append(_leads_out(folder, root))
                continue
            seen.add(real)
            folders[:] = sorted(sub for sub in folders if not sub.startswith(".") and folder / sub not in leave)
            for file in sorted(files):
                path = folder / file
                if path.suffix.lower() in _SUFFIXES and file != FILE_NAME:
                    yield path


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from error


def _leads_out(path: Path, root: Path) -> Finding:
    file = Path(os.path.relpath(path, root)).as_posix()
    message = "the symbolic link leads out of the project"
    return Finding("path-escape", Position(file), message, hint="copy what it points to into the project")


def _read_all(root: Path, paths: Iterable[Path], findings: list[Finding], once: Once) -> list[SourceFile]:
    sources: dict[str, SourceFile] = {}
    for path in paths:
        file = Path(os.path.relpath(path, root)).as_posix()
        if file in sources:
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            findings.append(_leads_out(path, root))
            continue
        if not path.is_file():
            message, hint = "a link to nothing, a pipe or a device is no manifest", "remove it, or commit a file"
            findings.append(Finding("unresolved-reference", Position(file), message, hint=hint))
            continue
        if file not in once.files:
            once.files[file] = _read(path, file)
        sources[file] = once.files[file]
    return list(sources.values())


def _read(path: Path, file: str) -> SourceFile:
    text = read_bytes(path)
    documents, wrong = parse(text, file)
    says_kind = any("$schema" in document.data or "kind" in document.data for document in documents)
    return SourceFile(file, documents, wrong, says_kind or (bool(wrong) and _SAYS_KIND.search(text) is not None))


def _is_named(file: str, named: set[str]) -> bool:
    path = PurePosixPath(file)
    return any(candidate.as_posix() in named for candidate in (path, *path.parents))


def _manifests(sources: list[SourceFile], named: set[str], findings: list[Finding]) -> tuple[Document, ...]:
    """Return the documents of all files but those that only belong to a manifest."""
    kept = [source for source in sources if source.says_kind or not _is_named(source.file, named)]
    findings.extend(finding for source in kept for finding in source.findings)
    return tuple(document for source in kept for document in source.documents)


def _named(sources: Iterable[SourceFile]) -> set[str]:
    return {path for source in sources for document in source.documents for _, path in local_paths(document)}


def _nothing_there(written: Document, number: int, name: str) -> Finding:
    message = f"{name} does not exist"
    return Finding(
        "unresolved-reference",
        written.at("manifests", number),
        message,
        path=f"manifests[{number}]",
        found=name,
        required="a folder or file beside gitops.yaml",
    )


def _strays(root: Path, overlays: Path, project: Project) -> Iterator[Finding]:
    """Warn of what lies among the overlays and belongs to no environment: mostly a misspelt name."""
    if not overlays.is_dir():
        return
    for path in sorted(overlays.iterdir()):
        if path.name in project.environments or path.name.startswith("."):
            continue
        if path.is_dir() or path.suffix.lower() in _SUFFIXES:
            near = get_close_matches(path.name, project.environments, n=1)
            yield Finding(
                "unresolved-reference",
                Position(path.relative_to(root).as_posix()),
                f"no environment is called {path.name}, so nothing reads this",
                found=path.name,
                hint=f"did you mean {near[0]}?" if near else "overlays lie in folders named after environments",
                severity=Severity.WARNING,
            )
