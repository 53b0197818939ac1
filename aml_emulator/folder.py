"""The state folder: what is in it, who runs in it, and how clients find the emulator."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import time
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = ".aml-emulator"
MARKER_TEXT = "State of an embedded Azure ML. `aml-emulator reset` removes what it made here, and nothing else.\n"
OURS = (
    *("state.db", "state.db-wal", "state.db-shm", "connection.json", "connection.partial"),
    *("emulator.log", "emulator.log.1", "lock", "ca.pem", "server.pem"),
)
PROBE_S = 0.2
LOOK_AGAIN_S = 0.01
OUR_FOLDERS = ("blobs", "assets", "scoring")


class AlreadyRunning(Exception):
    """Another process serves this folder."""


class NotOurs(Exception):
    """The folder has files, and none that an emulator made: it is somebody else's."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"{root} is not empty and not an emulator's folder: nothing was touched. Name another one.")


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a client needs, as it stands in connection.json. ``ca`` is an absolute path."""

    version: int
    url: str
    proxy: str
    ca: str
    tenant_id: str
    client_id: str
    client_secret: str
    subscription_id: str
    resource_group: str
    workspace: str
    location: str
    pid: int


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below one state folder."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "state.db"

    @property
    def connection_file(self) -> Path:
        """connection.json: present while the emulator runs, and after a crash."""
        return self.root / "connection.json"

    @property
    def log(self) -> Path:
        """What a detached emulator prints, for its owner only."""
        return self.root / "emulator.log"

    @property
    def lock_file(self) -> Path:
        """Locked by the process that serves, whose number is in it."""
        return self.root / "lock"

    @property
    def scoring(self) -> Path:
        """The data plane's own folder."""
        return self.root / "scoring"

    def prepare(self) -> None:
        """Make the folder, for its owner only: it holds secrets and code. Raises NotOurs."""
        self.require_ours()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / MARKER).write_text(MARKER_TEXT, encoding="utf-8")

    def require_ours(self) -> None:
        """Raise NotOurs for a folder with files in which no emulator ever ran."""
        if self.root.exists() and any(self.root.iterdir()) and not self.is_marked():
            raise NotOurs(self.root)

    def is_marked(self) -> bool:
        """Whether an emulator made this folder: it has the marker, or the state of a version that wrote none."""
        return (self.root / MARKER).is_file() or self.connection() is not None or _is_our_database(self.database)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder. Raises AlreadyRunning. The kernel lets go when the holder dies, however it dies."""
        self.prepare()
        with self.lock_file.open("a") as held:
            _take(held, patience_s=PROBE_S)
            held.truncate(0)
            held.write(str(os.getpid()))
            held.flush()
            yield

    def is_locked(self) -> bool:
        """Whether a process serves this folder now; what a pid file says does not count."""
        if not self.lock_file.exists() or not self.is_marked():
            return False
        with self.lock_file.open("a") as probed:
            try:
                _take(probed, patience_s=0)
            except AlreadyRunning:
                return True
        return False

    def holder(self) -> int | None:
        """The process that serves this folder, when it is locked; None when nothing tells it."""
        try:
            return int(self.lock_file.read_text())
        except (OSError, ValueError):  # an earlier version wrote nothing into it
            known = self.connection()
            return known.pid if known else None

    def lock_identity(self) -> tuple[int, int] | None:
        """Which file the lock is; None when it is gone. Another one means that the folder was removed or replaced."""
        try:
            found = self.lock_file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def write_connection(self, connection: Connection) -> None:
        """Write connection.json at once and whole, readable by its owner only."""
        partial = self.connection_file.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            json.dump(asdict(connection), sink, indent=2)
        partial.replace(self.connection_file)

    def connection(self) -> Connection | None:
        """What connection.json says; None when there is none, or none that can be read."""
        try:
            return Connection(**json.loads(self.connection_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def last_ports(self) -> tuple[int, int]:
        """Ports of the last run (0: none), so that what clients remembered stays true."""
        last = self.connection()
        if last is None:
            return 0, 0
        return int(last.url.rpartition(":")[2]), int(last.proxy.rpartition(":")[2])

    def wipe(self) -> None:
        """Remove the emulator's state, and nothing else that may be in the folder. Raises NotOurs.

        The marker stays as long as there is something else: the emulator may be started here again.
        """
        self.require_ours()
        for name in OURS:
            (self.root / name).unlink(missing_ok=True)
        for name in OUR_FOLDERS:
            shutil.rmtree(self.root / name, ignore_errors=True)
        if self.root.exists() and [path.name for path in self.root.iterdir()] == [MARKER]:
            (self.root / MARKER).unlink()


def _is_our_database(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            known = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return False
    return {"resource", "operation", "blob", "setting"} <= known


def _take(held: IO[str], patience_s: float) -> None:
    """Lock a file. Patience is for those who only look whether it is locked, which takes the lock for a moment."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= give_up:
                raise AlreadyRunning from error
        time.sleep(LOOK_AGAIN_S)
