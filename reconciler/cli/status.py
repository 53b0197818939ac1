"""``aml-gitops status``"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.ordered import closed_because, ordered
from reconciler.cli.place import project_of, project_root, session, wanted_of
from reconciler.cli.remembered import Remembered, remembered
from reconciler.errors import UsageError
from reconciler.render import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from reconciler.domain import Resource
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
    """Print one row for each declared resource, below what the loop says of the environment."""
    from reconciler.status import standings
    from reconciler.sync import propose

    root = project_root(options)
    wanted, connection = wanted_of(options, root)
    loop = remembered(options, root)
    orders = loop.orders if loop else {}
    wanted = ordered(wanted, orders)
    proposed = session(connection, lambda arm: propose(wanted, arm))
    rows = standings(wanted.resources, proposed.live, proposed.plan, loop.errors if loop else {})
    rows = _selected(rows, wanted.resources, options.select)
    warnings = [w for w in proposed.plan.warnings if not options.select or w.resource in {row.resource for row in rows}]
    closed = closed_because(project_of(root), options.environment, orders)
    if options.output == "json":
        output.show_json(
            {
                "version": 1,
                "environment": options.environment,
                "revision": wanted.intent.revision,
                "writes_closed": closed,
                "loop": _loop_json(loop) if loop else None,
                "resources": [asdict(row) for row in rows],
                "warnings": [asdict(warning) for warning in warnings],
            }
        )
        return 0
    if closed:
        output.show(f"Nothing is written now: {printable(closed)}.\n")
    if loop:
        output.show(_loop_text(loop, colour=output.coloured(sys.stdout)))
    _table(rows)
    for warning in warnings:
        output.show(f"warning  {warning.resource}: {printable(warning.message)}\n")
    return 0


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


def short(revision: str) -> str:
    """A revision as a table shows it."""
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def age(seconds: float) -> str:
    """A time span as a person says it, coarse: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _loop_json(loop: Remembered) -> dict[str, Any]:
    memory = loop.memory
    return {
        "conditions": [asdict(condition) for condition in memory.conditions],
        "revision": memory.revision,
        "applied_revision": memory.applied_revision,
        "passed_at": _instant(memory.passed_at),
        "passed_s_ago": round(time.time() - memory.passed_at, 1) if memory.passed_at else None,
        "failures": memory.failures,
        "holder": loop.holder,
    }


def _instant(unix_s: float) -> str | None:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds") if unix_s else None


def _loop_text(loop: Remembered, *, colour: bool) -> str:
    memory = loop.memory
    lines = []
    for condition in memory.conditions:
        bad = condition.status is not (condition.type == "Ready") and condition.type != "Reconciling"
        said = f"{condition.type:<12} {condition.status!s:<6}"
        said = f"\x1b[{'31' if bad else '32'}m{said}\x1b[0m" if colour and condition.type != "Reconciling" else said
        why = ": ".join(printable(text) for text in (condition.reason, condition.message) if text)
        lines.append(f"{said} {why}{f'  (since {condition.since})' if condition.since else ''}")
    if not (memory.conditions or memory.passed_at or loop.holder):
        return ""
    passed = f"Last pass {age(time.time() - memory.passed_at)} ago" if memory.passed_at else "No pass has ended yet"
    at = f" at revision {short(memory.revision)}" if memory.revision else ""
    held = f"; {printable(loop.holder)} works on it now" if loop.holder else ""
    return "\n".join([*lines, f"{passed}{at}{held}.", "", ""])


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
