"""``aml-gitops apply``"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.ordered import closed_because, ordered, refusal_of
from reconciler.cli.place import actor, path_of, project_of, project_root, session, state_of, wanted_of
from reconciler.cli.plan import show
from reconciler.cli.progress import progress
from reconciler.domain import Report
from reconciler.errors import PlanRefused, Problem, StalePlan, UsageError
from reconciler.naming import nearest
from reconciler.render import report_json, report_text, summary_line
from reconciler.state.opened import holder_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.apply import Applying
    from reconciler.arm.client import Arm
    from reconciler.domain import Plan
    from reconciler.sync import Wanted

INTERRUPTED = 130
FAILED = 1


class _Declined(Problem):
    """The person said no."""


def run(options: argparse.Namespace) -> int:
    """Plan, ask, apply, report. First Ctrl-C ends at the next safe point, the second at once."""
    root = project_root(options)
    saved = _saved(options) if options.plan else None
    wanted, connection = wanted_of(options, root, frozenset(options.confirm), options.plan)
    interrupted = _Interrupt()

    async def work(arm: Arm) -> Report:
        interrupted.listen()
        return await _apply(options, root, wanted, arm, saved, interrupted)

    try:
        report = session(connection, work)
    except _Declined as declined:
        output.note(str(declined))
        return FAILED
    except asyncio.CancelledError:
        output.note("Interrupted before anything was written.")
        return INTERRUPTED
    if options.output == "json":
        output.show_json(report_json(report))
    elif report.plan.actions:
        output.show(report_text(report, colour=output.coloured(sys.stdout)))
    if report.unsettled:
        output.error(report.unsettled)
    if interrupted.happened and not report.ok:
        return INTERRUPTED
    return 0 if report.ok else FAILED


def _saved(options: argparse.Namespace) -> dict[str, Any]:
    try:
        document = json.loads(path_of(options, options.plan).read_text())
    except OSError as error:
        raise UsageError(f"{options.plan}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{options.plan} is not a saved plan: {error}") from error
    if not isinstance(document, dict) or document.get("version") != 1 or "digest" not in document:
        raise UsageError(f"{options.plan} is not a plan that `plan --out` saved")
    if document.get("environment") != options.environment:
        raise UsageError(f"{options.plan} is a plan of {document.get('environment')}, not of {options.environment}")
    return document


async def _apply(
    options: argparse.Namespace,
    root: Path,
    wanted: Wanted,
    arm: Arm,
    saved: dict[str, Any] | None,
    interrupted: _Interrupt,
) -> Report:
    from reconciler.sync import propose, sync

    async with state_of(options, root) as (store, name):

        async def orders() -> tuple[Wanted, str]:
            """What is wanted but for what is suspended now, and why nothing may be written now."""
            found = await store.orders(name)
            closed = "" if options.override else closed_because(project_of(root), options.environment, found)
            return ordered(wanted, found), closed

        approved: Plan | None = None
        if not options.yes:
            # Nothing is held while a person thinks: the environment is taken afterwards, and looked at anew.
            allowed, closed = await orders()
            approved = (await propose(allowed, arm)).plan
            _approver(options, saved, closed)(approved)
        holder = holder_name()
        async with store.lease(name, holder) as lease:
            arm.fence.check, arm.fence.file = lease.check, lease.fence_file
            allowed, closed = await orders()
            approve = _as_approved(approved, closed) if approved else _approver(options, saved, closed)
            report = await sync(allowed, arm, root, approve=approve, progress=progress(), running=interrupted.stop_by)
            if report.plan.actions:
                await lease.record(_entry(report, name, holder, lease.epoch))
    return report


def _as_approved(approved: Plan, closed: str) -> Callable[[Plan], None]:
    def approve(plan: Plan) -> None:
        if plan.digest != approved.digest:
            raise StalePlan("live or the files moved while you looked at the plan. Look at it again")
        _open(plan, closed)

    return approve


def _open(plan: Plan, closed: str) -> None:
    if plan.actions and closed:
        raise PlanRefused((refusal_of(plan.environment, closed),))


def _entry(report: Report, name: str, holder: str, epoch: int) -> bytes:
    from datetime import UTC, datetime

    from reconciler.journal import Circumstances, entry

    moment = datetime.now(UTC).isoformat(timespec="seconds")
    when = Circumstances(moment, name, actor(), holder, epoch)
    reason = "Applied" if report.ok else "ActionFailed"
    return entry(when, report.plan.revision, reason, report.unsettled, report.plan, report)


def _approver(options: argparse.Namespace, saved: dict[str, Any] | None, closed: str) -> Callable[[Plan], None]:
    def approve(plan: Plan) -> None:
        if saved is not None and saved["digest"] != plan.digest:
            moved = (
                f"the revision was {saved['revision']} and is {plan.revision}"
                if saved["revision"] != plan.revision
                else "live or the files moved"
            )
            raise StalePlan(f"{options.plan} is stale: {moved}. Plan again and look at it")
        if options.output == "text":
            show(plan, "text")
            sys.stdout.flush()
        elif plan.refusals:
            output.show_json(report_json(Report(plan)))
        if plan.refusals:
            raise PlanRefused(plan.refusals)
        _open(plan, closed)
        if unknown := set(options.confirm) - {str(action.ref) for action in plan.actions}:
            near = nearest(min(unknown), [str(action.ref) for action in plan.actions])
            raise UsageError(f"--confirm {', '.join(sorted(unknown))}: the plan does nothing to it{near}")
        if plan.actions and not options.yes:
            _ask(plan, options)

    return approve


def _ask(plan: Plan, options: argparse.Namespace) -> None:
    if not sys.stdin.isatty():
        raise UsageError("apply asks before it writes, and there is no terminal to ask on: say --yes")
    what = "Apply this plan" if options.output == "text" else summary_line(plan) + " Apply it"
    # While a person thinks, Ctrl-C means what it means everywhere; the loop's own handler would wait for Enter.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ends = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        sys.stderr.write(f"{what}? Only 'yes' is yes: ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, ends)
    if answer.strip() != "yes":
        raise _Declined("Nothing was applied.")


class _Interrupt:
    """Ctrl-C, counted: the first asks the apply to stop, the second cancels it."""

    def __init__(self) -> None:
        self.happened = 0
        self._applying: Applying | None = None
        self._task: asyncio.Task[Any] | None = None

    def listen(self) -> None:
        """From now on in this loop."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)

    def stop_by(self, applying: Applying) -> None:
        """What to ask to stop."""
        self._applying = applying

    def _signalled(self) -> None:
        self.happened += 1
        if self.happened == 1 and self._applying is not None:
            output.note("Stopping: what runs is finished, nothing more is started. Once more to leave at once.")
            self._applying.stop()
        elif self._task is not None:
            self._task.cancel()
