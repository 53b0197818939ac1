"""Documents to manifests, with everything that is wrong with them at once. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from reconciler.domain import Finding, Severity
from reconciler.manifest import Context, Manifest
from reconciler.rules import check, secrets, shape
from reconciler.rules.scope import scope_of
from schemas.kinds import MODELS, UNSUPPORTED, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.domain import Document, LocalPath
    from reconciler.rules.scope import Subject
    from schemas.kinds import Kind

__all__ = ["Context", "Manifest", "Validated", "validate"]

# Characters of a finding's text: shown at most, looked through for secrets at most, and enough to know a secret by.
_LONGEST = 240
_READ = 2000
_TELLTALE = 64


@dataclass(frozen=True, slots=True)
class Validated:
    """The manifests whose shape is right, by kind and name, and all findings, by place and rule."""

    manifests: tuple[Manifest, ...]
    findings: tuple[Finding, ...]


def validate(documents: Sequence[Document], context: Context, survey: Mapping[str, LocalPath]) -> Validated:
    """Check every document against its schema and the policy; neither the first fault nor a broken file ends it.

    ``survey`` is what the checkout holds at the paths the documents name; a path that it lacks is not judged.
    The order of the arguments does not matter.
    """
    managed: list[tuple[Kind, Document]] = []
    findings: list[Finding] = []
    for document in documents:
        kind = _managed_kind(kind_of(document.data))
        if kind is None:
            findings.append(_unsupported(document))
        else:
            managed.append((kind, document))
    scope = scope_of(managed, context, survey)
    manifests: list[tuple[str, Manifest]] = []
    secret_values: set[str] = set()
    for subject in scope.subjects:
        spec, wrong = _read(subject)
        if spec is not None:
            manifests.append((subject.resource, spec))
        judged = list(check(subject, scope))
        if any(finding.rule == "literal-secret" for finding in judged):
            secret_values.update(spotted.value for spotted in secrets.spot(subject, scope))
        findings.extend(_settled(wrong, judged))
    manifests.sort(key=lambda pair: (pair[1].kind, pair[0], pair[1].document.at()))
    return Validated(tuple(manifest for _, manifest in manifests), tuple(_presentable(findings, secret_values)))


def _managed_kind(kind: str | None) -> Kind | None:
    match kind:
        case "endpoint" | "deployment" | "model" | "environment":
            return kind
        case _:
            return None


def _read(subject: Subject) -> tuple[Manifest | None, list[Finding]]:
    try:
        spec = MODELS[subject.kind].model_validate(subject.document.data)
    except ValidationError as error:
        return None, list(shape.findings(subject, error.errors(include_url=False)))
    return Manifest(subject.kind, spec, subject.document), []


def _settled(shape_findings: Iterable[Finding], policy_findings: list[Finding]) -> list[Finding]:
    """Both lists without telling one fault twice: a secret silences all else about its value, policy the schema."""
    secret = {finding.path for finding in policy_findings if finding.rule == "literal-secret"}
    judged = {finding.path for finding in policy_findings if finding.severity is Severity.ERROR}
    kept = [f for f in policy_findings if f.rule == "literal-secret" or f.path not in secret]
    return kept + [f for f in shape_findings if f.path not in judged]


def _unsupported(document: Document) -> Finding:
    kind = kind_of(document.data)
    field = "$schema" if "$schema" in document.data else "kind"
    if kind is not None:
        # What az ml itself tells Kubernetes by is what there is to change.
        field = next((mark for mark in ("compute", "type") if _managed_kind(_kind_without(document, mark))), field)
        message = f"a {UNSUPPORTED[kind]} is not managed yet"
        found, hint = kind.replace("_", " "), "keep the file outside the manifest folders, or remove it"
    else:
        message = "the document does not say which kind of manifest it is"
        written = document.data.get(field)
        near = get_close_matches(str(written).lower(), [*MODELS, *UNSUPPORTED], n=1) if written else []
        found = str(written) if written else "neither $schema nor kind"
        hint = f"kind: {near[0]}" if near else "kind: endpoint"
    required = "a managed online endpoint, managed online deployment, model or environment"
    return Finding("unsupported-kind", document.at(field), message, "", field, found, required, hint)


def _kind_without(document: Document, field: str) -> str | None:
    return kind_of({key: value for key, value in document.data.items() if key != field})


def _presentable(findings: Iterable[Finding], secret_values: set[str]) -> list[Finding]:
    """Findings in order of place, each once, with no secret in any text and none too long to read."""
    longest_first = sorted(secret_values, key=lambda value: (-len(value), value))
    # Whatever its case: names are compared in lower case and may be suggested so.
    secret = re.compile("|".join(map(_telltale, longest_first)), re.IGNORECASE) if longest_first else None
    unique = {_clean(finding, secret) for finding in findings}
    return sorted(unique, key=_order)


def _telltale(secret: str) -> str:
    """Pattern of a secret; of a long one its beginning, and then all that follows."""
    return re.escape(secret) if len(secret) <= _TELLTALE else re.escape(secret[:_TELLTALE]) + r"[\s\S]*"


def _clean(finding: Finding, secret: re.Pattern[str] | None) -> Finding:
    def text(value: str | None) -> str | None:
        if value is None:
            return None
        if secret is not None:
            # What is cut off may be the rest of a secret whose beginning is not recognised alone.
            head = secret.sub("(secret)", value[:_READ])
            whole = len(value) <= _READ or head.endswith("(secret)")
            value = head if whole else head[:-_TELLTALE]
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."

    return replace(
        finding,
        message=text(finding.message) or "",
        resource=text(finding.resource) or "",
        path=text(finding.path) or "",
        found=text(finding.found),
        required=text(finding.required),
        hint=text(finding.hint),
    )


def _order(finding: Finding) -> tuple[object, ...]:
    return (
        finding.position,
        finding.rule,
        finding.path,
        finding.severity,
        finding.message,
        finding.found or "",
        finding.required or "",
        finding.resource,
    )
