"""``aml-gitops suspend``"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import actor, project_root, state_of
from reconciler.errors import Problem, UsageError

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Order that the environment, or these resources, are left alone."""
    from reconciler.watch.orders import suspended

    _known(options)
    reason = _signed(options.reason)

    async def order() -> None:
        async with state_of(options, project_root(options)) as (store, name):
            await store.order(name, lambda orders: suspended(orders, options.resources, reason))

    asyncio.run(order())
    for what in options.resources or [f"environment {options.environment}"]:
        output.note(f"Suspended {what}. What is being written right now is finished.")
    return 0


def _signed(reason: str) -> str:
    """The reason, with who gives it and when, as it is kept: ``ann@host, 2026-11-21 03:12 UTC: incident 4711``."""
    signed = f"{actor()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{signed}: {reason}" if reason else signed


def _known(options: argparse.Namespace) -> None:
    """Raise UsageError for a name that no manifest declares: in haste, a slip would leave the resource unprotected.

    Patterns may mean what is only live. Manifests that cannot be read keep nobody from suspending.
    """
    from reconciler.cli.place import wanted_of
    from reconciler.naming import nearest
    from reconciler.plan.hold import matches

    if not options.resources:
        return
    try:
        wanted, connection = wanted_of(options, project_root(options))
    except UsageError:
        raise
    except Problem as error:
        output.note(f"aml-gitops: the names are not checked, since the manifests cannot be read: {error}")
        return
    asyncio.run(connection.credential.close())
    declared = [resource.ref for resource in wanted.resources]
    for pattern in options.resources:
        if not set("*?[") & set(pattern) and not any(matches(pattern, ref) for ref in declared):
            near = nearest(pattern, map(str, declared))
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f"{pattern}: no manifest declares it{hint}. What is only live takes a pattern: '{pattern}*'"
            )
