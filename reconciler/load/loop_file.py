"""``loop.yaml``: read and checked. What is wrong with it is told without quoting it: it is where secrets get pasted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.domain import Document, Finding
from reconciler.errors import ManifestError
from reconciler.load.strict_file import Manner, checked, read_bytes
from reconciler.naming import dotted
from reconciler.rules.secret_shapes import in_text
from schemas.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.domain import Pointer

_MANNER = Manner("loop file", "interval_s: 120", quotes=False)
_IN_AN_ADDRESS = "take it out of the address, and write `token: {env: NAME}` below it"
_HOW_TO_GIVE_ONE = "write `env: NAME` or `file: PATH`, and put the secret there"


def load_loop(path: Path) -> Loop:
    """Return the loop file. Relative paths in it start at its folder. Raises SourceError, ManifestError."""
    read = checked(read_bytes(path), path.name, Loop, _MANNER)
    findings = (*map(_hinted, read.findings), *_secrets_in(read.document, known=read.content is not None))
    if read.content is None or findings:
        raise ManifestError(tuple(sorted(findings, key=lambda finding: finding.position)))
    return read.content


def _hinted(finding: Finding) -> Finding:
    """Add how to give a secret, where something else was written in its place."""
    field = finding.path.rpartition(".")[2].partition("[")[0]
    secret = field in _SECRET_FIELDS or (field == "url" and finding.path.startswith("notifications"))
    return replace(finding, hint=_HOW_TO_GIVE_ONE) if secret and finding.hint is None else finding


_SECRET_FIELDS = frozenset({"token", "password", "github", "gitlab"})


def _secrets_in(document: Document, *, known: bool) -> Iterator[Finding]:
    """Find what has the shape of a secret, wherever it is written: a token as the name of a variable, say.

    Unless all fields are ``known`` ones, a field's name may be the secret, and no path is told.
    """
    for pointer, value in _texts(document.data, ()):
        for kind, _ in in_text(value):
            yield Finding(
                "literal-secret",
                document.at(*pointer),
                f"this looks like a secret ({kind})",
                path=dotted(pointer) if known else "",
                required="the name of an environment variable or file that holds it",
                hint=_IN_AN_ADDRESS if pointer == ("source", "url") else _HOW_TO_GIVE_ONE,
            )


def _texts(value: Any, at: Pointer) -> Iterator[tuple[Pointer, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(child, (*at, key))
