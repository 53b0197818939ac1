"""``make soak``: 2,000 passes of the real loop in this process, on bad days. Ends with 1 when it grows or goes wrong.

Real: the loop, its sessions with an emulator in another process over TLS, its state folder, clone, journal, metrics,
log, listener and notifications (to an address where nobody answers). Only the pauses are shorter than allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import secrets
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import region
from bad_days import FAULTS, BadDays
from held import Held, lowest, size_of
from soaked_shop import ENVIRONMENTS, PROJECT, Shop
from table import Table

from reconciler.watch.observer import Telling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from reconciler.notify.telling import Teller
    from reconciler.state.store import Lease, Store
    from reconciler.watch.loop import Loop
    from reconciler.watch.memory import Memory
    from reconciler.watch.metrics import Metrics
    from reconciler.watch.vitals import Vitals
    from reconciler.watch.world import Passed
    from schemas.loop import Loop as Settings

INTERVAL_S = 0.05
PATIENCE_S = 30.0
QUIET_PASSES = 60
SETTLED_PASSES = 2
MORE_MB, MORE_OBJECTS = 1.10, 1.05
"""How much more than after half of the passes counts as growth: RSS and objects, as factors."""
MORE: Mapping[str, int] = {"descriptors": 4, "sockets": 2, "children": 0, "tasks": 4, "threads": 2}
"""And how many more: a look at the repository and messages nobody takes may be under way, in either moment."""


class Counting(Telling):
    """The loop's own observer; counts passes, and wakes who waits for the next one."""

    def __init__(self, metrics: Metrics, teller: Teller, vitals: Vitals) -> None:
        super().__init__(metrics, teller, vitals)
        self.count = 0
        self.of: Counter[str] = Counter()
        self.last: dict[str, Passed] = {}
        self.reasons: Counter[str] = Counter()
        self.reads = self.writes = 0
        self._news = asyncio.Event()

    def passed(self, passed: Passed, memory: Memory) -> Memory:
        self.count += 1
        self.of[passed.environment] += 1
        self.last[passed.environment] = passed
        self.reasons[passed.verdict.reason] += 1
        self.reads += passed.reads
        self.writes += passed.writes
        self._news.set()
        return super().passed(passed, memory)

    async def next(self) -> None:
        """Wait for a pass to end. Raises RuntimeError when none does."""
        self._news.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._news.wait()
        except TimeoutError:
            at_work = "\n".join(
                f"{task.get_name()}: {task.get_coro()} {task.get_stack()}" for task in asyncio.all_tasks()
            )
            raise RuntimeError(
                f"no pass ended for {PATIENCE_S:g} s after the {self.count}th; tasks:\n{at_work}"
            ) from None


