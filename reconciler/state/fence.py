"""Until when the children of a lease's holder may write: a small file, since a frozen parent can tell nobody.

Light to import: the upload process looks at the file before each of its writes.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import LeaseLost
from reconciler.state.clock import awake_and_asleep_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_END = math.inf
_PREFIX = "aml-gitops-fence-"


@contextmanager
def fence() -> Iterator[Path]:
    """The path of a new fence file, shut until ``set_fence``; gone, and so shut for good, after the block."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        yield folder / "fence"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what holders left that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, OverflowError, PermissionError):
            continue  # Not ours to judge.


def set_fence(file: Path, until_s: float) -> None:
    """Let children write until that time of ``awake_and_asleep_s``. Raises OSError."""
    new = file.with_name("fence.new")
    new.write_text(json.dumps({"until_s": until_s, "pid": os.getpid()}))
    new.replace(file)


def check_fence(file: Path, clock: Callable[[], float] = awake_and_asleep_s) -> None:
    """Raise LeaseLost unless the lease of the process that started this one still holds.

    To be called right before each write, in a direct child of the holder. It also ends with the holder itself: a lease
    in a folder is free for others the moment its holder dies.
    """
    try:
        told = json.loads(file.read_text())
        until_s, pid = float(told["until_s"]), int(told["pid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LeaseLost("the lease that this process writes under was given back") from error
    if pid not in (os.getppid(), os.getpid()):
        raise LeaseLost("the process that held the lease is gone")
    if clock() >= until_s:
        raise LeaseLost("the lease that this process writes under has run out")
