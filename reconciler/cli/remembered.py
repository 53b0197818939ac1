"""What the state says of an environment, for people who look: conditions, last pass, holder, last errors, orders."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_of, state_of
from reconciler.errors import StateError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.watch.memory import Memory


@dataclass(frozen=True, slots=True)
class Remembered:
    """The memory of one environment, who holds it right now (empty when nobody does), and what people ordered."""

    memory: Memory
    holder: str
    orders: Mapping[str, str]

    @property
    def errors(self) -> dict[str, str]:
        """The last error of each resource that is not tried again, by name."""
        return {name: f"{s.code}: {s.message}" if s.code else s.message for name, s in self.memory.stalled.items()}


def remembered(options: argparse.Namespace, root: Path) -> Remembered | None:
    """What is kept of the environment; None when nothing is. State that cannot be read is a note on stderr.

    Raises ManifestError when gitops.yaml is wrong, UsageError when it has no such environment.
    """
    from reconciler.load.project_file import environment_of
    from reconciler.watch.memory import Memory

    environment_of(project_of(root), options.environment)

    async def read() -> tuple[bytes | None, str, Mapping[str, str]]:
        async with state_of(options, root) as (store, name):
            return await store.memory(name), await store.holder(name), await store.orders(name)

    try:
        document, holder, orders = asyncio.run(read())
    except (StateError, UsageError) as error:
        output.note(f"aml-gitops: what the loop knows cannot be read, so it is left out: {error}")
        return None
    return Remembered(Memory.from_json(document), holder, orders) if document or holder or orders else None
