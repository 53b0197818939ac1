"""Policy as pure functions: each looks at one manifest and what is declared beside it, and yields findings.

Rules read what was written, not the typed model, so they also speak about a manifest whose shape is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.rules import (
    drivers,
    images,
    limits,
    names,
    network,
    paths,
    references,
    requests,
    secrets,
    serving,
    templates,
    traffic,
    versions,
)
from reconciler.rules.scope import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject

    Rule = Callable[[Subject, Scope], Iterator[Finding]]

RULE_IDS = (
    "private-inbound",
    "private-outbound",
    "public-image",
    "mutable-reference",
    "unresolved-reference",
    "unrendered-template",
    "mlflow-needs-egress",
    "missing-driver",
    "name",
    "duplicate-key",
    "unknown-field",
    "wrong-type",
    "literal-secret",
    "path-escape",
    "traffic",
    "unsupported-kind",
    "serving-packages",
    "model-environment-mismatch",
    "yaml",
)


def _environment(subject: Subject, scope: Scope) -> Iterator[Finding]:
    environment = Part(subject, () if subject.kind == "environment" else ("environment",))
    yield from images.source(environment, scope)
    yield from images.pinned(environment, scope)


_EVERY: tuple[Rule, ...] = (
    secrets.check,
    templates.check,
    references.placeholders,
    references.assets,
    paths.check,
    requests.check,
    limits.unmanaged,
    limits.own_tags,
    limits.ignored_privacy,
)
_BY_KIND: dict[str, tuple[Rule, ...]] = {
    "endpoint": (*_EVERY, network.inbound, traffic.check, references.weights, names.stable),
    "deployment": (
        *_EVERY,
        network.outbound,
        references.endpoint,
        references.registries,
        names.stable,
        _environment,
        images.curated,
        drivers.egress,
        drivers.driver,
        serving.check,
        versions.check,
    ),
    "model": _EVERY,
    "environment": (*_EVERY, _environment),
}


def check(subject: Subject, scope: Scope) -> Iterator[Finding]:
    """Everything the policy says about one manifest."""
    for rule in _BY_KIND[subject.kind]:
        yield from rule(subject, scope)
