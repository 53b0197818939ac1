"""What can be set about one emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Durations:
    """How long an operation runs before it ends, beside the time that a scoring process needs to start.

    Azure takes 90 s for an endpoint and 7 to 10 minutes for a deployment; nobody wants that on a laptop.
    """

    endpoint_s: float = 0.3
    update_s: float = 0.1
    delete_s: float = 0.2


INSTANT = Durations(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Identity of the default workspace, and the switches of the emulator.

    ``folder`` holds blobs and prepared assets. ``url`` is where this emulator itself is reached: it is what a
    stored ``scoringUri`` starts with. ``retry_after_ms`` adds ``x-ms-retry-after-ms``, which Azure does not send, for
    clients that would else wait their default 30 s. ``instance_type_change`` says what a PUT with another
    instanceType does: users report that Azure ignores it silently (Azure/AML-Kubernetes #247).
    """

    folder: Path
    url: str = "https://127.0.0.1"
    location: str = "westeurope"
    subscription_id: str = "5e1f0a3c-8b52-4d0e-9c66-0d6a5b7c1e21"
    resource_group: str = "rg-emulator"
    workspace: str = "ws-emulator"
    durations: Durations = Durations()
    retry_after_ms: int | None = None
    instance_type_change: Literal["refuse", "ignore"] = "refuse"
    page_size: int = 100
