"""``serve``: the emulator in this process, until it is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import resource
import signal
import sys
import time
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from aml_emulator.daemon import DaemonError
from aml_emulator.dataplane.plane import ProcessDataPlane
from aml_emulator.server import running
from aml_emulator.settings import Durations, Settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from aml_emulator.folder import Folder

LOG_LIMIT_BYTES = 5_000_000
ACCEPT_SILENCE_S = 10.0
FOLDER_CHECK_S = 2.0
PR_SET_DUMPABLE = 4
NO_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def serve(folder: Folder, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0 when it ended in order."""
    os.umask(0o077)  # the state folder holds secrets and code
    raise_file_limit()
    hide_from_scripts()
    handler = bounded_log(options.log_file) if options.log_file else logging.StreamHandler()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=[handler])
    asyncio.run(_serve(folder, settings_from(folder, options), options))
    return 0


def raise_file_limit() -> None:
    """As many open files as the system allows: the usual 1024 are few hundred callers, since the proxy takes two each.

    A hard limit beyond what the kernel takes (macOS says "infinite") leaves things as they are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def bounded_log(path: Path) -> logging.Handler:
    """A handler that keeps two files of at most 5 MB."""
    return RotatingFileHandler(path, maxBytes=LOG_LIMIT_BYTES, backupCount=1, encoding="utf-8")


class QuietAccept:
    """An event loop's exception handler that tells of a failing accept() once in ten seconds.

    asyncio reports it for every place in the backlog, with a trace, and tries again each second: without this a lack
    of file descriptors would write megabytes.
    """

    def __init__(self) -> None:
        self._told = -ACCEPT_SILENCE_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell, or keep silent."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in NO_RESOURCES:
            loop.default_exception_handler(context)
        elif time.monotonic() - self._told >= ACCEPT_SILENCE_S:
            self._told = time.monotonic()
            logging.getLogger("aml_emulator").error("connections cannot be accepted: %s", error)


def settings_from(folder: Folder, options: argparse.Namespace) -> Settings:
    """Settings from the command line; what was not given is as in the last run, else the default."""
    last = folder.connection()
    named = {
        "location": options.location and options.location.lower(),
        "subscription_id": options.subscription,
        "resource_group": options.resource_group,
        "workspace": options.workspace,
    }
    if last:
        named = {name: value or getattr(last, name) for name, value in named.items()}
        if named["location"] != last.location:
            raise DaemonError(f"This folder is the region {last.location}: reset it to be another.")
    seconds = {
        "endpoint_s": options.endpoint_seconds,
        "update_s": options.update_seconds,
        "delete_s": options.delete_seconds,
    }
    return Settings(
        folder=folder.root,
        durations=Durations(**{name: value for name, value in seconds.items() if value is not None}),
        retry_after_ms=options.retry_after_ms,
        instance_type_change=options.instance_type_change,
        **{name: value for name, value in named.items() if value},
    )


async def _serve(folder: Folder, settings: Settings, options: argparse.Namespace) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(QuietAccept())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    log = logging.getLogger("aml_emulator")
    async with running(folder.root, ProcessDataPlane, settings, port=options.port, proxy_port=options.proxy_port) as (
        _,
        connection,
    ):
        log.info("ready at %s, proxy %s", connection.url, connection.proxy)
        await _end_or_loss(end, folder)
        log.info("ending")


async def _end_or_loss(end: asyncio.Event, folder: Folder) -> None:
    """Return when asked to end, or when the state folder was removed: nobody could find and stop this one then."""
    held = folder.lock_identity()
    while not end.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), FOLDER_CHECK_S)
        if folder.lock_identity() != held:
            logging.getLogger("aml_emulator").error("the state folder %s is gone", folder.root)
            return


def hide_from_scripts() -> None:
    """Keep this process's memory and environment from others of the same user, which scoring scripts are (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
