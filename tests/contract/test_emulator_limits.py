"""What keeps a long-running emulator within bounds: open files, its log."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import subprocess
import sys

import pytest

from aml_emulator.foreground import LOG_LIMIT_BYTES, QuietAccept, bounded_log

SHOW_LIMIT = """
import resource
from aml_emulator.foreground import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
raise_file_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""

SHOW_DUMPABLE = """
import ctypes
from aml_emulator.foreground import hide_from_scripts
hide_from_scripts()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc to read from")
def test_emulator_hides_its_memory_from_other_processes_of_its_user():
    done = subprocess.run([sys.executable, "-c", SHOW_DUMPABLE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_emulator_takes_as_many_files_as_the_system_allows():
    done = subprocess.run([sys.executable, "-c", SHOW_LIMIT], capture_output=True, text=True, check=True)
    assert int(done.stdout) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_emulator_log_is_bounded(tmp_path):
    handler = bounded_log(tmp_path / "emulator.log")
    line = logging.LogRecord("x", logging.INFO, "", 1, "y" * 100_000, (), None)
    for _ in range(3 * LOG_LIMIT_BYTES // 100_000):
        handler.emit(line)
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emulator.log", "emulator.log.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * LOG_LIMIT_BYTES


async def test_emulator_tells_once_that_accept_fails_and_always_of_anything_else(caplog):
    loop, handler = asyncio.get_running_loop(), QuietAccept()
    full = {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "too many")}
    for _ in range(500):
        handler(loop, full)
    assert [record.getMessage() for record in caplog.records] == ["connections cannot be accepted: [Errno 24] too many"]
    for _ in range(2):
        handler(loop, {"message": "something else"})
    assert len(caplog.records) == 3
