"""``aml-gitops plan``"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import path_of, project_root, session, wanted_of
from reconciler.errors import PlanRefused, UsageError
from reconciler.render import plan_json, plan_markdown, plan_text

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from reconciler.domain import Plan

CHANGES_PENDING = 2


def run(options: argparse.Namespace) -> int:
    """Print the plan; 3 when it is refused."""
    from reconciler.sync import propose

    wanted, connection = wanted_of(options, project_root(options), frozenset(options.confirm), options.out)
    if wanted.warnings:
        output.note(output.findings_text(wanted.warnings, colour=output.coloured(sys.stderr)).rstrip())
    plan = session(connection, lambda arm: propose(wanted, arm)).plan
    show(plan, options.output)
    if plan.refusals:
        return PlanRefused.exit_code
    if options.out:
        save(plan, path_of(options, options.out))
        output.note(f"Saved to {options.out}: aml-gitops apply -e {plan.environment} {options.out}")
    return CHANGES_PENDING if options.detailed_exitcode and plan.actions else 0


def show(plan: Plan, form: str) -> None:
    """Print a plan in one of its forms."""
    if form == "json":
        output.show_json(plan_json(plan))
    elif form == "markdown":
        output.show(plan_markdown(plan))
    elif form == "html":
        from reconciler.render.html import plan_html

        output.show(plan_html(plan))
    else:
        output.show(plan_text(plan, colour=output.coloured(sys.stdout)))


def save(plan: Plan, file: Path) -> None:
    """Write the plan as its JSON document. It holds no body and no secret: apply makes the plan anew and compares."""
    try:
        file.write_text(json.dumps(plan_json(plan), indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"--out {file}: {error.strerror}") from error
