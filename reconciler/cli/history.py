"""``aml-gitops history``"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.head import short
from reconciler.cli.place import project_root, state_of
from reconciler.errors import UsageError
from reconciler.render import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

KNOWN_VERSION = 1
OK = "ok"
_BAD = ("failed", "interrupted")
_RESULTS = {
    "Synced": OK,
    "Applied": OK,
    "DriftReported": OK,
    "PlanRefused": "refused",
    "HeldBack": "held back",
    "ActionFailed": "failed",
    "InvalidManifests": "invalid",
    "Retrying": "retrying",
    "Interrupted": "interrupted",
    "Suspended": "suspended",
    "OutsideSyncWindow": "outside window",
}
"""Other reasons are shown as they are; docs/run-it.md has them all."""

_STYLE = dict.fromkeys(("held back", "suspended", "outside window", "retrying", "interrupted"), "yellow") | {
    OK: "green"
}


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
            _result(entry),
            _summary(entry),
            remark + _detail(entry),
        )
    )


def _result(entry: dict[str, Any]) -> str:
    reason = str(entry.get("reason") or "")
    return _RESULTS.get(reason, reason) or (OK if entry.get("ok") is True else "failed")


def _summary(entry: dict[str, Any]) -> str:
    refusals, said = _dicts(entry.get("refusals")), []
    counts = entry.get("summary")
    if not isinstance(counts, dict):
        return ""
    if entry.get("reason") != "PlanRefused":  # Of such a plan nothing was done.
        said += [f"{count} {verb}" for verb, count in counts.items() if count and verb != "unchanged"]
        drift = Counter(_drift(found, entry) for found in _dicts(entry.get("drift")))
        said += [f"{count} drift {became}" for became, count in drift.items()]
    held = len(_dicts(entry.get("held")))
    said += [f"{held} held back"] * bool(held)
    said += [f"{len(refusals)} refused: {r.get('rule', '')} {r.get('resource', '')}" for r in refusals[:1]]
    return ", ".join(said) or "nothing to do"


def _drift(found: dict[str, Any], entry: dict[str, Any]) -> str:
    """What became of drift that was found."""
    if not found.get("healed"):
        return "reported"
    missed = {o.get("resource") for o in _dicts(entry.get("outcomes")) if o.get("result") in (*_BAD, "skipped")}
    return "not healed" if found.get("resource") in missed else "healed"


def _detail(entry: dict[str, Any]) -> str:
    """What failed, was refused or was held back first; empty when all was done."""
    if _result(entry) == OK:
        drifted = entry.get("reason") == "DriftReported"
        return str(entry.get("message") or "") if drifted else ""
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
    for column in ("TIME", "REVISION", "ACTOR", "RESULT", "SUMMARY", "DETAIL"):
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = [Text(cell) for cell in row]
        cells[3].stylize(_STYLE.get(row[3], "red"))
        table.add_row(*cells)
    colour = output.coloured(sys.stdout)
    # Without a terminal a row is never folded: one sync stays one line for grep.
    width = None if sys.stdout.isatty() else 1000
    Console(no_color=not colour, force_terminal=colour or None, width=width, highlight=False).print(table)
