"""traffic: what the weights say together. Their types, ranges and sum are the schema's business."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.domain import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject


def check(endpoint: Subject, scope: Scope) -> Iterator[Finding]:
    """Refuse weights that contradict each other; warn when nothing is served."""
    yield from _once(endpoint)
    yield from _not_both(endpoint)
    yield from _spelling(endpoint, scope)
    yield from _served(endpoint, scope)


def _once(endpoint: Subject) -> Iterator[Finding]:
    """One deployment, one weight: case does not count (azure-ai-ml 1.35.2 lower-cases traffic keys)."""
    for field in ("traffic", "mirror_traffic"):
        weights = endpoint.mapping(field)
        counts = Counter(str(key).lower() for key in weights)
        for key in weights:
            if counts[str(key).lower()] > 1:
                yield endpoint.finding(
                    "traffic",
                    (field, key),
                    "the deployment has two weights: Azure does not tell upper and lower case apart",
                    found=str(key),
                    required="one weight for each deployment",
                    hint="keep one of the lines",
                )


def _not_both(endpoint: Subject) -> Iterator[Finding]:
    """Live or mirrored (learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints)."""
    live = {str(key).lower() for key, weight in endpoint.mapping("traffic").items() if _positive(weight)}
    for key, weight in endpoint.mapping("mirror_traffic").items():
        if _positive(weight) and str(key).lower() in live:
            yield endpoint.finding(
                "traffic",
                ("mirror_traffic", key),
                "a deployment cannot get live and mirrored traffic at once",
                found=f"{key} in traffic and in mirror_traffic",
                required="a deployment without live traffic",
                hint=f"remove {key} here, or set its weight in traffic to 0",
            )


def _spelling(endpoint: Subject, scope: Scope) -> Iterator[Finding]:
    declared = {name.lower(): name for name in _declared(endpoint, scope)}
    for field in ("traffic", "mirror_traffic"):
        weights = endpoint.mapping(field)
        for key in weights:
            name = declared.get(str(key).lower())
            if name is not None and name != key and name not in weights:
                yield endpoint.finding(
                    "traffic",
                    (field, key),
                    "the deployment is written differently where it is declared",
                    found=str(key),
                    required=name,
                    hint=f"{name}: ...",
                    severity=Severity.WARNING,
                )


def _served(endpoint: Subject, scope: Scope) -> Iterator[Finding]:
    if any(_positive(weight) for weight in endpoint.mapping("traffic").values()):
        return
    written = endpoint.get("traffic")
    deployments = sorted(_declared(endpoint, scope))
    if not deployments or (written is not None and not isinstance(written, dict)):
        return
    yield endpoint.finding(
        "traffic",
        ("traffic",),
        "no deployment gets traffic: callers that name none get 404",
        found="no traffic" if not written else "only weights of 0",
        required="weights that add up to 100",
        hint=f"traffic: {{{deployments[0]}: 100}}",
        severity=Severity.WARNING,
    )


def _declared(endpoint: Subject, scope: Scope) -> list[str]:
    name = endpoint.get("name")
    found = scope.deployments.get(name.lower(), ()) if isinstance(name, str) else ()
    return [value for value in (deployment.get("name") for deployment in found) if isinstance(value, str)]


def _positive(weight: object) -> bool:
    return isinstance(weight, int | float) and weight > 0
