"""``aml-gitops resume``"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_root, state_of
from reconciler.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def run(options: argparse.Namespace) -> int:
    """Take back what suspend ordered, and have what is stalled tried again at the next pass of the loop."""
    from reconciler.watch.orders import RETRY, resumed

    before: dict[str, str] = {}

    def change(orders: Mapping[str, str]) -> Mapping[str, str]:
        before.clear()
        before.update({name: reason for name, reason in orders.items() if name != RETRY})
        if unknown := [name for name in options.resources if name not in before]:
            known = ", ".join(sorted(before)) or "nothing"
            raise UsageError(f"{', '.join(unknown)}: not suspended; suspended is {known}")
        return resumed(orders, options.resources, datetime.now(UTC).isoformat())

    async def order() -> None:
        async with state_of(options, project_root(options)) as (store, name):
            await store.order(name, change)

    asyncio.run(order())
    for name in options.resources or sorted(before):
        output.note(f"Resumed {'the whole environment' if name == '*' else name}.")
    output.note("What is stalled is tried again at the next pass of the loop.")
    return 0
