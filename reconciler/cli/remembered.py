"""What the loop remembers of an environment, for people who look: conditions, last pass, holder, last errors."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_of
from reconciler.errors import StateError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.watch.memory import Memory


@dataclass(frozen=True, slots=True)
class Remembered:
    """The memory of one environment, and who holds it right now; empty when nobody does."""

    memory: Memory
    holder: str

    @property
    def errors(self) -> dict[str, str]:
        """The last error of each resource that is not tried again, by name."""
        return {name: f"{s.code}: {s.message}" if s.code else s.message for name, s in self.memory.stalled.items()}


def remembered(root: Path, environment: str) -> Remembered | None:
    """What is kept of the environment; None when no loop ran. A store that cannot be read is a note on stderr."""
    from reconciler.state.opened import open_store
    from reconciler.watch.memory import Memory

    project = project_of(root)
    name = f"{project.project}/{environment}"

    async def read() -> tuple[bytes | None, str]:
        store = open_store(project, root, os.environ)
        try:
            return await store.memory(name), await store.holder(name)
        finally:
            await store.close()

    try:
        document, holder = asyncio.run(read())
    except (StateError, UsageError) as error:
        output.note(f"aml-gitops: what the loop knows cannot be read, so it is left out: {error}")
        return None
    return None if document is None else Remembered(Memory.from_json(document), holder)
