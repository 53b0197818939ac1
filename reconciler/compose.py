"""Base manifests, patched for one environment: every value keeps the place it was written at."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from schemas.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Document, Pointer

# Anything with a scheme (azureml:, runs:/, https://, wasbs://) lives elsewhere. One letter is a Windows drive.
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

    The text is relative to the file it was written in, which after an overlay need not be the manifest's own. A
    path that leaves the project begins with ``..`` or ``/``. Addresses such as ``azureml:...`` are not paths.
    """
    value: object = document.data
    for part in pointer:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            value = value[part]
        else:
            return None
    if not isinstance(value, str) or not value.strip() or _SCHEME.match(value):
        return None
    folder = posixpath.dirname(document.at(*pointer).file)
    return posixpath.normpath(posixpath.join(folder, value.strip()))


def local_paths(document: Document) -> Iterator[tuple[Pointer, str]]:
    """Yield every pointer of a manifest that names something in the checkout, with the path it names."""
    for pointer in (*_PATHS.get(kind_of(document.data) or "", ()), _SAMPLE):
        path = local_path(document, pointer)
        if path is not None:
            yield pointer, path
