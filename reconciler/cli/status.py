"""``aml-gitops status``"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.head import error_json, loop_json, loop_text, short
from reconciler.cli.ordered import closed_because, ordered
from reconciler.cli.place import project_of, project_root, session, wanted_of
from reconciler.cli.remembered import remembered
from reconciler.errors import Problem, UsageError
from reconciler.render import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from reconciler.cli.remembered import Remembered
    from reconciler.domain import Resource, Warn
    from reconciler.status import Standing

_STYLE = {
    "InSync": "green",
    "Ready": "green",
    "Drift": "yellow",
    "OutOfSync": "yellow",
    "Progressing": "yellow",
    "Missing": "yellow",
    "NotEvaluated": "yellow",
    "Refused": "red",
    "Failed": "red",
}
_COLUMNS = ("RESOURCE", "SYNC", "HEALTH", "TRAFFIC", "REVISION", "DETAIL", "DRIFT", "LAST ERROR")
_ONLY_WHEN_FILLED = ("DRIFT", "LAST ERROR")


def run(options: argparse.Namespace) -> int:
    """Print what the loop says of the environment, then one row for each declared resource.

    The first is shown also when the second cannot be had.
    """
    root = project_root(options)
    document: dict[str, Any] = {"version": 1, "environment": options.environment, "revision": None}
    document |= {"writes_closed": None, "loop": None, "resources": None, "warnings": None, "error": None}
    try:
        loop = remembered(options, root)
        orders = loop.orders if loop else {}
        closed = closed_because(project_of(root), options.environment, orders)
        document |= {"writes_closed": closed, "loop": loop_json(loop, time.time())}
        if options.output == "text":
            output.show(f"Nothing is written now: {printable(closed)}.\n" if closed else "")
            output.show(loop_text(loop, time.time(), colour=output.coloured(sys.stdout)))
            sys.stdout.flush()
        revision, rows, warnings = _standings(options, root, loop)
    except UsageError:
        raise
    except Problem as error:
        if options.output == "json":
            output.show_json(document | {"error": error_json(error)})
        raise
    if options.output == "json":
        shown = {"resources": [asdict(row) for row in rows], "warnings": [asdict(warning) for warning in warnings]}
        output.show_json(document | {"revision": revision} | shown)
        return 0
    _table(rows)
    for warning in warnings:
        output.show(f"warning  {warning.resource}: {printable(warning.message)}\n")
    return 0


def _standings(
    options: argparse.Namespace, root: Path, loop: Remembered | None
) -> tuple[str, tuple[Standing, ...], list[Warn]]:
    """The revision here, and how the selected resources stand with it. Raises what the line raises."""
    from reconciler.status import standings
    from reconciler.sync import propose

    wanted, connection = wanted_of(options, root)
    wanted = ordered(wanted, loop.orders if loop else {})
    proposed = session(connection, lambda arm: propose(wanted, arm))
    rows = standings(wanted.resources, proposed.live, proposed.plan, loop.errors if loop else {})
    rows = _selected(rows, wanted.resources, options.select)
    shown = {row.resource for row in rows}
    warnings = [warning for warning in proposed.plan.warnings if not options.select or warning.resource in shown]
    return wanted.intent.revision, rows, warnings


def _selected(
    rows: tuple[Standing, ...], resources: Sequence[Resource], patterns: Sequence[str]
) -> tuple[Standing, ...]:
    from reconciler.naming import nearest
    from reconciler.plan.hold import matches

    kept = {str(r.ref) for r in resources if any(matches(pattern, r.ref) for pattern in patterns)}
    for pattern in patterns:
        if not any(matches(pattern, resource.ref) for resource in resources):
            near = nearest(pattern, [str(resource.ref) for resource in resources])
            raise UsageError(f"--select {pattern}: the manifests declare nothing of that name{near}")
    return tuple(row for row in rows if row.resource in kept) if patterns else rows


def _table(rows: tuple[Standing, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [
        (
            row.resource,
            Text(row.sync, style=_STYLE.get(row.sync, "")),
            Text(row.health, style=_STYLE.get(row.health, "")),
            "" if row.traffic is None else f"{row.traffic} %",
            short(row.revision),
            Text(printable(row.detail)),
            Text(", ".join(row.drift)),
            Text(printable(row.last_error)),
        )
        for row in rows
    ]
    kept = [n for n, name in enumerate(_COLUMNS) if name not in _ONLY_WHEN_FILLED or any(str(c[n]) for c in cells)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number in kept:
        table.add_column(_COLUMNS[number], overflow="fold")
    for row_cells in cells:
        table.add_row(*(row_cells[number] for number in kept))
    colour = output.coloured(sys.stdout)
    # Without a terminal a row is never folded: one resource stays one line for grep.
    width = None if sys.stdout.isatty() else 1000
    console = Console(no_color=not colour, force_terminal=colour or None, width=width, highlight=False)
    console.print(table)
