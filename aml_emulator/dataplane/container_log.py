"""What a container wrote and what happened to it, kept within bounds, and told in the layout of Azure's getLogs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FILE_LIMIT_BYTES = 1 << 20
_EVENTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a container."""

    name: str
    message: str
    warning: bool
    at: datetime

    def __str__(self) -> str:
        kind = "Warning" if self.warning else "Normal"
        time = self.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return f"Kind: Pod, Name: {self.name}, Type: {kind}, Time: {time}, Message: {self.message}"


class ContainerLog:
    """The log of one deployment: two files of at most a mebibyte, and the last events in memory.

    One log serves all containers that a deployment has one after the other, as `az ml online-deployment get-logs`
    shows one text.
    """

    def __init__(self, folder: Path) -> None:
        self._current = folder / "container.log"
        self._previous = folder / "container.log.1"
        self._events: list[Event] = []
        self.container_started = False

    def append(self, output: bytes) -> None:
        """Add what a container wrote. The folder above the log's own must exist."""
        try:
            self._current.parent.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:  # the state folder was removed: it must not come back as half of one
            return
        with self._current.open("ab") as file:
            file.write(output)
            full = file.tell() >= _FILE_LIMIT_BYTES
        if full:
            self._current.replace(self._previous)

    def record(self, name: str, message: str, *, warning: bool = False) -> None:
        """Add an event; the oldest are forgotten."""
        self._events.append(Event(name, message, warning, datetime.now(UTC)))
        del self._events[:-_EVENTS_KEPT]

    def text(self, tail: int | None) -> str:
        """Everything that is kept, or the last ``tail`` lines of the output, below status and events.

        The order and form of the blocks are those of recorded public SDK test traffic (getLogs, api-version
        2024-04-01), and so is ``Waiting``. That ``tail`` counts only lines of the output is assumed.
        """
        lines = self._output().splitlines()
        if tail is not None:
            lines = lines[-tail:] if tail > 0 else []
        blocks = (
            ("Instance status:", self._status()),
            ("Container events:", [str(event) for event in self._events]),
            ("Container logs:", lines),
        )
        return "\n\n".join("\n".join([title, *body]) for title, body in blocks) + "\n\n\n"

    def _status(self) -> list[str]:
        # Nothing is pulled or downloaded here: files are in place before a container is made.
        return [
            "SystemSetup: Succeeded",
            "UserContainerImagePull: Succeeded",
            "ModelDownload: Succeeded",
            f"UserContainerStart: {'Succeeded' if self.container_started else 'Waiting'}",
        ]

    def _output(self) -> str:
        kept = (path.read_bytes() for path in (self._previous, self._current) if path.exists())
        return b"".join(kept).decode("utf-8", errors="replace")
