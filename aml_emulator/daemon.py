"""Start, find and stop an emulator that runs by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aml_emulator.folder import Connection, Folder

READY_S = 30.0
STOP_S = 15.0
KILL_S = 5.0
LOOK_AGAIN_S = 0.02
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class DaemonError(Exception):
    """The emulator did not start, or did not stop."""


def find(folder: Folder) -> Connection | None:
    """The connection of a running emulator; None when none runs or none tells, whatever files a crash left."""
    known = folder.connection() if folder.is_locked() else None
    return known if known and known.pid == folder.holder() else None


def start(folder: Folder, arguments: Sequence[str]) -> tuple[Connection, bool]:
    """Start ``serve`` detached and wait until it is ready; (connection, whether it was started just now).

    When another start was faster, that one's emulator is waited for. Raises DaemonError with the end of the log when
    it is not ready in time or ends early.
    """
    if folder.is_locked():
        return _of_another_start(folder), False
    folder.prepare()
    place = (f"--folder={folder.root}", f"--log-file={folder.log}")
    command = [sys.executable, "-P", "-m", "aml_emulator", "serve", *place, *arguments]
    with _open_log(folder) as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=minimal_environment(os.environ),
            start_new_session=True,
            close_fds=True,
        )

    def settled() -> bool:
        known = folder.connection()
        return child.poll() is not None or (known is not None and known.pid == child.pid)

    if not _wait(settled, READY_S):
        child.kill()
        child.wait()
        raise DaemonError(f"The emulator was not ready after {READY_S:.0f} s.\n{log_tail(folder)}")
    if child.returncode is None:
        connection = folder.connection()
        if connection is None:
            raise DaemonError("The emulator was stopped while it started.")
        return connection, True
    if folder.is_locked():
        return _of_another_start(folder), False
    raise DaemonError(f"The emulator ended with code {child.returncode}.\n{log_tail(folder)}")


def _of_another_start(folder: Folder) -> Connection:
    if not _wait(lambda: find(folder) is not None or not folder.is_locked(), READY_S) or not (known := find(folder)):
        raise DaemonError("Another process serves this folder and does not tell how to reach it: stop it first.")
    return known


def minimal_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What a detached emulator gets of the caller's variables ``own``: nothing that could be a secret.

    Scoring scripts run as the same user and can read the environment of the process that started them.
    """
    kept = {name: value for name, value in own.items() if name in KEPT or name.startswith("LC_")}
    root = str(Path(__file__).parents[1])
    if root in own.get("PYTHONPATH", "").split(os.pathsep):  # this package is not installed
        kept["PYTHONPATH"] = root
    return kept


def stop(folder: Folder) -> bool:
    """Stop the emulator and every scoring process; whether one ran.

    Asked kindly first. What it may have left behind is ended as well.
    """
    runs = folder.is_locked()
    if runs:
        _end(folder.holder())
    if folder.scoring.is_dir() and folder.is_marked():
        from aml_emulator.dataplane.leftovers import sweep

        sweep(folder.scoring)
    return runs


def _end(pid: int | None) -> None:
    if pid is None or pid <= 1:
        raise DaemonError("Another process serves this folder, and nothing tells which.")
    _signal(pid, signal.SIGTERM)
    if not _wait(lambda: not _is_alive(pid), STOP_S):
        _signal(pid, signal.SIGKILL)
        if not _wait(lambda: not _is_alive(pid), KILL_S):
            raise DaemonError(f"The emulator (process {pid}) does not stop.")


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
