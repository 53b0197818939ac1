"""The one definition of a private body, used by the plan's guard and by the policy on the wire. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.kinds.kind import UNSET
from reconciler.plan.diff import get_or_null

if TYPE_CHECKING:
    from reconciler.domain import NetworkMode


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a body is not private: the ARM field, and what to do."""

    field: str
    message: str
    hint: str


def body_problem(kind: str, method: str, body: Any, network: NetworkMode) -> Problem | None:
    """What makes a PUT or PATCH body of an endpoint or deployment public, or ``None`` when it is private.

    A PUT that leaves a field out takes Azure's default, which is public; a PATCH that leaves it out changes nothing.
    """
    if kind == "endpoint":
        return _flag(body, "properties.publicNetworkAccess", method, "the endpoint would answer the public internet")
    if kind == "deployment" and network == "legacy_egress":
        return _flag(
            body,
            "properties.egressPublicNetworkAccess",
            method,
            "the deployment could call the public internet",
        )
    field = "properties.egressPublicNetworkAccess"
    value = get_or_null(body, field)
    if kind == "deployment" and value not in (UNSET, None):
        return Problem(
            field,
            f"{field} is {value}, but in a managed network the flag does not apply and must be left out",
            "Remove egress_public_network_access from the manifest.",
        )
    return None


def _flag(body: Any, field: str, method: str, consequence: str) -> Problem | None:
    value = get_or_null(body, field)
    if method == "PATCH" and value is UNSET:
        return None
    if isinstance(value, str) and value.lower() == "disabled":
        return None
    found = "missing, and Azure's default is Enabled" if value in (UNSET, None) else f"{value!r}"
    return Problem(field, f"{field} is {found}: {consequence}", f"Send {field}: Disabled.")
