"""What manifests may say and this product does not do, so that nothing is accepted and then left out in silence."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding, Pointer
    from reconciler.rules.scope import Scope, Subject

OWN_TAGS = "aml-gitops-"

_NOT_YET: dict[str, tuple[str, ...]] = {
    "deployment": ("private_network_connection",),
    "model": ("default_deployment_template", "allowed_deployment_templates"),
}
_PRIVATE = {
    "endpoint": ("private-inbound", "properties.publicNetworkAccess"),
    "deployment": ("private-outbound", "properties.egressPublicNetworkAccess"),
}


def unmanaged(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse fields that az ml takes and that would not reach Azure from here."""
    for pointer in _unmanaged_fields(subject):
        yield subject.finding(
            "unsupported-kind",
            pointer,
            f"{pointer[-1]} is not managed yet: it would not reach Azure",
            found=str(pointer[-1]),
            required="a field that is managed",
            hint="remove it; docs/manifest-reference.md lists what is managed",
        )


def _unmanaged_fields(subject: Subject) -> Iterator[Pointer]:
    for name in _NOT_YET.get(subject.kind, ()):
        if subject.get(name) is not None:
            yield (name,)
    collections: Any = subject.get("data_collector", "collections")
    for name, collection in collections.items() if isinstance(collections, dict) else ():
        if isinstance(collection, dict) and isinstance(collection.get("data"), dict) and collection["data"].get("path"):
            yield ("data_collector", "collections", name, "data", "path")


def own_tags(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse tags of the product's own name space: they hold its bookkeeping."""
    for key in subject.mapping("tags"):
        if isinstance(key, str) and key.startswith(OWN_TAGS):
            yield subject.finding(
                "name",
                ("tags", key),
                f"tags that begin with {OWN_TAGS} hold who owns the resource",
                found=key,
                required="another name",
                hint="rename the tag",
            )


def ignored_privacy(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse an ``ignore`` that covers privacy: whether a resource is private is never anybody else's to decide."""
    rule, field = _PRIVATE.get(subject.kind, ("", ""))
    patterns: Any = subject.get("gitops", "ignore")
    for index, pattern in enumerate(patterns if isinstance(patterns, list) and rule else ()):
        if isinstance(pattern, str) and (fnmatchcase(field, pattern) or fnmatchcase(field, f"{pattern}.*")):
            yield subject.finding(
                rule,
                ("gitops", "ignore", index),
                f"privacy cannot be ignored: the pattern covers {field}",
                found=pattern,
                required=f"a pattern that leaves {field} alone",
                hint="name the fields one by one",
            )
