"""What people ordered and what the calendar says, as it narrows or forbids what a command does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler import windows
from reconciler.domain import Refusal
from reconciler.watch.orders import holds_of, suspension_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.sync import Wanted
    from schemas.project import Project


def ordered(wanted: Wanted, orders: Mapping[str, str]) -> Wanted:
    """What is wanted, with suspended resources held back."""
    return replace(wanted, intent=replace(wanted.intent, held=holds_of(orders)))


def closed_because(project: Project, environment: str, orders: Mapping[str, str]) -> str:
    """Why nothing may be written to the environment now; empty when it may."""
    settings = project.environments[environment]
    return suspension_of(orders, settings) or windows.closed_because(settings.sync_windows, datetime.now(UTC))


def refusal_of(environment: str, closed: str) -> Refusal:
    """What stands against an apply that would write while nothing may be written."""
    return Refusal(
        "closed",
        environment,
        f"nothing may be written now: {closed}",
        hint="Wait, aml-gitops resume, or say --override if this cannot wait.",
    )
