"""``make bench``: the figures that the project promises. Ends with 1 when a plan wrote or saw a change that is none."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from typing import TYPE_CHECKING

import loops
import plans
import start_up
import world

if TYPE_CHECKING:
    from table import Table


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="tables in Markdown")
    parser.add_argument("--quick", action="store_true", help="start-up, 1,000 resources and the loop only")
    parser.add_argument("--apply", action="store_true", help="fill 10,000 by a real apply, and measure it; slow")
    parser.add_argument("--runs", type=int, default=3, help="no-op plans of each size (default: 3)")
    options = parser.parse_args()
    began = time.perf_counter()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f} at the start (times are only comparable on a quiet machine)\n"
    )
    tables = [start_up.measure(runs=9)]
    _show(tables, markdown=options.markdown)
    shapes = (world.THOUSAND,) if options.quick else (world.THOUSAND, world.TEN_THOUSAND)
    figures = plans.measure(shapes, options.runs, apply_all=options.apply)
    _show(figures.tables, markdown=options.markdown)
    _show(loops.measure(runs=5), markdown=options.markdown)
    print(f"Measured in {time.perf_counter() - began:.0f} s.")
    for wrong in figures.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if figures.wrong else 0


def _show(tables: list[Table], *, markdown: bool) -> None:
    for table in tables:
        print(table.markdown() if markdown else table.text(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