class Gate:
    """A store whose leases can be held back, so that there are moments between passes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.open = asyncio.Event()
        self.open.set()
        self.inside = 0
        self.left = asyncio.Event()

    @asynccontextmanager
    async def lease(self, environment: str, holder: str) -> AsyncIterator[Lease]:
        await self.open.wait()
        self.inside += 1
        try:
            async with self.store.lease(environment, holder) as lease:
                yield lease
        finally:
            self.inside -= 1
            self.left.set()

    async def shut(self) -> None:
        """Let nobody in any more, and wait until everybody is out."""
        self.open.clear()
        while self.inside:
            self.left.clear()
            async with asyncio.timeout(PATIENCE_S):
                await self.left.wait()

    async def holder(self, environment: str) -> str:
        return await self.store.holder(environment)

    async def memory(self, environment: str) -> bytes | None:
        return await self.store.memory(environment)

    async def journal(self, environment: str, limit: int) -> tuple[bytes, ...]:
        return await self.store.journal(environment, limit)

    async def orders(self, environment: str) -> Mapping[str, str]:
        return await self.store.orders(environment)

    async def order(self, environment: str, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        await self.store.order(environment, change)

    async def close(self) -> None:
        await self.store.close()


class Soak:
    """One soak in ``folder``, of so many passes."""

    def __init__(self, folder: Path, passes: int) -> None:
        self.folder = folder
        self.passes = passes
        self._state = folder / "state"
        self.looks = sorted({*range(passes // 5, passes + 1, passes // 5), passes // 10})
        self.wrong: list[str] = []
        self.tables: list[Table] = []
        self._held: dict[int, Held] = {}
        self._began_s = time.monotonic()
        self._well = "It did not get well."
        self._grown = Table(
            f"Soak of {passes:,} passes: what the process holds, no pass under way, sessions closed",
            ("passes", "s", "RSS MB", "objects", "descriptors", "sockets", "children", "tasks", "threads", "temporary",
             "files of state", "KB of state", "KB of journal", "KB of clone", "series"),
        )  # fmt: skip

    async def run(self, emulator: region.Region) -> None:
        """Start the loop as ``aml-gitops run`` does, and let bad days come over it."""
        from reconciler.cli.run import _beat, _budgets, _door, _revealing
        from reconciler.notify.telling import Teller
        from reconciler.source.opened import open_source
        from reconciler.state.folder import FolderStore
        from reconciler.state.opened import holder_name
        from reconciler.watch.loop import Loop
        from reconciler.watch.metrics import Metrics
        from reconciler.watch.vitals import Vitals
        from reconciler.watch.world import World

        places = {name: region.place_of(self.folder, name) for name in ENVIRONMENTS}
        shop = Shop(self.folder / "work", self.folder / "forge" / "soak.git", self._state, places)
        shop.settle()
        secret = secrets.token_hex(16)
        settings = self._settings(shop, secret)
        reveal = _revealing(self.folder)
        async with AsyncExitStack() as at_the_end:
            metrics, vitals, budgets = Metrics(), Vitals(), _budgets()
            teller = Teller(settings, reveal, metrics.notified, pause_s=0.05)
            at_the_end.push_async_callback(teller.close)
            source = open_source(settings, self.folder, Path.cwd, reveal)
            at_the_end.push_async_callback(source.close)
            observer = Counting(metrics, teller, vitals)
            gate = Gate(FolderStore(self._state))

            def world(loop: Loop) -> World:
                return World(settings, holder_name(), lambda _: gate, budgets, loop.refresh, observer)

            loop = Loop(source, world, (), observer.looked)
            address = await at_the_end.enter_async_context(_door(settings, reveal, loop, metrics, vitals))
            beating = asyncio.ensure_future(_beat(vitals))
            at_the_end.callback(beating.cancel)
            days = BadDays(loop, emulator, shop, self._state, address, secret)
            running = asyncio.ensure_future(loop.run())
            try:
                await self._live_through(days, observer, loop, gate, emulator)
                await self._get_well(days, observer, emulator)
            finally:
                loop.stop()
                await running
        self._report(days, observer, emulator)

    def _settings(self, shop: Shop, secret: str) -> Settings:
        """A loop file, with pauses shorter than one may have."""
        from schemas.loop import Loop, Retry

        os.environ |= {"SOAK_HOOK": secret, "SOAK_NOBODY": "http://127.0.0.1:9/nobody", "SOAK_TOKEN": "soak-token"}
        repository = {
            "forge": "github",
            "repository": "a/b",
            "api_url": "http://127.0.0.1:9",
            "token": {"env": "SOAK_TOKEN"},
        }
        return Loop.model_validate(
            {
                "source": {"url": str(shop.bare), "branch": "main"},
                "folder": "clone",
                "listen": "127.0.0.1:0",
                "webhooks": {"github": {"env": "SOAK_HOOK"}},
                "notifications": [{"type": "webhook", "url": {"env": "SOAK_NOBODY"}}],
                "commit_status": repository,
                "poll_s": 1.0,
            }
        ).model_copy(update={"interval_s": INTERVAL_S, "retry": Retry(first_s=0.1, longest_s=0.5)})

    async def _live_through(
        self, days: BadDays, observer: Counting, loop: Loop, gate: Gate, emulator: region.Region
    ) -> None:
        emulator.fail(FAULTS)
        for look in self.looks:
            while observer.count < look:
                await observer.next()
                await days.after(observer.count)
            await gate.shut()
            for environment in loop.environments.values():
                await environment.close()
            self._held[observer.count] = await lowest()
            self._look(observer.count, days)
            gate.open.set()

    def _look(self, count: int, days: BadDays) -> None:
        now = self._held[count]
        temporary, _ = size_of(self.folder / "tmp")
        files, state_bytes = size_of(self._state)
        journal = sum(size_of(self._state / PROJECT / name / "journal")[1] for name in ENVIRONMENTS)
        series = sum(not line.startswith(b"#") for line in days.metrics.splitlines())
        figures = (count, time.monotonic() - self._began_s, now.rss_mb, now.objects, now.descriptors, now.sockets,
                   now.children, now.tasks, now.threads, temporary, files, state_bytes / 1024, journal / 1024,
                   size_of(self.folder / "clone")[1] / 1024, series)  # fmt: skip
        row = tuple(f"{figure:,.1f}" if isinstance(figure, float) else f"{figure:,}" for figure in figures)
        self._grown.rows.append(row)
        print(self._grown.text() if len(self._grown.rows) == 1 else "  ".join(row), file=sys.__stdout__, flush=True)

    async def _get_well(self, days: BadDays, observer: Counting, emulator: region.Region) -> None:
        """Without faults, the next good commit is in sync in two passes of each, and nothing is written after."""
        commit = await days.good_again()
        before: dict[str, int] = {}
        needed: dict[str, int] = {}
        end_s = time.monotonic() + PATIENCE_S
        while len(needed) < len(ENVIRONMENTS):
            await observer.next()
            if time.monotonic() > end_s:
                how = {name: (last.revision[:7], last.verdict) for name, last in observer.last.items()}
                self.wrong.append(f"not in sync with {commit[:7]} after {PATIENCE_S:g} s: {how}")
                return
            for name, last in observer.last.items():
                if last.revision == commit:
                    before.setdefault(name, observer.of[name] - 1)
                    if last.verdict.ready:
                        needed.setdefault(name, observer.of[name] - before[name])
        if max(needed.values()) > SETTLED_PASSES:
            self.wrong.append(f"passes until in sync after faults ended: {needed}, more than {SETTLED_PASSES}")
        writes, until = emulator.writes, observer.count + QUIET_PASSES
        while observer.count < until:
            await observer.next()
        if emulator.writes != writes:
            self.wrong.append(f"{emulator.writes - writes} writes in {QUIET_PASSES} passes in which nothing differed")
        self._well = (
            f"Passes until in sync once faults ended: {max(needed.values())}; "
            f"writes in {QUIET_PASSES} passes after it: {emulator.writes - writes}."
        )

    def _report(self, days: BadDays, observer: Counting, emulator: region.Region) -> None:
        self._grown.notes = (
            self._well,
            f"Requests: {observer.reads:,} reads, {observer.writes:,} writes, as counted here.",
            f"Faults: {_counted(emulator.faults)}.",
            f"Happened: {_counted(days.happened)}.",
            f"Passes: {_counted(observer.reasons)}.",
        )
        self.tables.append(self._grown)
        half, end = (self._held[count] for count in (self._nearest(0.5), max(self._held)))
        for name, more in MORE.items():
            if getattr(end, name) > getattr(half, name) + more:
                self.wrong.append(f"{name} grew from {getattr(half, name)} to {getattr(end, name)}")
        if end.rss_mb > half.rss_mb * MORE_MB or end.objects > half.objects * MORE_OBJECTS:
            self.wrong.append(f"memory grew: {half} to {end}")
        if observer.reasons["Unexpected"]:
            self.wrong.append(f"{observer.reasons['Unexpected']} passes broke unexpectedly")

    def _nearest(self, share: float) -> int:
        return min(self._held, key=lambda count: abs(count - share * self.passes))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def unforeseen(lines: Iterable[str]) -> list[str]:
    """What the log holds that nobody foresaw: traces, and what asyncio says of tasks and sessions left behind."""
    found: Counter[str] = Counter()
    for line in lines:
        said = json.loads(line)
        if (said["logger"] == "asyncio" and said["level"] != "DEBUG") or "exception" in said:
            found[f"{said['logger']}: {said['message'][:200]}: {said.get('exception', '')[-300:]}"] += 1
    return [f"in the log, {count} times: {text}" for text, count in found.items()]


def main() -> int:
    """Soak, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--passes", type=int, default=2000, help="how many (default: 2,000)")
    parser.add_argument("--log", type=Path, help="keep the loop's log in this file")
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f} at the start\n"
    )
    from reconciler.log import set_up

    with tempfile.TemporaryDirectory(prefix="aml-gitops-soak-") as name:
        folder = Path(name).resolve()
        (folder / "tmp").mkdir()
        tempfile.tempdir = str(folder / "tmp")
        log = options.log or folder / "log"
        soak = Soak(folder, options.passes)
        with log.open("w") as file, contextlib.redirect_stderr(file):
            set_up("debug", "json")
            with region.running(folder, filled=False, environments=ENVIRONMENTS) as emulator:
                asyncio.run(soak.run(emulator))
        with log.open() as file:
            soak.wrong += unforeseen(file)
    for table in soak.tables:
        print(table.markdown() if options.markdown else table.text(), flush=True)
    for wrong in soak.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
