"""What a plan costs: of a project that is in sync, and of one changed line; and what an apply costs that fills it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import process
import region
import world
from table import Table, aimed

if TYPE_CHECKING:
    from collections.abc import Sequence

BESIDE = (
    "Beside emulator: wall clock less the emulator's processor time, which on Azure is spent elsewhere, but "
    "never less than the reconciler's own CPU: both share this machine's cores and partly run at once."
)
AIM_S, AIM_MB = 5.0, 250.0
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class Measured:
    """One command of the CLI, and what it made the emulator do meanwhile."""

    cost: process.Cost
    reads: int
    writes: int
    emulator_cpu_s: float
    actions: int

    @property
    def beside_s(self) -> float:
        """Wall clock without the emulator's processor time, and never less than the reconciler's own."""
        return max(self.cost.wall_s - self.emulator_cpu_s, self.cost.cpu_s)


@dataclass(slots=True)
class Figures:
    """What came of it; ``wrong`` holds what must never be."""

    tables: list[Table]
    wrong: list[str]


def measure(shapes: Sequence[world.Shape], runs: int, *, apply_all: bool) -> Figures:
    """Measure each shape in a fresh project. The first one is filled by a real apply; with ``apply_all`` all are."""
    table = Table(
        "Plans and applies: the real CLI beside the emulator on loopback TLS",
        ("command", "reads", "writes", "wall s", "CPU s", "emulator CPU s", "beside emulator s", "peak MB", "aim"),
        notes=(
            *(f"{shape.resources:,} resources: {shape}." for shape in shapes),
            f"No-op plans: the quickest of {runs} runs, the highest memory; CPU and memory are aml-gitops alone.",
            "Writes are counted by the emulator: every request but GET, HEAD and signing in.",
            BESIDE,
        ),
    )
    figures = Figures([table], [])
    for number, shape in enumerate(shapes):
        applied = apply_all or number == 0
        with tempfile.TemporaryDirectory(prefix="aml-gitops-bench-") as folder:
            _measure_one(Path(folder), shape, runs, figures, applied=applied)
    return figures


def _measure_one(root: Path, shape: world.Shape, runs: int, figures: Figures, *, applied: bool) -> None:
    size = f"{shape.resources:,}"
    table, wrong = figures.tables[0], figures.wrong
    world.write(root, shape)
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "manifests")):
        subprocess.run([*GIT, "-C", str(root), *command], check=True)
    with region.running(root, filled=not applied) as live:
        if applied:
            table.rows.append(_row(f"apply, create {size}", [_cli(live, root, "apply", "--yes")]))
        no_op = [_cli(live, root, "plan") for _ in range(runs)]
        table.rows.append(_row(f"plan, no-op of {size}", no_op, aims=shape == world.TEN_THOUSAND))
        for plan in no_op:
            if plan.writes or plan.actions:
                wrong.append(f"a no-op plan of {size} resources had {plan.actions} actions and {plan.writes} writes")
        figures.tables.append(_stages(root, size))
        world.change_one(root, shape)
        changed = _cli(live, root, "plan")
        table.rows.append(_row(f"plan, 1 change in {size}", [changed]))
        if changed.writes or changed.actions != 1:
            wrong.append(f"a plan of 1 change in {size} had {changed.actions} actions and {changed.writes} writes")


def _cli(live: region.Region, root: Path, command: str, *options: str) -> Measured:
    """Run one command of the CLI on the project. Raises RuntimeError when it fails."""
    reads, writes, cpu_s = live.reads, live.writes, live.cpu_s
    cost = process.run((process.CLI, "-C", str(root), command, "-e", world.ENVIRONMENT, "-o", "json", *options))
    if cost.exit_code:
        raise RuntimeError(f"{command} ended with {cost.exit_code}:\n{_first_failure(cost.stderr)}")
    said: dict[str, Any] = json.loads(cost.stdout)
    actions = (said.get("plan") or said)["actions"]
    return Measured(cost, live.reads - reads, live.writes - writes, live.cpu_s - cpu_s, len(actions))


def _first_failure(log: str) -> str:
    """What failed by itself; all that was skipped because of it follows."""
    lines = log.splitlines()
    first = next((number for number, line in enumerate(lines) if " failed" in line), max(0, len(lines) - 20))
    return "\n".join(lines[first : first + 20])


def _row(name: str, all_runs: list[Measured], *, aims: bool = False) -> tuple[str, ...]:
    quickest = min(all_runs, key=lambda run: run.beside_s)
    peak_mb = max(run.cost.peak_mb for run in all_runs)
    return (
        name,
        f"{all_runs[0].reads:,}",
        f"{max(run.writes for run in all_runs):,}",
        f"{quickest.cost.wall_s:.2f}",
        f"{quickest.cost.cpu_s:.2f}",
        f"{quickest.emulator_cpu_s:.2f}",
        f"{quickest.beside_s:.2f}",
        f"{peak_mb:.0f}",
        f"{aimed(quickest.beside_s, AIM_S, 's')}, {aimed(peak_mb, AIM_MB, 'MB')}" if aims else "",
    )


def _stages(root: Path, size: str) -> Table:
    """The same plan stage by stage, in a process of its own."""
    program = str(Path(__file__).with_name("stages.py"))
    cost = process.run((process.PYTHON, program, str(root), world.ENVIRONMENT))
    if cost.exit_code:
        raise RuntimeError(f"stages ended with {cost.exit_code}:\n{cost.stderr[-2000:]}")
    table = Table(
        f"Stages of a no-op plan of {size}, in one process",
        ("stage", "wall s", "CPU s", "memory held after it, MB"),
        notes=(f"Peak memory {cost.peak_mb:.0f} MB.",),
    )
    for row in json.loads(cost.stdout):
        table.rows.append((row["stage"], f"{row['wall_s']:.2f}", f"{row['cpu_s']:.2f}", f"{row['held_mb']:.0f}"))
    return table
