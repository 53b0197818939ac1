"""How findings speak of a manifest and of a place in it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.domain import Pointer


def resource_of(kind: str, data: Mapping[str, Any]) -> str:
    """Return the label of a manifest, such as ``deployment/churn/blue``; the bare kind when it has no name."""
    name = data.get("name")
    if not isinstance(name, str) or not name:
        return kind
    if kind == "deployment":
        endpoint = data.get("endpoint_name")
        return f"deployment/{endpoint}/{name}" if isinstance(endpoint, str) else f"deployment/{name}"
    version = data.get("version")
    if kind != "endpoint" and isinstance(version, str | int) and not isinstance(version, bool):
        return f"{kind}/{name}:{version}"
    return f"{kind}/{name}"


def dotted(pointer: Pointer) -> str:
    """Return ``pointer`` as a person reads it: ``identity.user_assigned_identities[0].resource_id``."""
    text = ""
    for key in pointer:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def nearest(given: str, names: Iterable[str]) -> str:
    """``; did you mean 'deployment/churn/blue'?`` for a name that is none of ``names``; empty when none is near.

    Half a name is near too: ``churn/blue`` without its kind, ``model/churn`` without its version.
    """
    from difflib import get_close_matches

    known = sorted(set(names))
    wanted = given.lower()
    near = [name for name in known if name.lower() == wanted or name.lower().endswith(f"/{wanted}")]
    near += [name for name in known if name.lower().startswith((f"{wanted}:", f"{wanted}/"))]
    near += get_close_matches(given, known, 1)
    return f"; did you mean '{near[0]}'?" if near else ""
