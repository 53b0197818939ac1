"""The whole product as one line: load, compose, validate, read live, plan, guard, apply, report.

``check`` is its first third, ``propose`` its first two, ``sync`` the whole. A plan is the line stopped early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.compose import compose
from reconciler.domain import Severity
from reconciler.errors import ManifestError
from reconciler.load import load_environment, load_project
from reconciler.manifest import Context
from reconciler.survey import survey
from reconciler.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from reconciler.apply import Applying, Progress
    from reconciler.arm.client import Arm
    from reconciler.domain import Document, Finding, Live, LocalPath, Plan, Report, Resource
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


def check(root: Path, environment: str, *, digests: bool = False) -> Checked:
    """Load, compose and validate one environment. ``digests`` hashes what would be uploaded.

    Raises ManifestError when gitops.yaml itself is wrong, UsageError for an unknown environment, SourceError.
    """
    project, findings = load_project(root)
    if project is None or any(finding.severity is Severity.ERROR for finding in findings):
        raise ManifestError(findings)
    loaded = load_environment(root, project, environment)
    documents, fit = compose(loaded.base, loaded.overlays, defaults=loaded.defaults, variables=loaded.variables)
    held = survey(documents, root, digests=digests)
    own = project.environments[environment]
    context = Context(environment, own.network, own.container_registry, loose=False)
    validated = validate(documents, context, held)
    found = sorted({*findings, *loaded.findings, *fit, *validated.findings}, key=lambda f: (f.position, f.rule, f.path))
    return Checked(project, environment, documents, validated.manifests, held, tuple(found))


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan, with the desired resources and the live state that it was made from."""

    plan: Plan
    resources: tuple[Resource, ...]
    live: Live


async def propose(checked: Checked, arm: Arm, revision: str, confirmed: frozenset[str] = frozenset()) -> Proposed:
    """What would be done to bring live to the manifests, and what stands against it; nothing is written.

    ``confirmed`` names the endpoints and traffic whose loss of service a person agreed to. Raises ArmError.
    """
    from reconciler.desired import Desire, desired
    from reconciler.domain import Intent, Limits
    from reconciler.guard import guard
    from reconciler.live import read
    from reconciler.plan import plan

    project = checked.project
    limits = project.limits_of(checked.environment)
    intent = Intent(
        project.project,
        checked.environment,
        revision,
        arm.connection.network,
        project.prune_of(checked.environment),
        Limits(limits.max_delete_percent, limits.workers),
        confirmed,
    )
    resources = desired(checked.manifests, Desire(project.project, arm.target, checked.survey))
    live = await read(arm, resources, prune=intent.prune)
    return Proposed(guard(plan(resources, live, intent), resources, live, intent), resources, live)


async def sync(
    root: Path,
    environment: str,
    revision: str,
    arm: Arm,
    *,
    approve: Callable[[Plan], None],
    progress: Progress,
    running: Callable[[Applying], None] = lambda _: None,
    confirmed: frozenset[str] = frozenset(),
) -> Report:
    """Bring the environment to the manifests once.

    ``approve`` sees the plan and raises to stop; ``running`` is handed the apply, so that it can be asked to stop.
    Raises ManifestError, PlanRefused, StalePlan, ArmError; what fails while applying is told in the report instead.
    """
    from reconciler.apply import Applying
    from reconciler.arm.upload import Uploader
    from reconciler.domain import Report

    checked = check(root, environment, digests=True).sound()
    plan = (await propose(checked, arm, revision, confirmed)).plan
    approve(plan)
    if not plan.actions:
        return Report(plan)
    async with Uploader(arm, root) as uploader:
        applying = Applying(plan, arm, uploader, progress, workers=checked.project.limits_of(environment).workers)
        running(applying)
        return await applying.run()
