"""private-inbound, private-outbound: what may be reached from outside, and what it may reach."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.domain import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject

INBOUND = "public_network_access"
OUTBOUND = "egress_public_network_access"


def inbound(endpoint: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse an endpoint that does not say ``public_network_access: disabled``.

    A missing field counts as public, since that is Azure's default
    (learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online).
    """
    value = endpoint.get(INBOUND)
    if _is(value, "disabled"):
        return
    if value is None:
        message, found = f"the endpoint is public: Azure opens it when {INBOUND} is missing", "missing"
    elif _is(value, "enabled"):
        message, found = "the endpoint is open to the internet", value
    else:
        message, found = f"nothing here makes the endpoint private: {INBOUND} is not `disabled`", _shown(value)
    yield endpoint.finding(
        "private-inbound", (INBOUND,), message, found=found, required="disabled", hint=f"{INBOUND}: disabled"
    )


def outbound(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Require the egress flag to fit the network mode.

    Inside a managed virtual network the flag does not apply and must be absent; with the older per-deployment isolation
    it must be ``disabled`` (learn.microsoft.com/azure/machine-learning/concept-secure-online-endpoint).
    """
    value = deployment.get(OUTBOUND)
    match scope.context.network:
        case "managed_vnet":
            yield from _managed(deployment, value)
        case "legacy_egress":
            yield from _legacy(deployment, value)
        case None:
            yield from _undeclared(deployment, value, loose=scope.context.loose)


def _managed(deployment: Subject, value: object) -> Iterator[Finding]:
    if value is None:
        return
    if _is(value, "disabled"):
        message = (
            f"{OUTBOUND} does not apply in a workspace with a managed virtual network; "
            "the network's own outbound rules decide"
        )
    else:
        message = f"{OUTBOUND} asks for open egress, which no private workspace allows"
    yield deployment.finding(
        "private-outbound",
        (OUTBOUND,),
        message,
        found=_shown(value),
        required="absent (network: managed_vnet)",
        hint=f"remove the line `{OUTBOUND}`",
    )


def _legacy(deployment: Subject, value: object) -> Iterator[Finding]:
    if _is(value, "disabled"):
        return
    if value is None:
        message = f"the deployment can reach the internet: Azure's default for {OUTBOUND} is enabled"
    else:
        message = "the deployment can reach the internet"
    yield deployment.finding(
        "private-outbound",
        (OUTBOUND,),
        f"{message}; the flag cannot be changed after creation",
        found="missing" if value is None else _shown(value),
        required="disabled (network: legacy_egress)",
        hint=f"{OUTBOUND}: disabled",
    )


def _undeclared(deployment: Subject, value: object, *, loose: bool) -> Iterator[Finding]:
    if _is(value, "disabled"):
        return
    if value is not None:
        yield deployment.finding(
            "private-outbound",
            (OUTBOUND,),
            "the deployment can reach the internet",
            found=_shown(value),
            required="disabled, or absent in a managed virtual network",
            hint=f"{OUTBOUND}: disabled",
        )
        return
    declare = "pass --network" if loose else "set `network:` of the environment in gitops.yaml to"
    yield deployment.finding(
        "private-outbound",
        (OUTBOUND,),
        f"whether egress is private depends on the workspace: right with a managed virtual network, "
        f"open to the internet without (Azure's default for {OUTBOUND} is enabled)",
        found="missing",
        required="a declared network mode",
        hint=f"{declare} managed_vnet or legacy_egress",
        severity=Severity.WARNING,
    )


def _is(value: object, word: str) -> bool:
    return isinstance(value, str) and value.lower() == word


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
