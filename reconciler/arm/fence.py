"""What stands before every write: the question whether the lease that gave the right to it still holds.

Azure ML knows no ETags and no fencing tokens, so this is asked here, as late as can be: after retries, waits and
sign-in, right before the request goes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.policies import SansIOHTTPPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.core.pipeline import PipelineRequest


def _open() -> None:
    """A session that shares its workspace with nobody."""


@dataclass(slots=True)
class Fence:
    """``check`` raises LeaseLost once the right to write is gone.

    ``file`` is where the upload process, which writes too, finds how long the right lasts; None when it always does.
    A session outlives a lease, so both are set anew for each pass.
    """

    check: Callable[[], None] = _open
    file: Path | None = None


class Fenced(SansIOHTTPPolicy[Any, Any]):
    """Asks before each request that is no read; what the check raises keeps it from being sent."""

    def __init__(self, fence: Fence) -> None:
        super().__init__()
        self._fence = fence

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Ask."""
        if request.http_request.method not in ("GET", "HEAD"):
            self._fence.check()
