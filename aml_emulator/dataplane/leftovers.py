"""Scoring processes that outlived their emulator: remembered while they run, ended at the next start.

On Linux the kernel ends a scoring process together with the emulator (launcher.die_with). What remains for the sweep
is what such a process had started itself, and everything on systems without a parent-death signal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aml_emulator.dataplane.layout import Layout

_CLOCK_TOLERANCE_S = 2.0


def remember(layout: Layout, pid: int) -> None:
    """Write down which process runs in ``layout``."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    layout.identity.write_text(
        json.dumps({"pid": pid, "started": started, "socket": str(layout.socket)}), encoding="utf-8"
    )


def sweep(folder: Path) -> int:
    """End what an earlier run left in the data plane folder; returns how many processes that were.

    Logs stay, process folders go. Blocking. Only for a folder that no living data plane uses.
    """
    ended = 0
    mark = f"{folder.absolute()}{os.sep}"
    for identity in folder.glob("*/*/process.json"):
        # A file cut short by the crash says nothing about a process; its folder still goes.
        with contextlib.suppress(ValueError, KeyError):
            known = json.loads(identity.read_text(encoding="utf-8"))
            ended += _end_group(known["pid"], known["started"], mark)
            _remove_socket(Path(known["socket"]), identity.parent)
        shutil.rmtree(identity.parent, ignore_errors=True)
    return ended


def _remove_socket(socket: Path, process_folder: Path) -> None:
    """Remove a socket that has a folder of its own, because its path was too long for the process folder."""
    if socket.parent != process_folder:
        socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            socket.parent.rmdir()


def _end_group(group: int, started: float, mark: str) -> int:
    ended = 0
    for process in _members(group):
        if _is_ours(process, started, mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
                ended += 1
    return ended


def _members(group: int) -> Iterator[psutil.Process]:
    """Processes of the group that a scoring process led, which has that process's number."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == group:
                yield process


def _is_ours(process: psutil.Process, started: float, mark: str) -> bool:
    """Whether a process belongs to that run and not to someone who got the same number later.

    Its command line or its environment must name the data plane's folder, and it must not be older than the leader.
    """
    try:
        if process.create_time() < started - _CLOCK_TOLERANCE_S:
            return False
        return any(mark in text for text in (*process.cmdline(), *process.environ().values()))
    except psutil.Error:
        return False
