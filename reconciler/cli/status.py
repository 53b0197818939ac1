"""``aml-gitops status``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_root, session, wanted_of

if TYPE_CHECKING:
    import argparse

    from reconciler.domain import Warn
    from reconciler.status import Standing

_STYLE = {
    "InSync": "green",
    "Ready": "green",
    "Drift": "yellow",
    "OutOfSync": "yellow",
    "Progressing": "yellow",
    "Missing": "yellow",
    "Refused": "red",
    "Failed": "red",
}


def run(options: argparse.Namespace) -> int:
    """Print one row for each declared resource."""
    from reconciler.status import standings
    from reconciler.sync import propose

    wanted, connection = wanted_of(options, project_root(options))
    proposed = session(connection, lambda arm: propose(wanted, arm))
    rows = standings(wanted.resources, proposed.live, proposed.plan)
    if options.output == "json":
        output.show_json(
            {
                "version": 1,
                "environment": options.environment,
                "revision": wanted.intent.revision,
                "resources": [asdict(row) for row in rows],
                "warnings": [asdict(warning) for warning in proposed.plan.warnings],
            }
        )
    else:
        _table(rows, proposed.plan.warnings)
    return 0


def _short(revision: str) -> str:
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def _table(rows: tuple[Standing, ...], warnings: tuple[Warn, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("RESOURCE", "SYNC", "HEALTH", "TRAFFIC", "REVISION", "DETAIL"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row.resource,
            Text(row.sync, style=_STYLE.get(row.sync, "")),
            Text(row.health, style=_STYLE.get(row.health, "")),
            "" if row.traffic is None else f"{row.traffic} %",
            _short(row.revision),
            Text(row.detail),
        )
    colour = output.coloured(sys.stdout)
    # Without a terminal a row is never folded: one resource stays one line for grep.
    width = None if sys.stdout.isatty() else 400
    console = Console(no_color=not colour, force_terminal=colour or None, width=width, highlight=False)
    console.print(table)
    for warning in warnings:
        output.show(f"warning  {warning.resource}: {warning.message}\n")
