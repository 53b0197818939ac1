"""Blob contents on disk, their index in SQLite.

Files are flat and named at random: no blob name is ever a path in that folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from aml_emulator.wire import http_date

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from aml_emulator.store import Store

CHUNK_BYTES = 1024 * 1024


class BadBlobName(ValueError):
    """A blob name that could not become a file below a folder."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One committed blob. ``file`` is its content's name in the blob folder; ``md5`` is base64."""

    container: str
    name: str
    file: str
    length: int
    md5: str
    etag: str
    content_type: str
    created: str
    modified: str
    metadata: Mapping[str, str]


class Blobs:
    """Owns the blob folder. Uploads stream to disk; memory does not grow with their size."""

    def __init__(self, folder: Path, store: Store) -> None:
        """Keep contents in ``folder`` (made when needed) and the index in ``store``."""
        self._folder = folder
        self._database = store.database

    def create_container(self, name: str, account: str) -> bool:
        """Make a container; whether it is new."""
        made = self._database.execute("INSERT OR IGNORE INTO container VALUES (?, ?)", (name, account))
        return made.rowcount > 0

    def account_of(self, container: str) -> str | None:
        """The storage account that has this container. Container names are unique in one emulator."""
        row = self._database.execute("SELECT account FROM container WHERE name = ?", (container,)).fetchone()
        return str(row["account"]) if row else None

    def is_account(self, name: str) -> bool:
        """Whether a storage account of this name exists."""
        row = self._database.execute("SELECT 1 FROM container WHERE account = ? LIMIT 1", (name,)).fetchone()
        return row is not None

    def get(self, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        row = self._database.execute(
            "SELECT * FROM blob WHERE container = ? AND name = ?", (container, name)
        ).fetchone()
        return Blob(**{**dict(row), "metadata": json.loads(row["metadata"])}) if row else None

    def below(self, container: str, prefix: str, after: str = "", limit: int = -1) -> list[Blob]:
        """Blobs whose name starts with ``prefix``, by name, beyond ``after``."""
        rows = self._database.execute(
            "SELECT * FROM blob WHERE container = ? AND substr(name, 1, ?) = ? AND name > ? ORDER BY name LIMIT ?",
            (container, len(prefix), prefix, after, limit),
        )
        return [Blob(**{**dict(row), "metadata": json.loads(row["metadata"])}) for row in rows]

    async def put(
        self,
        container: str,
        name: str,
        chunks: AsyncIterator[bytes],
        content_type: str,
        metadata: Mapping[str, str],
    ) -> Blob:
        """Store a blob from a stream; an older one of that name is replaced when the stream has ended."""
        check_name(name)
        file, length, md5 = await self._receive(chunks)
        return self._commit(container, name, file, length, md5, content_type, metadata)

    async def stage(self, container: str, name: str, block: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep one block of a blob that is uploaded in pieces."""
        check_name(name)
        file, _, _ = await self._receive(chunks)
        (self._folder / file).replace(self._block(container, name, block))

    def commit_blocks(
        self, container: str, name: str, blocks: list[str], content_type: str, metadata: Mapping[str, str]
    ) -> Blob | None:
        """Make the blob from its staged blocks, in this order; None when one was never staged."""
        paths = [self._block(container, name, block) for block in blocks]
        if not all(path.is_file() for path in paths):
            return None
        file = secrets.token_hex(16)
        digest, length = hashlib.md5(usedforsecurity=False), 0
        with (self._folder / file).open("wb") as sink:
            for path in paths:
                for chunk in _read(path):
                    digest.update(chunk)
                    length += len(chunk)
                    sink.write(chunk)
        for path in set(paths):
            path.unlink()
        return self._commit(container, name, file, length, _base64(digest.digest()), content_type, metadata)

    def set_metadata(self, blob: Blob, metadata: Mapping[str, str]) -> Blob:
        """Replace the metadata: that changes the ETag (recorded SDK test traffic)."""
        changed = replace(blob, metadata=dict(metadata), etag=_etag(), modified=http_date(datetime.now(UTC)))
        self._write(changed)
        return changed

    def delete(self, blob: Blob) -> None:
        """Remove a blob."""
        self._database.execute("DELETE FROM blob WHERE container = ? AND name = ?", (blob.container, blob.name))
        (self._folder / blob.file).unlink(missing_ok=True)

    async def read(self, blob: Blob, start: int, length: int) -> AsyncIterator[bytes]:
        """``length`` bytes from ``start``, in chunks."""
        for chunk in _read(self._folder / blob.file, start, length):
            yield chunk

    def text(self, container: str, name: str) -> str | None:
        """The whole of a small text blob, or None."""
        blob = self.get(container, name)
        return (self._folder / blob.file).read_text("utf-8", "replace") if blob else None

    def lay_out(self, container: str, path: str, folder: Path) -> None:
        """Make ``folder`` hold copies of what is at ``path``: one blob under its own name, or all blobs below it.

        Links would cost no space, but let a scoring script change what is registered.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        single = self.get(container, path.strip("/"))
        found = {single.name.rpartition("/")[2]: single} if single else {}
        found |= {blob.name.removeprefix(prefix): blob for blob in self.below(container, prefix)}
        for relative, blob in found.items():
            check_name(relative)
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder / blob.file, target)

    async def _receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int, str]:
        file = secrets.token_hex(16)
        digest, length = hashlib.md5(usedforsecurity=False), 0
        sink = self._sink(file)
        try:
            async for chunk in chunks:
                digest.update(chunk)
                length += len(chunk)
                sink.write(chunk)
        except BaseException:  # a cut connection must not leave half a file behind
            (self._folder / file).unlink()
            raise
        finally:
            sink.close()
        return file, length, _base64(digest.digest())

    def _sink(self, file: str) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / file).open("wb")

    def _block(self, container: str, name: str, block: str) -> Path:
        digest = hashlib.sha256(f"{container}\n{name}\n{block}".encode()).hexdigest()
        return self._folder / f"block-{digest}"

    def _commit(
        self,
        container: str,
        name: str,
        file: str,
        length: int,
        md5: str,
        content_type: str,
        metadata: Mapping[str, str],
    ) -> Blob:
        old = self.get(container, name)
        now = http_date(datetime.now(UTC))
        created = old.created if old else now
        blob = Blob(container, name, file, length, md5, _etag(), content_type, created, now, dict(metadata))
        self._write(blob)
        if old:
            (self._folder / old.file).unlink(missing_ok=True)
        return blob

    def _write(self, blob: Blob) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                blob.container,
                blob.name,
                blob.file,
                blob.length,
                blob.md5,
                blob.etag,
                blob.content_type,
                blob.created,
                blob.modified,
                json.dumps(blob.metadata),
            ),
        )


def check_name(name: str) -> None:
    """Raise BadBlobName unless the name is a relative path that stays below any folder."""
    bad = any(s in ("", ".", "..") or "\\" in s or "\0" in s for s in name.split("/"))
    if bad or len(name) > 1024:
        raise BadBlobName(name)


def _read(path: Path, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    with path.open("rb") as source:
        source.seek(start)
        left = path.stat().st_size - start if length is None else length
        while left > 0 and (chunk := source.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _etag() -> str:
    return f'"0x{secrets.token_hex(8).upper()}"'
