"""The whole product as one line: load, compose, validate, read live, plan, guard, apply, report.

``check`` goes from files to manifests, ``want`` from manifests to desired resources, ``propose`` from there to a
guarded plan, ``sync`` to the report. A plan is the line stopped early.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.compose.overlays import compose
from reconciler.domain import Severity
from reconciler.errors import ManifestError
from reconciler.load.manifests import load_environment
from reconciler.load.project_file import load_project
from reconciler.load.survey import survey
from reconciler.manifest import Context
from reconciler.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from reconciler.apply import Applying, Progress
    from reconciler.arm.client import Arm
    from reconciler.domain import Document, Finding, Hold, Intent, Live, LocalPath, Plan, Ref, Report, Resource, Target
    from reconciler.load.once import Once
    from reconciler.manifest import Manifest
    from schemas.project import Project


@dataclass(frozen=True, slots=True)
class Checked:
    """The manifests of one environment, and everything found wrong with them; warnings alone do not stop."""

    project: Project
    environment: str
    documents: tuple[Document, ...]
    manifests: tuple[Manifest, ...]
    survey: Mapping[str, LocalPath]
    findings: tuple[Finding, ...]

    def sound(self) -> Checked:
        """Itself, when there is no error. Raises ManifestError with every finding otherwise."""
        if any(finding.severity is Severity.ERROR for finding in self.findings):
            raise ManifestError(self.findings)
        return self


def check(root: Path, environment: str, *, digests: bool = False, once: Once | None = None) -> Checked:
    """Load, compose and validate one environment. ``digests`` hashes what would be uploaded.

    ``once`` keeps what was read of a revision for its other environments.

    Raises ManifestError when gitops.yaml itself is wrong, UsageError for an unknown environment, SourceError.
    """
    project, findings = load_project(root)
    if project is None or any(finding.severity is Severity.ERROR for finding in findings):
        raise ManifestError(findings)
    loaded = load_environment(root, project, environment, once)
    documents, fit = compose(loaded.base, loaded.overlays, defaults=loaded.defaults, variables=loaded.variables)
    held = survey(documents, root, digests=digests, once=once)
    own = project.environments[environment]
    context = Context(environment, own.network, own.container_registry, loose=False)
    validated = validate(documents, context, held)
    found = sorted({*findings, *loaded.findings, *fit, *validated.findings}, key=lambda f: (f.position, f.rule, f.path))
    return Checked(project, environment, documents, validated.manifests, held, tuple(found))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment is to be, on whose behalf, and how far a plan may go; warnings are still to be shown."""

    intent: Intent
    resources: tuple[Resource, ...]
    warnings: tuple[Finding, ...]


def want(
    checked: Checked,
    target: Target,
    revision: str,
    confirmed: frozenset[str] = frozenset(),
    selected: tuple[str, ...] = (),
    held: tuple[Hold, ...] = (),
) -> Wanted:
    """Turn checked manifests into desired resources of the workspace ``target``.

    The last three narrow the plan, as Intent says. The manifests themselves are not needed any more afterwards: of
    10,000 resources they are most of the memory.
    """
    from reconciler.desired import Desire, desired
    from reconciler.domain import Intent, Limits

    project, name = checked.project, checked.environment
    limits = project.limits_of(name)
    intent = Intent(
        project.project,
        name,
        revision,
        project.environments[name].network,
        project.prune_of(name),
        Limits(limits.max_delete_percent, limits.workers),
        confirmed,
        held,
        selected,
    )
    resources = desired(checked.manifests, Desire(project.project, target, checked.survey))
    return Wanted(intent, resources, checked.findings)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan, and the live state that it was made from."""

    plan: Plan
    live: Live


async def propose(wanted: Wanted, arm: Arm) -> Proposed:
    """What would be done to bring live to what is wanted, and what stands against it; nothing is written.

    Raises ArmError when live cannot be read, UsageError when a selection means nothing.
    """
    from reconciler.live import read

    live = await read(arm, wanted.resources, prune=wanted.intent.prune)
    # In a thread: one loop reconciles many environments, and a large plan must not keep leases from being renewed.
    return Proposed(await asyncio.to_thread(_planned, wanted, live), live)


def _planned(wanted: Wanted, live: Live) -> Plan:
    from reconciler.plan.guard import guard
    from reconciler.plan.hold import hold, select
    from reconciler.plan.planning import plan

    proposed = plan(wanted.resources, live, wanted.intent)
    narrowed = hold(select(proposed, wanted.resources, live, wanted.intent), wanted.resources, wanted.intent)
    return guard(narrowed, wanted.resources, live, wanted.intent)


async def sync(
    wanted: Wanted,
    arm: Arm,
    root: Path,
    *,
    approve: Callable[[Plan], None],
    progress: Progress,
    running: Callable[[Applying], None] = lambda _: None,
) -> Report:
    """Bring live to what is wanted, once; what is uploaded is taken from below ``root``.

    ``approve`` sees the plan and raises to stop; ``running`` is handed the apply, so that it can be asked to stop.
    Raises PlanRefused, StalePlan, ArmError; what fails while applying is told in the report instead.
    """
    from reconciler.apply import Applying
    from reconciler.arm.upload import Uploader
    from reconciler.domain import Report, Result
    from reconciler.plan.guard import moving
    from reconciler.plan.hold import left_alone

    proposed = await propose(wanted, arm)
    plan = proposed.plan
    approve(plan)
    report = Report(plan)
    if plan.actions:
        async with Uploader(arm, root) as uploader:
            applying = Applying(plan, arm, uploader, progress, workers=wanted.intent.limits.workers)
            running(applying)
            report = await applying.run()
    if any(outcome.result is Result.INTERRUPTED for outcome in report.outcomes):
        return report  # Asked to end: what others are at work on is not waited for.
    apart = left_alone(wanted.resources, plan, wanted.intent)
    waiting = [ref for ref in moving(plan, wanted.resources, proposed.live) if ref not in apart]
    return replace(report, unsettled=await _unsettled(waiting, arm))


async def _unsettled(refs: Sequence[Ref], arm: Arm) -> str:
    """Wait for what Azure was at work on when the plan was made; why it did not end well, or nothing."""
    from reconciler.apply import settled
    from reconciler.errors import ArmError

    try:
        await settled(refs, arm)
    except ArmError as error:
        return error.message
    return ""
