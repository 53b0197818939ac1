"""Base manifests, patched for one environment: every value keeps the place it was written at. Pure."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reconciler.compose.patch import fill, merge_patch
from reconciler.compose.variables import substitute
from reconciler.domain import KINDS, Document, Finding
from reconciler.naming import dotted, resource_of
from schemas.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.compose.variables import Scalar
    from reconciler.domain import Pointer, Position

# What has a scheme (azureml:, runs:/, https://, wasbs://) lives elsewhere. One letter is a Windows drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

_PATHS: dict[str, tuple[Pointer, ...]] = {
    "deployment": (
        ("code_configuration", "code"),
        ("model", "path"),
        ("environment", "conda_file"),
        ("environment", "build", "path"),
    ),
    "model": (("path",),),
    "environment": (("conda_file",), ("build", "path")),
}
_SAMPLE: Pointer = ("gitops", "sample", "request")


def local_path(document: Document, pointer: Pointer) -> str | None:
    """Return the path that the text at ``pointer`` names, relative to the project, or None if it names none.

    The text is relative to the file it was written in, which after an overlay need not be the manifest's own.
    A path that leaves the project begins with ``..`` or ``/``. Addresses such as ``azureml:...`` are no paths.
    """
    value: Any = document.data
    for part in pointer:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    if not isinstance(value, str) or not value.strip() or _SCHEME.match(value):
        return None
    return _beside(document.at(*pointer).file, value.strip())


@lru_cache(maxsize=4096)  # the deployments of one file name the same few paths, and several rules ask
def _beside(file: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), path))


def local_paths(document: Document) -> Iterator[tuple[Pointer, str]]:
    """Yield every pointer of a manifest that names something in the checkout, with the path it names."""
    for pointer in (*_PATHS.get(kind_of(document.data) or "", ()), _SAMPLE):
        path = local_path(document, pointer)
        if path is not None:
            yield pointer, path


def compose(
    base: Sequence[Document],
    overlays: Sequence[Document],
    *,
    defaults: Mapping[str, Document],
    variables: Mapping[str, Scalar],
) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """Return the manifests of one environment, sorted, and everything wrong with how they fit together.

    ``defaults`` (by kind) fill in what a manifest does not say, then each overlay is applied as a merge patch to
    the one manifest of its kind and name; patches of the same manifest apply in order of file and line. The
    order of the arguments does not matter.
    """
    findings: list[Finding] = []

    def filled_in(document: Document) -> Document:
        done, found = substitute(document, variables)
        findings.extend(found)
        return done

    offers = {kind: filled_in(offer) for kind, offer in defaults.items()}
    manifests = [_with_defaults(filled_in(document), offers) for document in sorted(base, key=_written)]
    index = _Index(manifests)
    for patch in map(filled_in, sorted(overlays, key=_written)):
        found = index.find(patch)
        if isinstance(found, Finding):
            findings.append(found)
        else:
            manifests[found] = merge_patch(manifests[found], patch)
    findings.extend(_duplicates(manifests))
    return tuple(sorted(manifests, key=_order)), tuple(sorted(findings, key=_finding_order))


@dataclass(frozen=True, slots=True)
class _Identity:
    """What makes two documents speak of one resource. Azure does not tell the case of serving names apart."""

    kind: str
    name: str
    endpoint: str | None
    version: str | None


def _identity(document: Document) -> _Identity | None:
    kind, data = kind_of(document.data), document.data
    name = data.get("name")
    if kind is None or not isinstance(name, str):
        return None
    if kind in ("model", "environment"):
        version = data.get("version")
        return _Identity(kind, name, None, None if version is None else str(version))
    endpoint = data.get("endpoint_name") if kind == "deployment" else None
    return _Identity(kind, name.lower(), endpoint.lower() if isinstance(endpoint, str) else None, None)


class _Index:
    """The manifests that a patch may mean, by kind and name."""

    def __init__(self, manifests: Sequence[Document]) -> None:
        self._by_name: dict[tuple[str, str], list[tuple[int, _Identity]]] = defaultdict(list)
        for number, manifest in enumerate(manifests):
            if identity := _identity(manifest):
                self._by_name[identity.kind, identity.name].append((number, identity))

    def find(self, patch: Document) -> int | Finding:
        """Return the number of the manifest that ``patch`` is for, or why there is not exactly one."""
        wanted = _identity(patch)
        if wanted is None:
            return _lost(patch, "a patch must say its kind ($schema or kind) and its name", "wrong-type")
        candidates = self._by_name.get((wanted.kind, wanted.name), [])
        if wanted.endpoint is not None:
            candidates = [found for found in candidates if found[1].endpoint == wanted.endpoint]
        if len({identity for _, identity in candidates}) > 1 and wanted.version is not None:
            candidates = [found for found in candidates if found[1].version == wanted.version]
        if not candidates:
            return _lost(patch, "the patch matches no manifest", hint=self._near(wanted))
        if len({identity for _, identity in candidates}) > 1:
            key = "endpoint_name" if wanted.kind == "deployment" else "version"
            return _lost(
                patch,
                f"the patch matches {len(candidates)} manifests",
                hint=f"add the {key} of the one that is meant",
            )
        return candidates[0][0]

    def _near(self, wanted: _Identity) -> str:
        names = sorted({name for kind, name in self._by_name if kind == wanted.kind})
        near = get_close_matches(wanted.name, names, n=1)
        if near and near[0] != wanted.name:
            return f"did you mean name: {near[0]}?"
        if wanted.endpoint is not None and wanted.name in names:
            return "no deployment of this name has this endpoint_name"
        return f"declare it in a base manifest first; there is no {wanted.kind} of this name"


def _lost(patch: Document, message: str, rule: str = "unresolved-reference", hint: str | None = None) -> Finding:
    resource = resource_of(kind_of(patch.data) or "", patch.data)
    pointer: Pointer = ("name",) if "name" in patch.data else ()
    found = str(patch.data["name"]) if pointer else None
    return Finding(rule, patch.at(*pointer), message, resource, dotted(pointer), found, hint=hint)


def _with_defaults(document: Document, offers: Mapping[str, Document]) -> Document:
    offer = offers.get(kind_of(document.data) or "")
    return document if offer is None else fill(document, offer)


def _duplicates(manifests: Iterable[Document]) -> Iterator[Finding]:
    first: dict[_Identity, Document] = {}
    for manifest in sorted(manifests, key=_written):
        identity = _identity(manifest)
        if identity is None or first.setdefault(identity, manifest) is manifest:
            continue
        resource = resource_of(identity.kind, manifest.data)
        yield Finding(
            "duplicate-key",
            manifest.at("name"),
            f"{resource} is declared twice, first at {first[identity].at('name')}",
            resource,
            "name",
            found=resource,
            hint="remove one of them, or give it another name",
        )


def _written(document: Document) -> Position:
    return document.at()


def _order(document: Document) -> tuple[int, str, str, str, Position]:
    kind = kind_of(document.data) or ""
    data = document.data
    rank = KINDS.index(kind) if kind in KINDS else len(KINDS)
    owner = data.get("endpoint_name") if kind == "deployment" else ""
    return rank, kind, str(owner), str(data.get("name")), document.at()


def _finding_order(finding: Finding) -> tuple[Position, str, str]:
    return finding.position, finding.rule, finding.path
