"""How long a person waits for ``--help`` and ``validate``: whole processes, beside what Python itself takes."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import process
from table import Table, aimed

EXAMPLE = Path(__file__).parent.parent / "manifests"
BARE, PYDANTIC, HELP, VALIDATE = (
    "python -c pass",
    "python -c 'import pydantic'",
    "aml-gitops --help",
    "aml-gitops validate",
)
COMMANDS = {
    BARE: (process.PYTHON, "-c", "pass"),
    PYDANTIC: (process.PYTHON, "-c", "import pydantic"),
    HELP: (process.CLI, "--help"),
    VALIDATE: (process.CLI, "-C", str(EXAMPLE), "validate"),
}
AIMS_S = {HELP: 0.15, VALIDATE: 0.4}


def measure(runs: int) -> Table:
    """Run each command ``runs`` times, in turn, so that what else the machine does meets all alike.

    Raises RuntimeError when one fails: the time of a failure is not the time asked for.
    """
    _succeed((process.PYTHON, str(EXAMPLE / "train.py")))  # Models are not in Git, and ``validate`` looks at them.
    taken: dict[str, list[process.Cost]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, command in COMMANDS.items():
            cost = _succeed(command)
            if number:  # The first of each only fills the disk cache.
                taken[name].append(cost)
    middle = {name: median(cost.wall_s for cost in costs) for name, costs in taken.items()}
    table = Table(
        f"Start-up: whole processes, {runs} runs each",
        ("command", "min s", "median s", "max s", "CPU s", "x bare", "x pydantic", "aim (median)"),
        notes=(
            "validate: the worked example, all environments.",
            "x bare, x pydantic: the median beside that of the first two lines.",
        ),
    )
    for name, costs in taken.items():
        walls = [cost.wall_s for cost in costs]
        table.rows.append(
            (
                name,
                f"{min(walls):.3f}",
                f"{middle[name]:.3f}",
                f"{max(walls):.3f}",
                f"{median(cost.cpu_s for cost in costs):.3f}",
                f"{middle[name] / middle[BARE]:.1f}",
                f"{middle[name] / middle[PYDANTIC]:.1f}",
                aimed(middle[name], AIMS_S[name], "s") if name in AIMS_S else "",
            )
        )
    return table


def _succeed(command: tuple[str, ...]) -> process.Cost:
    cost = process.run(command)
    if cost.exit_code:
        raise RuntimeError(f"{' '.join(command)} ended with {cost.exit_code}:\n{cost.stderr}")
    return cost
