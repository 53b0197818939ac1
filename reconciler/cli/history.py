"""``aml-gitops history``"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.place import project_root, state_of
from reconciler.cli.status import short
from reconciler.errors import UsageError
from reconciler.render import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

KNOWN_VERSION = 1
_BAD = ("failed", "interrupted")


def run(options: argparse.Namespace) -> int:
    """Print the journal, newest first; as JSON, its lines as they are."""
    if options.limit < 1:
        raise UsageError(f"--limit {options.limit}: at least 1")

    async def read() -> tuple[bytes, ...]:
        async with state_of(options, project_root(options)) as (store, name):
            return await store.journal(name, options.limit)

    lines = asyncio.run(read())
    if options.output == "json":
        for line in lines:
            output.show(line.decode(errors="replace").rstrip("\n") + "\n")
        return 0
    if not lines:
        output.note(f"No sync of {options.environment} is in the journal yet; apply and run write it.")
        return 0
    _table([_row(line) for line in lines])
    return 0


def _row(line: bytes) -> tuple[str, ...]:
    """One sync as text. What is not understood is left out; a line that is no JSON is shown as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return ("", "", "", "unreadable", "", printable(line.decode(errors="replace"))[:100])
    known = entry.get("version") == KNOWN_VERSION
    remark = "" if known else f"(written by another version: {entry.get('version')}) "
    return tuple(
        printable(str(text))
        for text in (
            entry.get("time") or "",
            short(str(entry.get("revision") or "")),
            entry.get("actor") or entry.get("author") or "",
            "ok" if entry.get("ok") is True else entry.get("reason") or "failed",
            _summary(entry),
            remark + _first_failure(entry),
        )
    )


def _summary(entry: dict[str, Any]) -> str:
    counts = entry.get("summary")
    if not isinstance(counts, dict):
        return ""
    said = [f"{count} {verb}" for verb, count in counts.items() if count and verb != "unchanged"]
    return ", ".join(said) or "nothing to do"


def _first_failure(entry: dict[str, Any]) -> str:
    if entry.get("ok") is True:
        return ""
    for outcome in _dicts(entry.get("outcomes")):
        if outcome.get("result") in _BAD:
            code = f"{outcome['code']}: " if outcome.get("code") else ""
            return f"{outcome.get('resource', '')} {outcome['result']}: {code}{outcome.get('message') or ''}"
    for refusal in _dicts(entry.get("refusals")):
        return f"{refusal.get('resource', '')} refused: {refusal.get('message') or ''}"
    return str(entry.get("message") or "")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("TIME", "REVISION", "ACTOR", "RESULT", "SUMMARY", "FIRST FAILURE"):
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = [Text(cell) for cell in row]
        cells[3].stylize("green" if row[3] == "ok" else "red")
        table.add_row(*cells)
    colour = output.coloured(sys.stdout)
    # Without a terminal a row is never folded: one sync stays one line for grep.
    width = None if sys.stdout.isatty() else 1000
    Console(no_color=not colour, force_terminal=colour or None, width=width, highlight=False).print(table)
