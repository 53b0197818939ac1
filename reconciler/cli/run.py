"""``aml-gitops run``"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.head import because
from reconciler.cli.place import path_of, project_root
from reconciler.errors import LeaseError, ManifestError, PlanRefused, SourceError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from reconciler.arm.budget import Budget
    from reconciler.state.store import Store
    from reconciler.watch.loop import Loop
    from reconciler.watch.metrics import Metrics
    from reconciler.watch.revision import Revision
    from reconciler.watch.verdict import Verdict
    from reconciler.watch.vitals import Vitals
    from schemas.loop import Loop as Settings
    from schemas.loop import Secret

INTERRUPTED = 130
BEAT_S = 5.0
LEFT_ALONE = ("Suspended", "OutsideSyncWindow", "HeldBack")
_CODES = {"InvalidManifests": ManifestError.exit_code, "PlanRefused": PlanRefused.exit_code}


def run(options: argparse.Namespace) -> int:
    """Follow the source until a signal ends it: the first at a safe point (0), the second at once (130)."""
    settings, beside = _settings(options)
    try:
        return asyncio.run(_follow(options, settings, beside))
    except asyncio.CancelledError:
        return INTERRUPTED


def _settings(options: argparse.Namespace) -> tuple[Settings, Path]:
    """The loop file with what the command line says over it, and the folder that its paths are relative to."""
    from reconciler.load.loop_file import load_loop
    from schemas.loop import Loop

    if options.loop:
        file = path_of(options, options.loop)
        settings, beside = load_loop(file), file.resolve().parent
    else:
        settings, beside = Loop(), project_root(options)
    if options.interval is not None and options.interval < 1:
        raise UsageError(f"--interval {options.interval:g}: at least 1 second")
    given = {
        "environments": tuple(options.environments) or None,
        "interval_s": options.interval,
        "listen": options.listen,
    }
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None}), beside


async def _follow(options: argparse.Namespace, settings: Settings, beside: Path) -> int:
    from reconciler.notify.telling import Teller
    from reconciler.source.opened import open_source
    from reconciler.state.opened import holder_name
    from reconciler.watch.loop import Loop
    from reconciler.watch.metrics import Metrics
    from reconciler.watch.observer import Telling
    from reconciler.watch.vitals import Vitals
    from reconciler.watch.world import World

    reveal = _revealing(beside)
    async with AsyncExitStack() as at_the_end:
        stores = _Stores(followed=settings.source is not None)
        at_the_end.push_async_callback(stores.close)
        metrics, vitals, budgets = Metrics(), Vitals(), _budgets()
        teller = Teller(settings, reveal, metrics.notified)
        at_the_end.push_async_callback(teller.close)
        if settings.source is not None and settings.source.token is not None:
            reveal(settings.source.token)  # One that is missing now would be missed at every look.
        source = open_source(settings, beside, lambda: project_root(options), reveal, (beside / settings.folder,))
        at_the_end.push_async_callback(source.close)
        observer = Telling(metrics, teller, vitals)

        def world(loop: Loop) -> World:
            return World(settings, holder_name(), stores.of, budgets, loop.refresh, observer)

        loop = Loop(source, world, settings.environments, observer.looked)
        _listen_to_signals(loop)
        if options.once:
            return _told(await loop.once())
        if settings.listen:
            await at_the_end.enter_async_context(_door(settings, reveal, loop, metrics, vitals))
        beating = asyncio.ensure_future(_beat(vitals))
        at_the_end.callback(beating.cancel)
        await loop.run()
    return 0


def _door(
    settings: Settings, reveal: Callable[[Secret], str], loop: Loop, metrics: Metrics, vitals: Vitals
) -> AbstractAsyncContextManager[str]:
    from reconciler.watch.server import serving
    from reconciler.watch.webhooks import Trusted

    return serving(
        settings.listen or "",
        vitals=vitals,
        metrics=metrics,
        trusted=lambda: Trusted.by(settings.webhooks, reveal),
        on_push=lambda _: loop.pushed(),
    )


async def _beat(vitals: Vitals) -> None:
    """While this goes on, the event loop is not stuck."""
    while True:
        vitals.beat()
        await asyncio.sleep(BEAT_S)


def _revealing(beside: Path) -> Callable[[Secret], str]:
    """Fetch a secret of the loop file, and keep it out of every log line from then on."""
    from reconciler.load.secret import reveal
    from reconciler.log import conceal

    def revealed(secret: Secret) -> str:
        value = reveal(secret, beside)
        conceal(value)
        return value

    return revealed


def _budgets() -> Callable[[str], Budget]:
    from reconciler.arm.budget import Budget

    budgets: dict[str, Budget] = {}
    return lambda subscription: budgets.setdefault(subscription.lower(), Budget())


class _Stores:
    """The store that the newest revision names; the one before it is closed when that changes."""

    def __init__(self, *, followed: bool) -> None:
        self._followed = followed
        self._opened: dict[object, Store] = {}

    def of(self, revision: Revision) -> Store:
        """The store of a revision. Raises SourceError for a folder that would lie in the clone."""
        from reconciler.state.opened import open_store
        from schemas.project import StateFolder

        project = revision.project
        state = project.state
        if self._followed and isinstance(state, StateFolder) and not Path(state.folder).is_absolute():
            raise SourceError(
                f"state is in the folder {state.folder} of the clone, where no other command finds it and commits come "
                "and go: write in gitops.yaml `state: {folder: /an/absolute/folder}` or `state: {container_url: ...}`"
            )
        if state not in self._opened:
            self._opened[state] = open_store(project, revision.checkout.root, os.environ)
        return self._opened[state]

    async def close(self) -> None:
        for store in self._opened.values():
            await store.close()


def _listen_to_signals(loop: Loop) -> None:
    task = asyncio.current_task()
    count = 0

    def signalled() -> None:
        nonlocal count
        count += 1
        if count == 1:
            output.note("Stopping at the next safe point; what Azure is at work on goes on there. Once more: at once.")
            loop.stop()
        elif task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled)


def _told(verdicts: Mapping[str, Verdict | None]) -> int:
    """Print one line for each environment; the exit code is that of the worst."""
    codes = [0]
    width = max(map(len, verdicts), default=0)
    for name, verdict in verdicts.items():
        if verdict is None:
            output.show(f"{name:<{width}}  LeaseHeld: another replica is at work on it\n")
            codes.append(LeaseError.exit_code)
            continue
        output.show(f"{name:<{width}}  {because(verdict.reason, verdict.message)}\n")
        codes.append(0 if verdict.ready or verdict.reason in LEFT_ALONE else _CODES.get(verdict.reason, 1))
    sys.stdout.flush()
    return max(codes, key=(0, LeaseError.exit_code, 1, PlanRefused.exit_code, ManifestError.exit_code).index)
