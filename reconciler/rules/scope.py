"""What a rule may look at: one manifest as it was written, and all that is declared beside it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.compose.overlays import local_path
from reconciler.domain import Document, Finding, LocalPath, Pointer, Severity
from reconciler.naming import dotted, resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.manifest import Context
    from schemas.kinds import Kind


@dataclass(frozen=True, slots=True)
class Subject:
    """One manifest under examination, as raw data: a rule must stand whatever a person wrote.

    ``strings`` are all its texts, each with its pointer, in document order.
    """

    kind: Kind
    document: Document
    resource: str
    strings: tuple[tuple[Pointer, str], ...]

    def get(self, *pointer: str | int) -> Any:
        """Value at ``pointer``; None when nothing was written there."""
        value: Any = self.document.data
        for key in pointer:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def mapping(self, *pointer: str | int) -> Mapping[Any, Any]:
        """Mapping at ``pointer``; an empty one when something else, or nothing, was written there."""
        value = self.get(*pointer)
        return value if isinstance(value, dict) else {}

    def finding(
        self,
        rule: str,
        pointer: Pointer,
        message: str,
        *,
        found: str | None = None,
        required: str | None = None,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> Finding:
        """Finding at ``pointer``, or at the mapping it is missing from."""
        position = self.document.at(*pointer)
        return Finding(rule, position, message, self.resource, dotted(pointer), found, required, hint, severity)


@dataclass(frozen=True, slots=True)
class Part:
    """A model or an environment: a manifest of its own (``at`` is empty), or written inside a deployment."""

    subject: Subject
    at: Pointer

    def get(self, *pointer: str | int) -> Any:
        """Value at ``pointer`` of the part; None when nothing was written there."""
        return self.subject.get(*self.at, *pointer)

    def pointer(self, *pointer: str | int) -> Pointer:
        """Pointer into the document that holds the part."""
        return (*self.at, *pointer)


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything of one run: its context, what the checkout holds, and all manifests, indexed by name.

    Names of endpoints and deployments are indexed in lower case, since Azure does not tell case apart.
    """

    context: Context
    survey: Mapping[str, LocalPath]
    subjects: tuple[Subject, ...]
    endpoints: Mapping[str, tuple[Subject, ...]]
    deployments: Mapping[str, tuple[Subject, ...]]
    models: Mapping[str, tuple[Subject, ...]]
    environments: Mapping[str, tuple[Subject, ...]]

    def local(self, subject: Subject, *pointer: str | int) -> LocalPath | None:
        """What the checkout holds at the path written at ``pointer``; None when the value is not a local path."""
        if not isinstance(subject.get(*pointer), str):
            return None
        path = local_path(subject.document, pointer)
        if path is None:
            return None
        if path.startswith(("/", "../")) or path == "..":
            return LocalPath(path, "outside")
        return self.survey.get(path)


def scope_of(manifests: Iterable[tuple[Kind, Document]], context: Context, survey: Mapping[str, LocalPath]) -> Scope:
    """Scope over ``manifests`` (kind and document of each)."""
    subjects = tuple(
        Subject(kind, document, resource_of(kind, document.data), tuple(strings_of(document.data)))
        for kind, document in manifests
    )

    def index(kind: Kind, key: str) -> dict[str, tuple[Subject, ...]]:
        groups: dict[str, list[Subject]] = defaultdict(list)
        for subject in subjects:
            name = subject.get(key)
            if subject.kind == kind and isinstance(name, str):
                groups[name if kind in ("model", "environment") else name.lower()].append(subject)
        return {name: tuple(group) for name, group in groups.items()}

    return Scope(
        context,
        survey,
        subjects,
        endpoints=index("endpoint", "name"),
        deployments=index("deployment", "endpoint_name"),
        models=index("model", "name"),
        environments=index("environment", "name"),
    )


def strings_of(value: Any, at: Pointer = ()) -> Iterator[tuple[Pointer, str]]:
    """Every text inside ``value`` with its pointer, in document order."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_of(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings_of(item, (*at, index))
