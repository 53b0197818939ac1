"""What the loop costs: how soon a push is written, how soon drift is repaired, and what it takes when nothing differs.

``aml-gitops run`` as a process, a real Git server (``git http-backend``) and the emulator, all on loopback.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import region
import world
from held import memory_mb
from plans import GIT
from table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET = "bench-secret"
NEVER_S = 3600.0
DRIFT_INTERVAL_S = 2.0
REST_S = 0.6
SMALL = world.Shape(endpoints=1, models=1, environments=1, codes=1)
MANY = 50
ONE_INTERVAL_S, MANY_INTERVAL_S = 2.0, 15.0
SWEEPS_OF_ONE, SWEEPS_OF_MANY = 5, 2
DEPLOYMENT = "/onlineEndpoints/endpoint-0000/deployments/d02"


def measure(runs: int) -> list[Table]:
    """All of it; pushes and drift ``runs`` times each."""
    latency = Table(
        "From a push, and from drift, to the first write: the real loop, Git server and emulator",
        ("what", "min s", "median s", "max s", "of it (medians)"),
        notes=(
            f"{runs} runs each. Push: from the webhook being sent to the first write being answered.",
            f"Drift: from another hand's PATCH to the healing write, with a sweep every {DRIFT_INTERVAL_S:g} s.",
        ),
    )
    for shape in (SMALL, world.THOUSAND):
        with _following(shape) as (run, remote, live):
            latency.rows.append(_pushes(shape, runs, run, remote, live))
            if shape is SMALL:
                latency.rows.append(_drifts(runs, run, remote, live))
    idle = Table(
        "Sweeps in which nothing differs: one process",
        ("environments", "passes", "requests each", "writes", "CPU ms each", "emulator CPU ms each", "wall ms each",
         "CPU %", "RSS MB", "peak MB"),
        notes=(
            f"Environments of {SMALL.resources} resources each, all of one subscription, whose budget they share.",
            f"A sweep every {ONE_INTERVAL_S:g} s, of {MANY} every {MANY_INTERVAL_S:g} s, 10 % more or less.",
            "CPU and memory are aml-gitops alone; CPU %: of one core, source and listener included.",
            "The repository is not looked at meanwhile: that is a git ls-remote each poll_s.",
        ),
    )  # fmt: skip
    for count, interval_s, sweeps in ((1, ONE_INTERVAL_S, SWEEPS_OF_ONE), (MANY, MANY_INTERVAL_S, SWEEPS_OF_MANY)):
        with _following(SMALL, count) as (run, _, live):
            idle.rows.append(_idle(count, interval_s, sweeps, run, live))
    return [latency, idle]


class _Remote:
    """The project's working copy, and the bare repository on the Git server that it is pushed to."""

    def __init__(self, root: Path, bare: Path, url: str) -> None:
        self.root = root
        self.url = url
        self._bare = bare
        bare.mkdir(parents=True)
        subprocess.run([*GIT, "-C", bare, "init", "-q", "--bare", "-b", "main"], check=True)
        subprocess.run([*GIT, "-C", root, "init", "-q", "-b", "main"], check=True)
        self.push()

    def push(self) -> str:
        """Commit what is there, push it, and return the commit."""
        for command in (("add", "."), ("commit", "-q", "-m", "a change"), ("push", "-q", self._bare, "HEAD:main")):
            subprocess.run([*GIT, "-C", self.root, *command], check=True)
        head = subprocess.run([*GIT, "-C", self.root, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        return head.stdout.strip()


class _Run:
    """Starts ``aml-gitops run`` on the project, at most one at a time."""

    def __init__(self, folder: Path, remote: _Remote) -> None:
        from borrowed import Shop

        self._folder, self._remote = folder, remote
        self._shop = Shop(remote.root)

    @contextmanager
    def running(self, interval_s: float, level: str = "debug") -> Iterator[Any]:
        from borrowed import Looping

        settings = {
            "source": {"url": self._remote.url, "branch": "main"},
            "interval_s": interval_s,
            "poll_s": NEVER_S,
            "listen": "127.0.0.1:0",
            "webhooks": {"github": {"env": "HOOK"}},
        }
        file = self._folder / "loop.yaml"
        file.write_text(json.dumps(settings))
        looping = Looping(self._shop, "--loop", str(file), level=level, HOOK=SECRET)
        try:
            yield looping
            if looping.stop():
                raise RuntimeError(f"the loop did not end well: {looping.lines[-5:]}")
        finally:
            looping.close()


@contextmanager
def _following(shape: world.Shape, environments: int = 1) -> Iterator[tuple[_Run, _Remote, region.Region]]:
    """A filled region, and a project on a Git server."""
    from borrowed import GitServer

    with ExitStack() as at_the_end:
        folder = Path(at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="aml-gitops-bench-"))).resolve()
        root = folder / "project"
        names = [world.ENVIRONMENT] if environments == 1 else [f"e{number:02d}" for number in range(environments)]
        world.write(root, shape, {name: str(region.place_of(root, name)) for name in names})
        live = at_the_end.enter_context(region.running(root, filled=True, environments=names))
        server = GitServer(folder / "forge")
        at_the_end.callback(server.close)
        remote = _Remote(root, folder / "forge" / "shop.git", server.url())
        yield _Run(folder, remote), remote, live


