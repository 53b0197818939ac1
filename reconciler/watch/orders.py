"""What people ordered from the command line: leave this alone, try that again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.domain import Hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.project import ProjectEnvironment

EVERYTHING: Final = "*"
RETRY: Final = "!retry"
"""Not a resource: when somebody last asked to retry what is stalled."""


def holds_of(orders: Mapping[str, str]) -> tuple[Hold, ...]:
    """Suspended resources, as a plan takes them. A suspended environment is no hold: it still shows its plan."""
    return tuple(
        Hold(pattern, _said(reason)) for pattern, reason in sorted(orders.items()) if pattern not in (EVERYTHING, RETRY)
    )


def suspension_of(orders: Mapping[str, str], settings: ProjectEnvironment) -> str:
    """Why the whole environment is suspended, by an order or in gitops.yaml; empty when it is not."""
    if EVERYTHING in orders:
        return _said(orders[EVERYTHING])
    return "suspended in gitops.yaml" if settings.suspend else ""


def suspended(orders: Mapping[str, str], patterns: Iterable[str], reason: str) -> dict[str, str]:
    """The orders with these suspended too; without patterns, all of the environment."""
    return {**orders, **dict.fromkeys(patterns or (EVERYTHING,), reason)}


def resumed(orders: Mapping[str, str], patterns: Iterable[str], now: str) -> dict[str, str]:
    """The orders without these; without patterns, without any. What is stalled is tried again."""
    kept = {name: reason for name, reason in orders.items() if patterns and name not in patterns and name != RETRY}
    return {**kept, RETRY: now}


def _said(reason: str) -> str:
    return f"suspended: {reason}" if reason else "suspended"
