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
    from collections.abc import Iterable, Mapping, Sequence


def run(options: argparse.Namespace) -> int:
    """Take back what suspend ordered, and have what is stalled tried again at the next pass of the loop."""
    from reconciler.watch.memory import Memory
    from reconciler.watch.orders import RETRY, resumed

    before: dict[str, str] = {}

    async def order() -> None:
        async with state_of(options, project_root(options)) as (store, name):
            stalled = Memory.from_json(await store.memory(name)).stalled

            def change(orders: Mapping[str, str]) -> Mapping[str, str]:
                before.clear()
                before.update({name: reason for name, reason in orders.items() if name != RETRY})
                _known(options.resources, before, stalled)
                return resumed(orders, options.resources, datetime.now(UTC).isoformat())

            await store.order(name, change)

    asyncio.run(order())
    for name in sorted(before):
        if not options.resources or name in options.resources:
            output.note(f"Resumed {'the whole environment' if name == '*' else name}.")
    output.note("What is stalled is tried again at the next pass of the loop.")
    return 0


def _known(names: Sequence[str], suspended: Iterable[str], stalled: Iterable[str]) -> None:
    """Raise UsageError for a name that is neither suspended, in the words it was suspended by, nor stalled."""
    from fnmatch import fnmatchcase

    unknown = [
        name for name in names if name not in suspended and not any(fnmatchcase(known, name) for known in stalled)
    ]
    if unknown:
        held, failed = (", ".join(sorted(found)) or "nothing" for found in (suspended, stalled))
        raise UsageError(
            f"{', '.join(unknown)}: neither suspended nor stalled; suspended is {held}, stalled is {failed}"
        )
