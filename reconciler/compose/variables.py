"""``${{ var.name }}`` in the text of a manifest. Pure.

az ml's own references of the same form, ``${{azureml://connections/...}}`` and ``${{keyvault:...}}``, are left
alone (learn.microsoft.com/azure/machine-learning/concept-secret-injection).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reconciler.domain import Document, Finding
from reconciler.naming import dotted, resource_of
from schemas.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Pointer

Scalar = str | int | float | bool

_USE = re.compile(r"\$\{\{\s*var\b\s*([^}]*?)\s*\}\}")
_NAME = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)")


def substitute(document: Document, variables: Mapping[str, Scalar]) -> tuple[Document, tuple[Finding, ...]]:
    """Return the document with every variable replaced, and a finding for each one that has no value.

    Text that is nothing but one variable becomes its value, type and all; inside other text it becomes text.
    """
    findings: list[Finding] = []

    def walk(value: Any, at: Pointer) -> Any:
        if isinstance(value, str):
            return _replaced(value, at)
        if isinstance(value, dict):
            return {key: walk(child, (*at, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [walk(child, (*at, index)) for index, child in enumerate(value)]
        return value

    def _replaced(text: str, at: Pointer) -> Scalar:
        whole = _USE.fullmatch(text.strip())
        if whole and (known := _value(whole, at)) is not None:
            return known
        return text if whole else _USE.sub(lambda use: _as_text(_value(use, at), use[0]), text)

    def _value(use: re.Match[str], at: Pointer) -> Scalar | None:
        name = _NAME.fullmatch(use[1])
        if name and name[1] in variables:
            return variables[name[1]]
        findings.append(_unknown(document, at, use[0], use[1].removeprefix("."), variables))
        return None

    if not _mentions(document.data):
        return document, ()
    return Document(walk(document.data, ()), document.origin), tuple(findings)


def _mentions(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_mentions, value.values()))
    return any(map(_mentions, value)) if isinstance(value, list) else isinstance(value, str) and "${{" in value


def _as_text(value: Scalar | None, written: str) -> str:
    if value is None:
        return written
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unknown(document: Document, at: Pointer, written: str, name: str, variables: Mapping[str, Scalar]) -> Finding:
    near = get_close_matches(name, variables, n=1)
    return Finding(
        "unresolved-reference",
        document.at(*at),
        f"variable '{name}' has no value",
        resource_of(kind_of(document.data) or "", document.data),
        dotted(at),
        found=written,
        required="a variable that gitops.yaml declares",
        hint=f"did you mean ${{{{ var.{near[0]} }}}}?"
        if near
        else f"declare it in gitops.yaml: `variables: {{{name}: {{type: string, default: ...}}}}`",
    )
