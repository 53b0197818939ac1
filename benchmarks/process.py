"""One program run to its end, and what it cost: wall clock, processor time, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = sys.executable
CLI = str(Path(sys.executable).with_name("aml-gitops"))


@dataclass(frozen=True, slots=True)
class Cost:
    """``cpu_s`` and ``peak_mb`` are those of the process and of the children it waited for (getrusage(2))."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    exit_code: int
    stdout: str
    stderr: str


def run(command: Sequence[str]) -> Cost:
    """Run ``command``.

    A child starts with the peak memory of its parent (getrusage(2), ru_maxrss outlives execve), so the process that
    measures must stay smaller than what it measures: it imports nothing of the product.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Cost(
            wall_s,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / 1024,
            child.returncode,
            out.read(),
            err.read(),
        )
