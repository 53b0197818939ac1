"""Progress of an apply on stderr: a live list on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.domain import Result
from reconciler.render import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from reconciler.apply import Progress
    from reconciler.domain import Action, Outcome, Ref

_MARK = {Result.FAILED: "x", Result.SKIPPED: "-", Result.INTERRUPTED: "-"}


def progress() -> Progress:
    """The progress that fits where stderr goes."""
    return _Live() if output.coloured(sys.stderr) and sys.stderr.isatty() else _Plain()


def _line(outcome: Outcome) -> str:
    mark = _MARK.get(outcome.result, "ok")
    took = f" ({outcome.seconds:.1f} s)" if outcome.seconds else ""
    why = f": {printable(outcome.message)}" if outcome.message else ""
    return f"{mark:>3} {outcome.ref} {outcome.result}{took}{why}"


class _Plain:
    """One line when an action ends, and one when it starts."""

    def started(self, action: Action) -> None:
        output.note(f"... {action.ref} {action.verb}")

    def ended(self, outcome: Outcome) -> None:
        output.note(_line(outcome))


class _Live:
    """What runs, with a spinner and its time; what ended scrolls up above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(file=sys.stderr, highlight=False)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._running: dict[Ref, TaskID] = {}

    def started(self, action: Action) -> None:
        with suppress(OSError, ValueError):  # A lost terminal must not stop an apply.
            if not self._running:
                self._bars.start()
            self._running[action.ref] = self._bars.add_task(f"{action.verb} {action.ref}")

    def ended(self, outcome: Outcome) -> None:
        from rich.text import Text

        style = "red" if outcome.result is Result.FAILED else "yellow" if outcome.result in _MARK else "green"
        task = self._running.pop(outcome.ref, None)
        with suppress(OSError, ValueError):
            self._console.print(Text(_line(outcome), style=style))
            if task is not None:
                self._bars.remove_task(task)
            if not self._running:
                self._bars.stop()
