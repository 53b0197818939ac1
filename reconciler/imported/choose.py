"""Which live resources become manifests, and why others do not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain import Ref
from reconciler.imported.ask import Note
from reconciler.imported.references import used
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get
from reconciler.plan.hold import matches
from reconciler.plan.ownership import OWNER, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.domain import Body, Live
    from reconciler.imported.ask import Ask

SERVING = ("endpoint", "deployment")
ASSETS = ("model", "environment")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Refs to import; ``asked`` of them were asked for, the others are only needed by those."""

    refs: tuple[Ref, ...]
    asked: frozenset[Ref]
    declared: tuple[Ref, ...]
    notes: tuple[Note, ...]
    unmatched: tuple[str, ...]


def lists_assets(select: Iterable[str]) -> bool:
    """Whether a pattern can mean assets that no deployment uses, so that all of them must be read."""
    return any(not pattern.startswith(("endpoint/", "deployment/", "traffic/")) for pattern in select)


def choose(live: Live, ask: Ask) -> Chosen:
    """What to import of ``live``."""
    refs = sorted(ref for ref in live.resources if ref.kind in (*SERVING, *ASSETS))
    asked = {ref for ref in refs if _is_asked(ref, ask.select)}
    needed = {Ref("endpoint", ref.name) for ref in asked if ref.kind == "deployment"} & live.resources.keys()
    declared = {ref for ref in asked | needed if ref in ask.declared}
    notes: list[Note] = []
    kept: set[Ref] = set()
    for ref in sorted((asked | needed) - declared, key=lambda ref: (ref.kind != "endpoint", ref)):
        reason = _why_not(ref, live, ask, kept)
        if reason is None:
            kept.add(ref)
        else:
            notes.append(Note(*reason))
    for ref in sorted(kept):
        if ref.kind == "deployment":
            kept |= {asset for asset in used(live.resources[ref], ask.target) if _is_free(asset, live, ask, notes)}
    unmatched = tuple(
        pattern for pattern in ask.select if not any(matches(pattern, ref) or _traffic(pattern, ref) for ref in refs)
    )
    return Chosen(tuple(sorted(kept)), frozenset(asked), tuple(sorted(declared)), _once(notes), unmatched)


def _is_asked(ref: Ref, select: tuple[str, ...]) -> bool:
    if not select:
        return ref.kind in SERVING
    return any(matches(pattern, ref) or _traffic(pattern, ref) for pattern in select)


def _traffic(pattern: str, ref: Ref) -> bool:
    """Traffic is written in the manifest of its endpoint."""
    return ref.kind == "endpoint" and matches(pattern, Ref("traffic", ref.name))


def _why_not(ref: Ref, live: Live, ask: Ask, kept: set[Ref]) -> tuple[str, str, str] | None:
    """Rule, resource and message when a resource is left alone; None when it is to be imported."""
    body, name = live.resources[ref], str(ref)
    owner = tags_of(KINDS[ref.kind], body).get(OWNER)
    if owner not in (None, ask.owner):
        return "not-owned", name, f"belongs to {owner}; not imported"
    if ref.kind == "endpoint" and not is_managed(body):
        return "unsupported-kind", name, "is not a managed online endpoint; not imported, nor are its deployments"
    if ref.kind == "deployment":
        if str(get(body, "properties.endpointComputeType", "Managed")).lower() not in ("managed", ""):
            return "unsupported-kind", name, "is not a managed online deployment; not imported"
        endpoint = Ref("endpoint", ref.name)
        if endpoint not in kept and endpoint not in ask.declared:
            return "not-imported", name, f"its {endpoint} is not imported, so neither is the deployment"
    if ref.kind in ASSETS:
        return _why_no_asset(ref, live, ask)
    return None


def _is_free(ref: Ref, live: Live, ask: Ask, notes: list[Note]) -> bool:
    """Whether an asset that a deployment uses gets a manifest too; else the deployment only names it."""
    if ref.kind not in ASSETS or ref not in live.resources or ref in ask.declared:
        return False
    reason = _why_no_asset(ref, live, ask)
    if reason is not None:
        notes.append(Note(*reason))
    return reason is None


def _why_no_asset(ref: Ref, live: Live, ask: Ask) -> tuple[str, str, str] | None:
    body = live.resources[ref]
    owner = tags_of(KINDS[ref.kind], body).get(OWNER)
    if owner not in (None, ask.owner):
        return "referred", str(ref), f"belongs to {owner}: deployments name it, it gets no manifest"
    if get(body, "properties.isAnonymous"):
        return "referred", str(ref), "was made by az ml for one deployment: that names it, it gets no manifest"
    conda = KINDS["environment"].by_arm["properties.condaFile"]
    written = get(body, conda.arm) if ref.kind == "environment" else None
    if written and not isinstance(conda.form.from_arm(written), dict):
        return (
            "referred",
            str(ref),
            "its conda file is no JSON as Azure answers it: deployments name it, it gets no manifest",
        )
    other = next((known for known in sorted(ask.declared) if (known.kind, known.name) == (ref.kind, ref.name)), None)
    if other is not None:
        return "referred", str(ref), f"the manifests declare {other}; this version is only named, it gets no manifest"
    return None


def is_managed(endpoint: Body) -> bool:
    """Whether the endpoint is one that this product manages; a Kubernetes endpoint names its compute."""
    return str(endpoint.get("kind") or "Managed").lower() == "managed" and not get(endpoint, "properties.compute")


def _once(notes: list[Note]) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(notes))
