"""SQLite: every resource, operation and blob that the emulator remembers."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aml_emulator.wire import Body

SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, parent TEXT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE, body TEXT NOT NULL, inner TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS resource_of ON resource (parent, kind, seq);
CREATE INDEX IF NOT EXISTS resource_named ON resource (kind, name);
CREATE INDEX IF NOT EXISTS resource_hash ON resource (kind, json_extract(body, '$.properties.properties.hash_sha256'));
CREATE TABLE IF NOT EXISTS operation (
    id TEXT PRIMARY KEY, target TEXT NOT NULL, verb TEXT NOT NULL, payload TEXT NOT NULL,
    status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT NOT NULL, error TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS operation_of ON operation (target, status);
CREATE TABLE IF NOT EXISTS blob (
    container TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, length INTEGER NOT NULL, md5 TEXT NOT NULL,
    etag TEXT NOT NULL, content_type TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL,
    metadata TEXT NOT NULL, PRIMARY KEY (container, name));
CREATE TABLE IF NOT EXISTS container (name TEXT PRIMARY KEY, account TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(slots=True)
class Record:
    """One resource: the ARM body, and in ``inner`` what the service knows but never shows (keys, last operation).

    ``id`` and ``parent`` are lower-case ARM paths, since ARM compares them without case; ``name`` is as it was
    written at creation. ``seq`` grows with every new resource.
    """

    id: str
    parent: str
    kind: str
    name: str
    body: Body
    inner: Body = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One long-running operation. ``target`` is a resource id; ``payload`` is what it needs to run again."""

    id: str
    target: str
    verb: str
    payload: Mapping[str, Any]
    status: str
    started: str
    ended: str
    error: Mapping[str, Any]


class Store:
    """Owns the database. Every call is one transaction; calls take microseconds, so they are not awaited."""

    def __init__(self, path: Path | None) -> None:
        """Open ``path``, or a database in memory."""
        self.database = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.executescript(SCHEMA)

    @classmethod
    def in_memory(cls) -> Store:
        """A store that is gone with its process."""
        return cls(None)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def get(self, identity: str) -> Record | None:
        """The resource with this id, whatever its case."""
        row = self.database.execute("SELECT * FROM resource WHERE id = ?", (identity.lower(),)).fetchone()
        return _record(row) if row else None

    def put(self, record: Record) -> None:
        """Write a resource; a new one gets the next ``seq``."""
        self.database.execute(
            "INSERT INTO resource (id, parent, kind, name, body, inner) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body, inner = excluded.inner",
            (
                record.id,
                record.parent,
                record.kind,
                record.name,
                json.dumps(record.body),
                json.dumps(record.inner),
            ),
        )

    def delete(self, identity: str) -> bool:
        """Remove a resource and everything below it; whether it was there."""
        identity = identity.lower()
        gone = self.database.execute("DELETE FROM resource WHERE id = ?", (identity,)).rowcount
        self.database.execute(
            "DELETE FROM resource WHERE id >= ? AND id < ?",
            (f"{identity}/", f"{identity}0"),  # "0" follows "/" in ASCII: the range is all that is below
        )
        return gone > 0

    def children(self, parent: str, kind: str) -> list[Record]:
        """Resources of one kind directly below ``parent``, oldest first."""
        rows = self.database.execute(
            "SELECT * FROM resource WHERE parent = ? AND kind = ? ORDER BY seq", (parent.lower(), kind)
        )
        return [_record(row) for row in rows]

    def page(self, parent: str, kind: str, *, limit: int, after: int, newest_first: bool) -> tuple[list[Record], bool]:
        """One page of ``children`` beyond ``seq`` ``after`` (0 is the start), and whether more follow."""
        order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
        rows = self.database.execute(
            f"SELECT * FROM resource WHERE parent = ? AND kind = ? AND (? = 0 OR seq {beyond} ?) "  # noqa: S608
            f"ORDER BY seq {order} LIMIT ?",
            (parent.lower(), kind, after, after, limit + 1),
        ).fetchall()
        return [_record(row) for row in rows[:limit]], len(rows) > limit

    def named(self, kind: str, name: str) -> list[Record]:
        """Resources of one kind with this name, in every workspace."""
        rows = self.database.execute("SELECT * FROM resource WHERE kind = ? AND name = ? ORDER BY seq", (kind, name))
        return [_record(row) for row in rows]

    def hashed(self, kind: str, sha256: str) -> list[Record]:
        """Asset versions of one kind whose content hash is this, in every workspace."""
        rows = self.database.execute(
            "SELECT * FROM resource WHERE kind = ? "
            "AND json_extract(body, '$.properties.properties.hash_sha256') = ? ORDER BY seq DESC",
            (kind, sha256),
        )
        return [_record(row) for row in rows]

    def all(self, kind: str) -> list[Record]:
        """Every resource of one kind, oldest first."""
        rows = self.database.execute("SELECT * FROM resource WHERE kind = ? ORDER BY seq", (kind,))
        return [_record(row) for row in rows]

    def operation(self, identity: str) -> Operation | None:
        """The operation with this id."""
        row = self.database.execute("SELECT * FROM operation WHERE id = ?", (identity,)).fetchone()
        return _operation(row) if row else None

    def running(self, target: str | None = None) -> list[Operation]:
        """Operations that have not ended: all, or those of one resource."""
        rows = self.database.execute(
            "SELECT * FROM operation WHERE status = 'Updating' AND (? IS NULL OR target = ?) ORDER BY rowid",
            (target, target),
        )
        return [_operation(row) for row in rows]

    def put_operation(self, operation: Operation) -> None:
        """Write an operation."""
        self.database.execute(
            "INSERT OR REPLACE INTO operation VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                operation.id,
                operation.target,
                operation.verb,
                json.dumps(operation.payload),
                operation.status,
                operation.started,
                operation.ended,
                json.dumps(operation.error),
            ),
        )

    def setting(self, name: str, default: str) -> str:
        """A remembered value; ``default`` is remembered the first time."""
        self.database.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (name, default))
        row = self.database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row["value"])


def _record(row: sqlite3.Row) -> Record:
    return Record(
        row["id"],
        row["parent"],
        row["kind"],
        row["name"],
        json.loads(row["body"]),
        json.loads(row["inner"]),
        row["seq"],
    )


def _operation(row: sqlite3.Row) -> Operation:
    return Operation(
        row["id"],
        row["target"],
        row["verb"],
        json.loads(row["payload"]),
        row["status"],
        row["started"],
        row["ended"],
        json.loads(row["error"]),
    )