def _pushes(shape: world.Shape, runs: int, run: _Run, remote: _Remote, live: region.Region) -> tuple[str, ...]:
    totals, fetches, plans = [], [], []
    with run.running(NEVER_S) as looping:
        address = looping.listening()
        looping.until("pass ended", timeout_s=120)
        for _ in range(runs):
            world.change_one(remote.root, shape)
            commit = remote.push()
            time.sleep(REST_S)  # The repository is looked at no more often than each half second.
            number, began_s = live.writes, time.time()
            _post(address)
            seen_s = _time_of(looping.until("new revision", revision=commit))
            looping.until("pass ended", revision=commit, reason="Applied")
            written_s = live.written_at_s(number)
            totals.append(written_s - began_s)
            fetches.append(seen_s - began_s)
            plans.append(written_s - seen_s)
    parts = f"fetch {median(fetches):.2f} s, read and plan {median(plans):.2f} s"
    return _row(f"push, {shape.resources:,} resources", totals, parts)


def _drifts(runs: int, run: _Run, remote: _Remote, live: region.Region) -> tuple[str, ...]:
    from borrowed import Hand, Shop

    totals, waits, repairs = [], [], []
    with run.running(DRIFT_INTERVAL_S) as looping:
        looping.until("pass ended")
        hand = Hand(Shop(remote.root))
        for _ in range(runs):
            number = live.writes
            hand.ask("PATCH", DEPLOYMENT, {"sku": {"name": "Default", "capacity": 7}})
            looping.until("pass ended", reason="Applied")
            began_s = max(_time_of(line) for line in _until_applied(looping.lines) if line["message"] == "pass began")
            drifted_s, healed_s = live.written_at_s(number), live.written_at_s(number + 1)
            totals.append(healed_s - drifted_s)
            waits.append(began_s - drifted_s)
            repairs.append(healed_s - began_s)
    parts = f"waiting {median(waits):.2f} s, read, plan and write {median(repairs):.2f} s"
    return _row(f"drift, {SMALL.resources} resources", totals, parts)


def _until_applied(lines: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The lines up to the last pass that applied something."""
    last = max(n for n, line in enumerate(lines) if line["message"] == "pass ended" and line["reason"] == "Applied")
    return lines[:last]


def _idle(count: int, interval_s: float, sweeps: int, run: _Run, live: region.Region) -> tuple[str, ...]:
    with run.running(interval_s, level="info") as looping:
        address, pid = looping.listening(), looping.process.pid
        seen: set[str] = set()
        while len(seen) < count:
            seen.add(looping.until("pass ended", timeout_s=120)["environment"])
        time.sleep(interval_s)  # The first sweep parses and signs in; what is measured comes after it.
        before = _Looked(address, pid, live)
        time.sleep(sweeps * interval_s)
        after = _Looked(address, pid, live)
        rss_mb, peak_mb = memory_mb(pid)
    passes = after.passes - before.passes
    return (
        f"{count}",
        f"{passes:.0f}",
        f"{(after.reads - before.reads) / passes:.1f}",
        f"{after.writes - before.writes}",
        f"{(after.cpu_s - before.cpu_s) / passes * 1000:.0f}",
        f"{(after.emulator_cpu_s - before.emulator_cpu_s) / passes * 1000:.0f}",
        f"{(after.seconds - before.seconds) / passes * 1000:.0f}",
        f"{(after.cpu_s - before.cpu_s) / (after.at_s - before.at_s) * 100:.0f}",
        f"{rss_mb:.0f}",
        f"{peak_mb:.0f}",
    )


class _Looked:
    """The counts of one moment."""

    def __init__(self, address: str, pid: int, live: region.Region) -> None:
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        self.at_s = time.monotonic()
        self.passes = _sum(lines, "aml_gitops_pass_duration_seconds_count")
        self.seconds = _sum(lines, "aml_gitops_pass_duration_seconds_sum")
        self.reads, self.writes = live.reads, live.writes
        self.cpu_s, self.emulator_cpu_s = region.cpu_s(pid), live.cpu_s


def _sum(lines: Sequence[str], name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


def _row(what: str, totals: Sequence[float], parts: str) -> tuple[str, ...]:
    return what, f"{min(totals):.2f}", f"{median(totals):.2f}", f"{max(totals):.2f}", parts


def _time_of(line: dict[str, Any]) -> float:
    """When a line of the log was written, in seconds since 1970."""
    return datetime.fromisoformat(line["time"]).timestamp()


def _post(address: str) -> None:
    body = b'{"ref": "refs/heads/main", "after": "' + b"a" * 40 + b'"}'
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
    with urllib.request.urlopen(urllib.request.Request(f"http://{address}/webhooks/github", body, headers)):
        pass
