"""Where the time of a plan goes: the stages of ``reconciler/sync.py``, one by one, each with its cost.

A program of its own (``stages.py FOLDER ENVIRONMENT``), so that its memory is that of a plan. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Clock:
    """Collects what each stage took, and how much memory the process holds after it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.rows.append(
            {
                "stage": name,
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "held_mb": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB,
            }
        )


def measure(root: Path, environment: str) -> list[dict[str, Any]]:
    """Plan once, stage by stage."""
    clock = Clock()
    with clock.stage("import"):
        from reconciler.compose.overlays import compose
        from reconciler.load.manifests import load_environment
        from reconciler.load.project_file import load_project
        from reconciler.load.survey import survey
        from reconciler.manifest import Context
        from reconciler.validate import validate
    with clock.stage("load"):
        project, _ = load_project(root)
        if project is None:
            raise SystemExit(f"{root} has no project that can be read")
        loaded = load_environment(root, project, environment)
    with clock.stage("compose"):
        documents, _ = compose(loaded.base, loaded.overlays, defaults=loaded.defaults, variables=loaded.variables)
    with clock.stage("survey"):
        held = survey(documents, root, digests=True)
    own = project.environments[environment]
    with clock.stage("validate"):
        validated = validate(documents, Context(environment, own.network, own.container_registry), held)
    del documents, loaded
    with clock.stage("import for live"):
        import aiohttp  # noqa: F401 - what a session imports

        from reconciler.cli.place import session
        from reconciler.connection import connection_to
        from reconciler.desired import Desire, desired
        from reconciler.domain import Intent
        from reconciler.live import read
        from reconciler.plan.guard import guard
        from reconciler.plan.planning import plan
        from reconciler.render import plan_json

        connection = connection_to(own, root)
    with clock.stage("desired"):
        resources = desired(validated.manifests, Desire(project.project, connection.target, held))

    del validated, held
    with clock.stage("read live"):
        lives = session(connection, lambda arm: read(arm, resources, prune=True))
    intent = Intent(project.project, environment, "measured", own.network, prune=True)
    with clock.stage("plan, guard"):
        guarded = guard(plan(resources, lives, intent), resources, lives, intent)
    with clock.stage("render"):
        json.dumps(plan_json(guarded), indent=2)
    return clock.rows


if __name__ == "__main__":
    json.dump(measure(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
