"""``aml-gitops plan``"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.ordered import closed_because, ordered
from reconciler.cli.place import path_of, project_of, project_root, session, state_of, wanted_of
from reconciler.errors import PlanRefused, StateError, UsageError
from reconciler.render import plan_json, plan_markdown, plan_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.arm.client import Arm
    from reconciler.domain import Plan
    from reconciler.sync import Wanted

CHANGES_PENDING = 2


def run(options: argparse.Namespace) -> int:
    """Print the plan; 3 when it is refused."""
    root = project_root(options)
    wanted, connection = wanted_of(options, root, frozenset(options.confirm), options.out)
    if wanted.warnings:
        output.note(output.findings_text(wanted.warnings, colour=output.coloured(sys.stderr)).rstrip())
    plan, requests, closed = session(connection, lambda arm: _propose(options, root, wanted, arm))
    show(plan, options.output, requests)
    if plan.actions and closed:
        output.note(f"Nothing is written now: {closed}. apply --override writes all the same.")
    if plan.refusals:
        return PlanRefused.exit_code
    if options.out:
        save(plan, path_of(options, options.out))
        output.note(f"Saved to {options.out}: aml-gitops apply -e {plan.environment} {options.out}")
    return CHANGES_PENDING if options.detailed_exitcode and plan.actions else 0


async def _propose(
    options: argparse.Namespace, root: Path, wanted: Wanted, arm: Arm
) -> tuple[Plan, dict[str, Any], str]:
    """The plan, what it cost and what is left of the subscription's budget, and why nothing would be written now."""
    from reconciler.sync import propose

    orders = await _orders(options, root)
    proposed = await propose(ordered(wanted, orders), arm)
    requests = {"reads": arm.reads, "writes": arm.writes, "remaining": arm.budget.remaining}
    return proposed.plan, requests, closed_because(project_of(root), options.environment, orders)


async def _orders(options: argparse.Namespace, root: Path) -> Mapping[str, str]:
    """What people ordered. A plan writes nothing, so it goes on when that cannot be known."""
    try:
        async with state_of(options, root) as (store, name):
            return await store.orders(name)
    except (StateError, UsageError) as error:
        output.note(f"aml-gitops: what is suspended cannot be read, so the plan does not know of it: {error}")
        return {}


def show(plan: Plan, form: str, requests: dict[str, Any] | None = None) -> None:
    """Print a plan in one of its forms; as JSON with what it cost in requests, when that is told."""
    if form == "json":
        output.show_json(plan_json(plan) | ({"requests": requests} if requests else {}))
    elif form == "markdown":
        output.show(plan_markdown(plan))
    elif form == "html":
        from reconciler.render.html import plan_html

        output.show(plan_html(plan))
    else:
        output.show(plan_text(plan, colour=output.coloured(sys.stdout)))
    if requests and form != "json":
        left = ", ".join(f"{count} {operation}" for operation, count in requests["remaining"].items())
        output.note(f"{requests['reads']} reads. Left of the subscription's budget: {left or 'Azure did not say'}.")


def save(plan: Plan, file: Path) -> None:
    """Write the plan as its JSON document. It holds no body and no secret: apply makes the plan anew and compares."""
    try:
        file.write_text(json.dumps(plan_json(plan), indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"--out {file}: {error.strerror}") from error
