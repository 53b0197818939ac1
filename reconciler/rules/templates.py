"""unrendered-template: markers of a template engine or a shell that nobody filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.domain import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject

# {{X}} and {% %} Jinja, Helm; <X> by hand; ${X} $X envsubst; $(X) Azure Pipelines; #{X}# and __X__ of tasks that
# replace tokens. None can overlap itself, so hostile text takes no longer than other text.
MARKER = re.compile(
    r"\$?\{\{[^{}\n]*+\}\}|\{%[^%\n]*+%\}|<[A-Za-z][\w .-]*>|\$\{[A-Za-z_][\w.:-]*\}|\$\([A-Za-z_][\w.]*\)"
    r"|\$[A-Za-z_]\w*|#\{[\w.]+\}#?|__[A-Z][A-Z0-9_]*__"
)
# Azure resolves these when the container starts (learn.microsoft.com/azure/machine-learning/concept-secret-injection).
SECRET_REFERENCE = re.compile(r"\$\{\{\s*(?:azureml://|keyvault:)[^{}]+\}\}", re.IGNORECASE)
# The project's own variables: composition replaces them or reports them.
_VARIABLE = re.compile(r"\$\{\{\s*var\b")


def check(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse text that still holds a template marker; in a description it only looks bad, so there it warns."""
    for pointer, text in subject.strings:
        if "$" not in text and "<" not in text and "{" not in text and "__" not in text:
            continue
        rest = text
        if pointer[0] == "environment_variables":
            rest = SECRET_REFERENCE.sub("", text)
        if pointer[0] == "$schema" or pointer[:2] == ("gitops", "sample"):
            continue
        match = next((m for m in MARKER.finditer(rest) if not _VARIABLE.match(m[0])), None)
        if match is None:
            continue
        yield subject.finding(
            "unrendered-template",
            pointer,
            "a template marker was left in: Azure would take it literally",
            found=match[0] if pointer[0] != "environment_variables" else "a template marker",
            required="the value itself",
            hint="write the value, or `${{ var.name }}` with the variable declared in gitops.yaml",
            severity=Severity.WARNING if pointer[-1] == "description" else Severity.ERROR,
        )
