"""``serve``: the emulator in this process, until it is asked to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import TYPE_CHECKING

from aml_emulator.daemon import DaemonError
from aml_emulator.dataplane.plane import ProcessDataPlane
from aml_emulator.server import running
from aml_emulator.settings import Durations, Settings

if TYPE_CHECKING:
    import argparse

    from aml_emulator.folder import Folder


def serve(folder: Folder, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0 when it ended in order."""
    os.umask(0o077)  # the state folder holds secrets and code
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(folder, settings_from(folder, options), options))
    return 0


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
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    log = logging.getLogger("aml_emulator")
    async with running(folder.root, ProcessDataPlane, settings, port=options.port, proxy_port=options.proxy_port) as (
        _,
        connection,
    ):
        log.info("ready at %s, proxy %s", connection.url, connection.proxy)
        await end.wait()
        log.info("ending")
