"""Drafts that ``validate`` accepts: what it would refuse is left to live, or the draft is given up. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from reconciler.compose.overlays import local_paths
from reconciler.domain import Document, LocalPath, Position, Severity
from reconciler.imported.ask import Note
from reconciler.imported.said import filled
from reconciler.kinds.forms import MAP
from reconciler.rules import check, shape
from reconciler.rules.scope import scope_of
from schemas.kinds import MODELS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.domain import Finding, Ref
    from reconciler.imported.ask import Ask
    from reconciler.imported.draft import Draft
    from reconciler.kinds.kind import Field
    from reconciler.rules.scope import Scope, Subject
    from schemas.kinds import Kind as ManifestKind

_HERE = ".import/"  # No manifest of the project lies in a hidden folder.
_UNFIT = re.compile(r"[\s*?\[\]]|^\.|\.$|\.(?=\.)")


def mended(drafts: Sequence[Draft], ask: Ask) -> tuple[tuple[Draft, ...], tuple[Note, ...], tuple[Ref, ...]]:
    """The drafts without what validation refuses, a note for each such thing, and the refs that had to be given up.

    A value that cannot be written is left to live by ``gitops.ignore``. Each round takes something away, so it ends.
    """
    kept = {draft.file: draft for draft in drafts}
    notes: list[Note] = []
    gone: list[Ref] = []
    while wrong := list(_errors(kept.values(), ask)):
        judged = dict(kept)
        for finding in wrong:
            draft = kept.get(finding.position.file.removeprefix(_HERE))
            if draft is None:
                continue
            found = _mended(draft, judged[draft.file], finding)
            if found is None:
                del kept[draft.file]
                gone.append(draft.ref)
                notes.append(_given_up(draft, finding))
            elif found != draft:
                kept[draft.file] = found
                notes.append(_left(draft, finding, sorted(found.ignore - draft.ignore)))
    return tuple(kept.values()), tuple(dict.fromkeys(notes)), tuple(gone)


def ignorable(path: str) -> str:
    """An ARM path as ``gitops.ignore`` takes it: what has a meaning in a pattern, or may not stand there, is ``?``."""
    return _UNFIT.sub("?", path)


def _errors(drafts: Iterable[Draft], ask: Ask) -> Iterator[Finding]:
    drafts = tuple(drafts)
    known = [(kind, document) for document in ask.documents if (kind := _managed(document)) is not None]
    made = [(_kind(draft), _document(draft, ask)) for draft in drafts]
    nothing = {path: LocalPath(path, "missing") for _, document in made for _, path in local_paths(document)}
    condas = dict(map(_conda, filter(_has_conda, drafts)))
    scope = scope_of([*known, *made], ask.context, {**nothing, **ask.survey, **condas})
    for subject in scope.subjects[len(known) :]:
        for finding in _judged(subject, scope):
            if finding.severity is Severity.ERROR and finding.position.file.startswith(_HERE):
                yield finding


def _judged(subject: Subject, scope: Scope) -> Iterator[Finding]:
    yield from check(subject, scope)
    try:
        MODELS[subject.kind].model_validate(subject.document.data)
    except ValidationError as error:
        yield from shape.findings(subject, error.errors(include_url=False))


def _document(draft: Draft, ask: Ask) -> Document:
    data = filled(draft.document(ask.target), ask.defaults.get(draft.ref.kind, {}))
    return Document(data, {(): Position(_HERE + draft.file)})


def _kind(draft: Draft) -> ManifestKind:
    kind = draft.ref.kind
    assert kind != "code"  # noqa: S101 - tells mypy what choose says
    assert kind != "traffic"  # noqa: S101
    return kind


def _managed(document: Document) -> ManifestKind | None:
    match kind_of(document.data):
        case "endpoint" | "deployment" | "model" | "environment" as kind:
            return kind
        case _:
            return None


def _has_conda(draft: Draft) -> bool:
    return draft.conda is not None


def _conda(draft: Draft) -> tuple[str, LocalPath]:
    """The conda file that will be written, as the survey would find it. Rules look for secrets line by line."""
    folder = (_HERE + draft.file).rpartition("/")[0]
    path, text = f"{folder}/{draft.conda_file}", "\n".join(_lines(draft.conda))
    return path, LocalPath(path, "file", (draft.conda_file,), len(text), {draft.conda_file: text}, draft.conda)


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{key}:"
            yield from _lines(item)
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item)
    else:
        yield f"- {value}"


def _mended(draft: Draft, judged: Draft, finding: Finding) -> Draft | None:
    """``draft`` without what the finding about it, when it was ``judged``, is about; None when that cannot go."""
    about = [entry for entry in _entries(draft) if _about(finding.path, entry.manifest)]
    if draft.ref.kind in ("model", "environment") and any(entry.immutable for entry in about):
        return None  # What an asset consists of is never left to live: then it is not described at all.
    path = finding.path
    written = [entry for entry in _entries(draft) if entry.manifest in judged.values]
    while path and not any(_about(path, entry.manifest) for entry in written):
        path = path.rpartition(".")[0]  # What is required beside something that went: all of it goes.
    if not path:
        return None
    for entry in (entry for entry in written if _about(path, entry.manifest)):
        key, name = entry.manifest, path.removeprefix(f"{entry.manifest}.")
        if entry.form is MAP and name in judged.values[key]:
            draft = draft.without(key, ignorable(f"{entry.arm}.{name}"), name)
        else:
            draft = draft.without(key, entry.arm)
    return draft


def _entries(draft: Draft) -> list[Field]:
    return [entry for kind in draft.kinds for entry in kind.fields if entry.manifest]


def _about(path: str, key: str) -> bool:
    return bool(path) and (path == key or path.startswith((f"{key}.", f"{key}[")) or key.startswith(f"{path}."))


def _left(draft: Draft, finding: Finding, ignored: Sequence[str]) -> Note:
    kept = f"`gitops.ignore` ({', '.join(ignored)}) leaves the live value as it is"
    if finding.rule != "literal-secret":
        return Note(finding.rule, str(draft.ref), f"{finding.path} is not written ({finding.message}); {kept}")
    mend = "" if not finding.path.startswith("environment_variables") else (
        "; move it to a key vault and write ${{keyvault:https://<vault>.vault.azure.net/secrets/<name>}}"
    )  # fmt: skip
    return Note(finding.rule, str(draft.ref), f"{finding.path} looks like a secret and is not written; {kept}{mend}")


def _given_up(draft: Draft, finding: Finding) -> Note:
    at = f"{finding.path}: " if finding.path else ""
    if draft.ref.kind in ("model", "environment"):
        return Note("referred", str(draft.ref), f"gets no manifest ({at}{finding.message}); deployments only name it")
    return Note("not-imported", str(draft.ref), f"cannot be a manifest of this project: {at}{finding.message}")
