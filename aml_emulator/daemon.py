"""Start, find and stop an emulator that runs by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aml_emulator.folder import Connection, Folder

READY_S = 30.0
STOP_S = 15.0
KILL_S = 5.0
LOOK_AGAIN_S = 0.02


class DaemonError(Exception):
    """The emulator did not start, or did not stop."""


def find(folder: Folder) -> Connection | None:
    """The connection of a running emulator; None when none runs, whatever files a crash left."""
    return folder.connection() if folder.is_locked() else None


def start(folder: Folder, arguments: Sequence[str]) -> tuple[Connection, bool]:
    """Start ``serve`` detached and wait until it is ready; (connection, whether it was started just now).

    Raises DaemonError with the end of its log when it is not ready in time or ends early.
    """
    found = find(folder)
    if found:
        return found, False
    folder.prepare()
    place = (f"--folder={folder.root}", f"--log-file={folder.log}")
    command = [sys.executable, "-P", "-m", "aml_emulator", "serve", *place, *arguments]
    with _open_log(folder) as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )

    def ready() -> bool:
        if child.poll() is not None:
            raise DaemonError(f"The emulator ended with code {child.returncode}.\n{log_tail(folder)}")
        known = folder.connection()
        return known is not None and known.pid == child.pid

    if not _wait(ready, READY_S):
        child.kill()
        child.wait()
        raise DaemonError(f"The emulator was not ready after {READY_S:.0f} s.\n{log_tail(folder)}")
    connection = folder.connection()
    if connection is None:
        raise DaemonError("The emulator was stopped while it started.")
    return connection, True


def stop(folder: Folder) -> bool:
    """Stop the emulator and every scoring process; whether one ran.

    Asked kindly first. What it may have left behind is ended as well.
    """
    found = find(folder)
    if found:
        pid = found.pid
        _signal(pid, signal.SIGTERM)
        if not _wait(lambda: not _is_alive(pid), STOP_S):
            _signal(pid, signal.SIGKILL)
            if not _wait(lambda: not _is_alive(pid), KILL_S):
                raise DaemonError(f"The emulator (process {pid}) does not stop.")
    if folder.scoring.is_dir() and folder.is_marked():
        from aml_emulator.dataplane.leftovers import sweep

        sweep(folder.scoring)
    return found is not None


def _open_log(folder: Folder) -> IO[bytes]:
    """The log, for its owner only also when an earlier version made it for all."""
    descriptor = os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def log_tail(folder: Folder, lines: int = 20) -> str:
    """The end of the detached emulator's log."""
    text = folder.log.read_text("utf-8", "replace") if folder.log.is_file() else ""
    return "\n".join(text.splitlines()[-lines:])


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it went by itself meanwhile
        os.kill(pid, number)


def _is_alive(pid: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has waited for does not."""
    import psutil  # type: ignore[import-untyped]

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(LOOK_AGAIN_S)
    return condition()
