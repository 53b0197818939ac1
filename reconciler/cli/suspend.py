"""``aml-gitops suspend``"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_root, state_of

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Order that the environment, or these resources, are left alone."""
    from reconciler.watch.orders import suspended

    async def order() -> None:
        async with state_of(options, project_root(options)) as (store, name):
            await store.order(name, lambda orders: suspended(orders, options.resources, options.reason))

    asyncio.run(order())
    for what in options.resources or [f"environment {options.environment}"]:
        output.note(f"Suspended {what}. What is being written right now is finished.")
    return 0
