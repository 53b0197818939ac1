"""literal-secret: no key, password or token in a file that everyone who can read the repository can read.

A finding names kind and length, never the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.domain import Finding, Position
from reconciler.naming import dotted
from reconciler.rules.scope import Part
from reconciler.rules.secret_shapes import announces, harmless, in_text
from reconciler.rules.templates import MARKER, SECRET_REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import LocalPath, Pointer
    from reconciler.rules.scope import Scope, Subject

_MANY = 20


@dataclass(frozen=True, slots=True)
class Spotted:
    """A secret in plain text: where it stands and what it looks like. ``value`` must reach no output."""

    kind: str
    value: str
    position: Position
    path: str


def check(subject: Subject, scope: Scope) -> Iterator[Finding]:
    """Refuse secrets in plain text anywhere in a manifest, and in the conda file that it names."""
    for spotted in spot(subject, scope):
        yield Finding(
            "literal-secret",
            spotted.position,
            "a secret in plain text: whoever reads the repository has it, and history keeps it",
            subject.resource,
            spotted.path,
            found=f"{spotted.kind}, {len(spotted.value)} characters",
            required="a reference to a secret store",
            hint=_mend(spotted.path),
        )


def _mend(path: str) -> str:
    if path == "keys":
        return "remove the block: Azure makes the keys, az ml online-endpoint get-credentials reads them"
    if path.endswith("conda_file"):
        return "revoke it, and give the workspace a connection to the feed (az ml connection, type python_feed)"
    if path.startswith("environment_variables"):
        return "revoke it, then write ${{keyvault:https://<vault>.vault.azure.net/secrets/<name>}} or ${{azureml://connections/<name>/...}}"
    return "revoke it, and keep it in a key vault; only environment_variables can refer to one"


def spot(subject: Subject, scope: Scope) -> Iterator[Spotted]:
    """Every secret in plain text that belongs to a manifest."""
    document = subject.document
    for pointer, text in subject.strings:
        if pointer[0] == "$schema":
            continue
        if shaped := _few(in_text(text), text):
            yield from (Spotted(*match, document.at(*pointer), dotted(pointer)) for match in shaped)
        elif kind := _by_name(pointer, text):
            yield Spotted(kind, text, document.at(*pointer), dotted(pointer))
    yield from _numbers(subject)
    yield from _endpoint_keys(subject)
    for at in ((), ("environment",)) if subject.kind in ("environment", "deployment") else ():
        environment = Part(subject, at)
        if at or subject.kind == "environment":
            local = scope.local(subject, *environment.pointer("conda_file"))
            yield from _in_file(local, dotted(environment.pointer("conda_file")))


def _few(shaped: list[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """The secrets in a text; the whole text as one, when it holds nothing else."""
    return shaped if len(shaped) <= _MANY else [(shaped[0][0], text)]


def _by_name(pointer: Pointer, text: str) -> str | None:
    """Kind of secret that the key announces, unless the value is plainly none."""
    if pointer[0] == "gitops" or not isinstance(pointer[-1], str) or not announces(pointer[-1]):
        return None
    if harmless(text) or MARKER.search(SECRET_REFERENCE.sub("", text)) or SECRET_REFERENCE.search(text):
        return None
    if pointer[0] != "environment_variables" and re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", text):
        return None  # a tag like `secret: rotated` talks about a secret
    return f"value of `{pointer[-1]}`" if len(text) >= 4 else None


def _numbers(subject: Subject) -> Iterator[Spotted]:
    """Passwords of digits only, which YAML reads as numbers."""
    for field in ("environment_variables", "tags", "properties"):
        for key, value in subject.mapping(field).items():
            number = isinstance(value, int) and not isinstance(value, bool) and len(str(value)) > 4
            if number and isinstance(key, str) and announces(key):
                at = (field, key)
                yield Spotted(f"value of `{key}`", str(value), subject.document.at(*at), dotted(at))


def _endpoint_keys(subject: Subject) -> Iterator[Spotted]:
    """The endpoint's own keys: Azure makes them, and a file never needs them."""
    keys: Any = subject.get("keys") if subject.kind == "endpoint" else None
    if keys is None:
        return
    values = [value for value in keys.values() if isinstance(value, str)] if isinstance(keys, dict) else [str(keys)]
    for value in values[:1]:
        yield Spotted("endpoint key", value, subject.document.at("keys"), "keys")


def _in_file(local: LocalPath | None, path: str) -> Iterator[Spotted]:
    if local is None or local.kind != "file":
        return
    for text in local.texts.values():
        for number, line in enumerate(text.splitlines(), start=1):
            for kind, value in _few(in_text(line), line):
                yield Spotted(kind, value, Position(local.path, number, line.find(value) + 1), path)
